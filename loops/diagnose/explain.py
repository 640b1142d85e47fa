"""From the first divergence to its cause: replays the known mistakes and names the one that explains it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from loops.case.loading import Case
from loops.diagnose.components import weigh
from loops.diagnose.diagnosis import IDENTICAL, Diagnosis
from loops.diagnose.endings import wrong_end
from loops.diagnose.evidence import end_unseen, not_replayed
from loops.diagnose.mistake import NO_MISTAKE, Mistake
from loops.diagnose.mistakes import GENERAL, Facts, catalogue
from loops.diagnose.reports import other_reports, wrong_report
from loops.diagnose.scale import Seen
from loops.diagnose.search import Candidate, Found, Search
from loops.diagnose.step import is_in_step
from loops.diagnose.trainings import Say, Trainings
from loops.parity.differences import Divergence, distance, gap_of, slots_match
from loops.parity.states import State

MORE_THAN_ONE = "more than one"
NOT_COMPARABLE = "not comparable: rounding alone takes this model too far"
WITHIN = f"{IDENTICAL} within rounding"
SEEDS_DIFFER = "dropout seeds differ"
DRAWN = ": other seeds, or another number of training passes that draw from them"
SEEDS = "one call model(x, training=True) a step; seed with keras.utils.set_random_seed before make_model()"
EXPLAINED = 0.1  # of fit()'s distance from the user: what a replay may leave over
WORTH_NAMING = 0.5  # a replay no nearer to the user than this would send them the wrong way
SAME_BATCH = 0.02  # a step on another batch that comes this much nearer to the user than fit() is theirs


def explain(trainings: Trainings, divergence: Divergence, seen: Seen, say: Say) -> Diagnosis:
    """Name the cause of a divergence, or say that it is rounding, or that no cause is proved."""
    if divergence.kind == "random state":
        return _seeds(f"the model's random generators part first{DRAWN}; what else differs shows only then")
    unseen = seen.first is None
    rounding = trainings.band.steps > 0 and trainings.within_rounding() and (unseen or seen.agree)
    mistakes = list(catalogue(_facts(trainings, divergence, seen, rounding=rounding)))
    doubts = _doubts(trainings, unseen=unseen)
    if not _reproduces(trainings):
        mistakes = [each for each in mistakes if not is_in_step(each)]
        doubts.append(
            "this tool's own writing of the training step does not reproduce fit() here, so that mistakes "
            "in the step could not be tried"
        )
    say(f"trying {len(mistakes)} known mistakes")
    count = _Counter(len(mistakes), say)
    search = Search(trainings, divergence.step, seen, on_try=count.tried, rounding=rounding)
    found = search.run(mistakes)
    cause = _rounding(trainings, found) if rounding else _cause(trainings, divergence, found)
    return replace(cause, evidence=(*cause.evidence, *doubts, *not_replayed(found.not_replayed)))


def _doubts(trainings: Trainings, *, unseen: bool) -> list[str]:
    """What the comparison could not see."""
    found = []
    if unseen:
        found.append("no gradients were seen: your step updates by other means than a Keras optimizer")
    if not slots_match(trainings.user.states[-1].slots, trainings.reference.states[-1].slots):
        found.append("optimizer slots were not compared: your step updates by another optimizer")
    if trainings.band.steps < trainings.steps:
        found.append(
            f"rounding alone takes this model so far that {trainings.band.steps} of {trainings.steps} steps "
            "can be judged"
        )
    return found


def _reproduces(trainings: Trainings) -> bool:
    """Whether this tool's writing of the step gives fit()'s own run, to the bit or within rounding."""
    try:
        written = trainings.replayer().replay(NO_MISTAKE, trainings.steps, rewritten=True)
    except Exception:  # fit() of this model cannot be written so
        return False
    judged = trainings.band.steps or trainings.steps
    pairs = list(enumerate(written, start=1))[:judged]
    return len(pairs) == judged and all(trainings.holds(step, state) for step, state in pairs)


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


def _rounding(trainings: Trainings, found: Found) -> Diagnosis:
    """The verdict where the departure is within rounding: what rounds otherwise, where a replay shows it."""
    steps = trainings.band.steps
    why = (
        f"the departure stays within rounding: {trainings.departure(steps):.1g} of the distance travelled "
        f"after {steps} steps, where fit() itself departs by up to {trainings.band.at(steps):.1g} "
        "when its start is moved by one ULP or when it is traced in another way"
    )
    wrong = wrong_end(trainings) or wrong_report(trainings, why)
    if wrong:
        return wrong
    exact = [candidate for candidate in found.candidates if candidate.exact]
    if exact:
        return _named(exact, "replaying it gives your trajectory to the last bit")
    return Diagnosis(WITHIN, (why, *other_reports(trainings), *end_unseen(trainings)))


def _cause(trainings: Trainings, divergence: Divergence, found: Found) -> Diagnosis:
    """The cause of more than rounding: a replayed mistake, another batch, or none that is proved."""
    candidates = [candidate for candidate in found.candidates if not candidate.mistake.rounding]
    exact = [candidate for candidate in candidates if candidate.exact]
    if exact:
        return _named(exact, "replaying it gives your trajectory to the last bit")
    if trainings.band.steps == 0:
        why = (
            f"fit() itself departs by {trainings.band.at(1):.1g} of the distance travelled in its first step "
            "when its start is moved by one ULP"
        )
        return Diagnosis(NOT_COMPARABLE, (why,))
    within = [each for each in candidates if each.within and each.ratio < EXPLAINED]
    if within:
        alike = [candidate for candidate in within if candidate.ratio <= 3 * within[0].ratio]
        return _named(alike, "its replay agrees with yours within rounding")
    order = _other_batch(trainings, divergence)
    if order:
        return order
    random = [f"the model's random generators end in other states{DRAWN}"] * _random_states_differ(trainings)
    return Diagnosis(MORE_THAN_ONE, (_hint(candidates), *random))


def _hint(candidates: Sequence[Candidate]) -> str:
    hint = "no single known mistake gives your trajectory: several at once, or one that is not on the list"
    nearest = min(candidates, key=lambda each: each.ratio, default=None)
    if nearest and nearest.ratio < WORTH_NAMING:
        hint += f"; the nearest is {nearest.mistake}, at {nearest.ratio:.2f} of fit()'s distance from you"
    return hint


def _seeds(why: str) -> Diagnosis:
    return Diagnosis(SEEDS_DIFFER, (why,), (SEEDS,), cause=SEEDS_DIFFER)


def _named(candidates: Sequence[Candidate], how: str) -> Diagnosis:
    """The diagnosis that names the candidates, or only the specific ones among them."""
    specific = [candidate for candidate in candidates if candidate.mistake.name not in GENERAL]
    candidates = [each for each in specific or candidates if not each.mistake.scaled] or candidates
    names = list(dict.fromkeys(candidate.mistake.name for candidate in candidates))
    details = [f"{each.mistake.name}: {each.mistake.detail}" for each in candidates if each.mistake.detail]
    advice = list(dict.fromkeys(candidate.mistake.advice for candidate in candidates))
    also = ["no trajectory on this model can tell these apart"] if len(names) > 1 else []
    verdict = " or ".join(names)
    return Diagnosis(verdict, (how, *details, *also), tuple(advice), cause=verdict)


def _facts(trainings: Trainings, divergence: Divergence, seen: Seen, *, rounding: bool) -> Facts:
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
        first=divergence.step,
        rounding=rounding,
        waits=not trainings.changed_by(1),
        compile_args=case.compile_args,
        fit_args=case.fit_args,
        seen=seen,
        weighing=weigh(trainings, seen, model, case.loss()),
    )


def _step_scale(trainings: Trainings) -> float | None:
    """The length of the user's first step over that of fit()'s, where both have one direction."""

    def move(state: State) -> np.ndarray:
        start = trainings.start.values
        return np.concatenate([gap_of(array, start[n.index]).ravel() for n, array in state.weights.items()])

    mine, theirs = move(trainings.user.states[0]), move(trainings.reference.states[0])
    norms = float(np.linalg.norm(mine)), float(np.linalg.norm(theirs))
    if min(norms) == 0 or float(mine @ theirs) / (norms[0] * norms[1]) < 0.99:
        return None
    return float(mine @ theirs) / norms[1] ** 2


def _random_states_differ(trainings: Trainings) -> bool:
    """Whether the user's generators were used, and otherwise than fit()'s."""
    fit, user = trainings.reference.states[-1].random, trainings.user.states[-1].random
    return any(
        not np.array_equal(state, fit[name]) and not np.array_equal(state, trainings.start.values[name.index])
        for name, state in user.items()
    )


def _other_batch(trainings: Trainings, divergence: Divergence) -> Diagnosis | None:
    """The diagnosis where the first step that differs is fit()'s own on another of the batches."""
    step, count = divergence.step, len(trainings.epoch)
    user, fit = trainings.user.states, trainings.reference.states
    apart = distance(user[step - 1], fit[step - 1])
    one_step = trainings.one_step()
    before = fit[step - 2] if step > 1 else None
    for index in range(count):
        if index == (step - 1) % count:
            continue
        state = one_step.run(NO_MISTAKE, before, fit[step - 1], index)
        if state and distance(state, user[step - 1]) < SAME_BATCH * apart:
            own = (step - 1) % count + 1
            how = f"at step {step} yours trained on batch {index + 1} of the epoch, fit() on batch {own}"
            name = "another batch order"
            return Diagnosis(name, (how,), ("train on the x and y that are passed in",), cause=name)
    return None
