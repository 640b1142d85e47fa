"""From the first divergence to its cause: replays the known mistakes and names the one that explains it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from loops.case.loading import Case
from loops.diagnose.diagnosis import Diagnosis
from loops.diagnose.evidence import not_replayed
from loops.diagnose.mistakes import GENERAL, Facts, catalogue
from loops.diagnose.reference import NO_MISTAKE, Mistake
from loops.diagnose.reports import wrong_report
from loops.diagnose.search import NEAR, Candidate, Search
from loops.diagnose.trainings import ROUNDING, Say, Trainings
from loops.parity.differences import Divergence, distance, gap_of
from loops.parity.states import State

MORE_THAN_ONE = "more than one"
DRAWN = ": other seeds, or another number of training passes that draw from them"
SEEDS = "one call model(x, training=True) a step; seed with keras.utils.set_random_seed before make_model()"
WORTH_NAMING = 0.5  # a replay no nearer to the user than this would send them the wrong way


def explain(trainings: Trainings, divergence: Divergence, say: Say) -> Diagnosis:
    """Name the cause of a divergence."""
    if divergence.kind == "random state":
        return Diagnosis(
            "dropout seeds differ", (f"the model's random generators part first{DRAWN}",), (SEEDS,)
        )
    apart = trainings.departure(min(divergence.step + 2, len(trainings.fit)))
    mistakes = [
        each for each in catalogue(_facts(trainings, divergence)) if apart > ROUNDING or each.rounding
    ]
    say(f"trying {len(mistakes)} known mistakes")
    count = _Counter(len(mistakes), say)
    search = Search(
        trainings.replayer(), trainings.user, trainings.baseline, divergence.step, on_try=count.tried
    )
    found = search.run(mistakes)
    cause = _cause(trainings, divergence, found.candidates, apart)
    return replace(cause, evidence=(*cause.evidence, *not_replayed(found.not_replayed)))


class _Counter:
    """Says after every 20 tries how far the search is."""

    def __init__(self, total: int, say: Say) -> None:
        self._done, self._total, self._say = 0, total, say

    def tried(self, mistake: Mistake) -> None:
        self._done += 1
        if self._done % 20 == 0:
            of_all = f"{self._done} of {self._total} tried"
            progress = of_all if self._done <= self._total else "replaying the likely ones"
            self._say(f"{progress}, now: {mistake.name}")


def _cause(
    trainings: Trainings, divergence: Divergence, candidates: Sequence[Candidate], apart: float
) -> Diagnosis:
    """What the replays say: an exact replay, rounding, or neither. `apart` is the departure shortly after."""
    exact = [candidate for candidate in candidates if candidate.exact]
    if exact:
        how = "replaying it gives your trajectory to the last bit"
        return _named(exact, how + (" (run eagerly, as your step)" if trainings.note else ""), trainings.note)
    if apart < ROUNDING:
        why = (
            f"the departure is {apart:.1g} of the distance travelled: the same mathematics, rounded otherwise"
        )
        within = Diagnosis("identical within rounding" + trainings.note, (why,))
        return wrong_report(trainings, why) or within
    return _inexact(trainings, divergence, candidates)


def _inexact(trainings: Trainings, divergence: Divergence, candidates: Sequence[Candidate]) -> Diagnosis:
    """The cause where no replay agrees to the bit: another batch, the nearest mistake, seeds, or several."""
    order = _other_batch(trainings, divergence)
    if order:
        return order
    near = [candidate for candidate in candidates if candidate.ratio < NEAR]
    if near:
        best = near[0].ratio
        alike = [candidate for candidate in near if candidate.ratio <= 3 * best]
        how = f"the nearest: its replay is at {best:.1g} of fit()'s distance from you, the rest is rounding"
        return _named(alike, how, trainings.note)
    if _random_states_differ(trainings):
        why = f"the model's random generators end in other states{DRAWN}"
        return Diagnosis("dropout seeds differ", (why,), (SEEDS,))
    hint = "no single known mistake gives your trajectory: several at once, or one that is not on the list"
    if candidates and candidates[0].ratio < WORTH_NAMING:
        nearest = candidates[0]
        hint += f"; the nearest is {nearest.mistake}, at {nearest.ratio:.2f} of fit()'s distance from you"
    return Diagnosis(MORE_THAN_ONE + trainings.note, (hint,))


def _named(candidates: Sequence[Candidate], how: str, note: str) -> Diagnosis:
    """The diagnosis that names the candidates, or only the specific ones among them."""
    specific = [candidate for candidate in candidates if candidate.mistake.name not in GENERAL]
    candidates = specific or candidates
    names = list(dict.fromkeys(candidate.mistake.name for candidate in candidates))
    details = [f"{each.mistake.name}: {each.mistake.detail}" for each in candidates if each.mistake.detail]
    advice = list(dict.fromkeys(candidate.mistake.advice for candidate in candidates))
    also = ["no trajectory on this model can tell these apart"] if len(names) > 1 else []
    return Diagnosis(" or ".join(names) + note, (how, *details, *also), tuple(advice))


def _facts(trainings: Trainings, divergence: Divergence) -> Facts:
    case = Case(trainings.path)
    model = case.model(trainings.epoch[0], trainings.start)
    positions = {id(variable): index for index, variable in enumerate(model.variables)}
    changed = trainings.changed
    return Facts(
        model=model,
        optimizer=case.optimizer(),
        loss=case.loss(),
        epoch=trainings.epoch,
        changed=frozenset(i for i, weight in enumerate(model.weights) if positions[id(weight)] in changed),
        step_scale=_step_scale(trainings) if divergence.step == 1 else None,
    )


def _step_scale(trainings: Trainings) -> float | None:
    """The length of the user's first step over that of fit()'s, where both have one direction."""

    def move(state: State) -> np.ndarray:
        start = trainings.start.values
        return np.concatenate([gap_of(array, start[n.index]).ravel() for n, array in state.weights.items()])

    mine, theirs = move(trainings.user[0]), move(trainings.baseline[0])
    norms = float(np.linalg.norm(mine)), float(np.linalg.norm(theirs))
    if min(norms) == 0 or float(mine @ theirs) / (norms[0] * norms[1]) < 0.99:
        return None
    return float(mine @ theirs) / norms[1] ** 2


def _random_states_differ(trainings: Trainings) -> bool:
    """Whether the user's generators were used, and otherwise than fit()'s."""
    fit, user = trainings.baseline[-1].random, trainings.user[-1].random
    return any(
        not np.array_equal(state, fit[name]) and not np.array_equal(state, trainings.start.values[name.index])
        for name, state in user.items()
    )


def _other_batch(trainings: Trainings, divergence: Divergence) -> Diagnosis | None:
    """The diagnosis where the first step that differs is fit()'s own on another of the batches."""
    step, count = divergence.step, len(trainings.epoch)
    apart = distance(trainings.user[step - 1], trainings.baseline[step - 1])
    replayer = trainings.replayer()
    before = trainings.baseline[step - 2] if step > 1 else None
    for index in range(count):
        if index == (step - 1) % count:
            continue
        state = replayer.one_step(NO_MISTAKE, before, index)
        if state and distance(state, trainings.user[step - 1]) < NEAR * apart:
            own = (step - 1) % count + 1
            how = f"at step {step} yours trained on batch {index + 1} of the epoch, fit() on batch {own}"
            return Diagnosis("another batch order", (how,), ("train on the x and y that are passed in",))
    return None
