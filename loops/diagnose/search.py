"""Which known mistake explains a departure: a step of each tried, the likely ones replayed."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from loops.case.loading import Start
from loops.diagnose.reference import Mistake, Replayer
from loops.errors import UserError
from loops.parity.differences import distance, gap_of, norm
from loops.parity.states import State

WINDOW = 3  # steps from the first divergence in which replays are weighed: later, rounding has grown
LIKELY = 0.3  # one step of a mistake must come this much nearer to the user than fit() is
NEAR = 0.02  # a replay this much nearer explains the user's trajectory but for rounding
MOST = 16  # likely mistakes that are replayed


@dataclass(frozen=True)
class Candidate:
    """A replayed mistake: its distance from the user over fit()'s, and whether all steps agree to the bit."""

    mistake: Mistake
    ratio: float
    exact: bool


def search(
    replayer: Replayer,
    mistakes: Iterable[Mistake],
    user: Sequence[State],
    fit: Sequence[State],
    first: int,
    on_try: Callable[[Mistake], None],
) -> list[Candidate]:
    """Try a step of each mistake at the first divergence (`first`, from 1), replay the likely; best first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a planted mistake may well be warned about
        return _search(replayer, mistakes, user, fit, first, on_try)


def _search(
    replayer: Replayer,
    mistakes: Iterable[Mistake],
    user: Sequence[State],
    fit: Sequence[State],
    first: int,
    on_try: Callable[[Mistake], None],
) -> list[Candidate]:
    likely = []
    for mistake in mistakes:
        on_try(mistake)
        ratio = (
            0.0
            if mistake.stateful or mistake.rounding
            else _one_step_ratio(replayer, mistake, user, fit, first)
        )
        if ratio is not None and ratio <= LIKELY:
            likely.append((ratio, mistake))
    likely.sort(key=lambda pair: (pair[0], not pair[1].rounding))
    sure = [mistake for _, mistake in likely if mistake.stateful or mistake.rounding]
    rest = [mistake for _, mistake in likely if mistake not in sure]
    found = []
    for mistake in [*rest[:MOST], *sure]:
        on_try(mistake)
        candidate = _replay(replayer, mistake, user, fit, first)
        if candidate:
            found.append(candidate)
    return sorted(found, key=lambda candidate: (not candidate.exact, candidate.ratio))


def departure(user: Sequence[State], fit: Sequence[State], start: Start, step: int) -> float:
    """The user's distance from fit() after `step` steps (from 1), over the distance fit() has travelled.

    Where the weights agree to the bit, that of the optimizer slots over their size.
    """
    mine, theirs = user[step - 1], fit[step - 1]
    apart = distance(mine, theirs)
    if any(gap_of(mine.weights[name], theirs.weights[name]).any() for name in mine.weights):
        moves = (gap_of(array, start.values[int(name.split()[0])]) for name, array in theirs.weights.items())
        travelled = norm(moves)
    else:
        travelled = norm(array for array in theirs.slots.values() if array.ndim)
    if not apart:
        return 0.0
    return apart / travelled if travelled else float("inf")


def _one_step_ratio(
    replayer: Replayer, mistake: Mistake, user: Sequence[State], fit: Sequence[State], first: int
) -> float | None:
    before = fit[first - 2] if first > 1 else None
    apart = distance(fit[first - 1], user[first - 1])
    try:
        state = replayer.one_step(mistake, before, first - 1)
    except UserError:
        raise
    except Exception:  # it makes no sense on this model, such as a loss of another shape
        return None
    if state is None:
        return 0.0  # one step cannot tell; the replay will
    if not apart:
        return None
    ratio = distance(state, user[first - 1]) / apart
    return ratio if np.isfinite(ratio) else None


def _replay(
    replayer: Replayer, mistake: Mistake, user: Sequence[State], fit: Sequence[State], first: int
) -> Candidate | None:
    """Replay around the first divergence; to the end only while every step agrees to the bit."""
    ratios: list[float] = []
    exact = True
    horizon = min(first + WINDOW - 1, len(user))
    try:
        for step, state in enumerate(replayer.replay(mistake, len(user))):
            own = distance(state, user[step])
            exact = exact and own == 0
            apart = distance(fit[step], user[step])
            if step < horizon and apart:
                ratios.append(own / apart)
            if step + 1 >= horizon and not exact:
                break
    except UserError:
        raise
    except Exception:
        return None
    ratio = float(np.mean(ratios)) if ratios else float("inf")
    return Candidate(mistake, ratio, exact) if np.isfinite(ratio) else None
