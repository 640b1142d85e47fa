"""Finds which known mistake explains a departure: tries one step of each, then replays the likely ones."""

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import tensorflow as tf

from loops.diagnose.reference import Mistake, Replayer
from loops.errors import UserError
from loops.parity.differences import distance
from loops.parity.states import State

WINDOW = 3  # steps from the first divergence in which replays are weighed: later, rounding has grown
LIKELY = 0.3  # one step of a mistake must come this much nearer to the user than fit() is
NEAR = 0.02  # a replay this much nearer explains the user's trajectory but for rounding
MOST = 16  # likely mistakes that are replayed
T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """A replayed mistake: its distance from the user over fit()'s, and whether all steps agree to the bit."""

    mistake: Mistake
    ratio: float
    exact: bool


@dataclass(frozen=True)
class NotReplayed:
    """A mistake that could not be replayed, and the error that prevented it.

    Either it does not apply to the model (a loss of another shape, say), or its replay is broken.
    """

    mistake: Mistake
    reason: str
    does_not_apply: bool


@dataclass(frozen=True)
class Found:
    """What a search found: the replayed mistakes, best first, and those that could not be replayed."""

    candidates: tuple[Candidate, ...]
    not_replayed: tuple[NotReplayed, ...]


class Search:
    """Compares known mistakes with the user's training.

    `fit` is the right training, `first` the step (from 1) at which the user's departs from it, and
    `on_try` is told of each mistake before it is tried.
    """

    def __init__(
        self,
        replayer: Replayer,
        user: Sequence[State],
        fit: Sequence[State],
        first: int,
        on_try: Callable[[Mistake], None],
    ) -> None:
        self._replayer, self._user, self._fit, self._first = replayer, user, fit, first
        self._on_try = on_try
        self._not_replayed: list[NotReplayed] = []

    def run(self, mistakes: Iterable[Mistake]) -> Found:
        """Try one step of each mistake at the first divergence, then replay the likely ones.

        Raises:
            UserError: the case's own functions raise.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras may well warn about a planted mistake
            replayed = [self._attempt(self._replay, mistake) for mistake in self._likely(mistakes)]
        candidates = [candidate for candidate in replayed if candidate and np.isfinite(candidate.ratio)]
        candidates.sort(key=lambda candidate: (not candidate.exact, candidate.ratio))
        return Found(tuple(candidates), tuple(self._not_replayed))

    def _likely(self, mistakes: Iterable[Mistake]) -> list[Mistake]:
        """The mistakes to replay: those whose one step comes near, and those that one step cannot show."""
        near: list[tuple[float, Mistake]] = []
        unseen = []
        for mistake in mistakes:
            if mistake.stateful or mistake.rounding:
                self._on_try(mistake)
                unseen.append(mistake)
                continue
            ratio = self._attempt(self._one_step_ratio, mistake)
            if ratio is not None and ratio <= LIKELY:
                near.append((ratio, mistake))
        near.sort(key=lambda pair: pair[0])
        unseen.sort(key=lambda mistake: not mistake.rounding)
        return [*(mistake for _, mistake in near[:MOST]), *unseen]

    def _attempt(self, function: Callable[[Mistake], T], mistake: Mistake) -> T | None:
        """What the function returns; where it raises, the mistake is noted as not replayed."""
        self._on_try(mistake)
        try:
            return function(mistake)
        except UserError:
            raise
        except Exception as error:  # a planted mistake can raise anything; the evidence names it
            refused = isinstance(error, ValueError | tf.errors.InvalidArgumentError)
            self._not_replayed.append(NotReplayed(mistake, _reason(error), does_not_apply=refused))
            return None

    def _one_step_ratio(self, mistake: Mistake) -> float | None:
        """How near one step of the mistake comes to the user's, over how near fit()'s own is."""
        at = self._first - 1
        apart = distance(self._fit[at], self._user[at])
        state = self._replayer.one_step(mistake, self._fit[at - 1] if at else None, at)
        if state is None:
            return 0.0  # one step cannot tell; the replay will
        if not apart:
            return None
        ratio = distance(state, self._user[at]) / apart
        return ratio if np.isfinite(ratio) else None

    def _replay(self, mistake: Mistake) -> Candidate:
        """Replay around the first divergence, and to the end while every step agrees to the bit."""
        ratios: list[float] = []
        exact = True
        horizon = min(self._first + WINDOW - 1, len(self._user))
        for step, state in enumerate(self._replayer.replay(mistake, len(self._user))):
            own = distance(state, self._user[step])
            exact = exact and own == 0
            apart = distance(self._fit[step], self._user[step])
            if step < horizon and apart:
                ratios.append(own / apart)
            if step + 1 >= horizon and not exact:
                break
        return Candidate(mistake, float(np.mean(ratios)) if ratios else float("inf"), exact)


def _reason(error: Exception) -> str:
    """The error in one line, without the stack and the node names that TensorFlow and Keras put around it."""
    text = str(error).partition("Arguments received by")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip() and "[[{{" not in line]
    told = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", lines[-1]) if lines else "no message"
    kind = type(error).__name__
    return told if told.startswith(f"{kind}:") else f"{kind}: {told}"
