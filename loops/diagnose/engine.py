"""From a case file to a verdict: fit() and the user's step side by side, then the cause by replay."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from loops.case.loading import Batch, Case, CaseError, Start, batch_size
from loops.case.running import (
    check_finite,
    is_graph_function,
    train_by_fit,
    train_by_step,
)
from loops.diagnose import reports
from loops.diagnose.mistakes import GENERAL, Facts, catalogue
from loops.diagnose.reference import NO_MISTAKE, Mistake, Replayer
from loops.diagnose.search import NEAR, Candidate, departure, search
from loops.parity.differences import Divergence, distance, first_divergence
from loops.parity.states import State

MORE_THAN_ONE = "more than one"
ROUNDING = 1e-5  # a departure this small against the distance travelled is rounding
DRAWN = ": other seeds, or another number of training passes that draw from them"
SEEDS = "one call model(x, training=True) a step; seed with keras.utils.set_random_seed before make_model()"
REPORTING = {
    "metrics not reset": "metric.reset_state()  # when an epoch starts",
    "metrics not weighted by image": "mean_loss.update_state(batch_loss, sample_weight=tf.shape(x)[0])",
}
WORTH_NAMING = 0.5  # a replay no nearer to the user than this would send them the wrong way
SUDDEN = 100  # a departure that grows this much within a step is no rounding
Say = Callable[[str], None]


@dataclass(frozen=True)
class Diagnosis:
    """The verdict, what it rests on, and the mended code."""

    verdict: str
    evidence: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trainings:
    """A case trained by fit() and by the user's step, from one start on the same batches.

    `mode` is how the user's step ran: "dynamic" (traced as fit() traces), "static" (a graph
    for each batch size) or "eager". `baseline` is the right training in that mode: fit()'s
    own, or a replay without any mistake, which differs from fit() by rounding alone.
    """

    path: Path
    epoch: list[Batch]
    start: Start
    fit: list[State]
    user: list[State]
    mode: str
    baseline: list[State]
    reported: list[State]  # the user's run as the user runs it: eager where it is no tf.function

    @property
    def note(self) -> str:
        """What the verdict must add where the step could not be traced."""
        return " (compared within rounding: the step could not be traced)" if self.mode == "eager" else ""

    def replayer(self) -> Replayer:
        """A replayer that runs as the user's step ran."""
        return Replayer(Case(self.path), self.epoch, self.start, self.mode)


def diagnose(path: Path, steps: int, say: Say = lambda line: None) -> Diagnosis:
    """Train a case by fit() and by its own step, and name what makes them differ.

    Raises:
        CaseError: the case cannot be run: it raises, trains nothing, or gives NaN.
    """
    trainings = _train_both(path, steps, say)
    divergence = first_divergence(trainings.baseline, trainings.user)
    if divergence is None:
        return _same_weights(trainings)
    found = _explain(trainings, divergence, say)
    seen = (
        *_describe(divergence, trainings),
        *_gradients(trainings, divergence),
        *_order_of_batches(trainings),
    )
    evidence = (*seen, *found.evidence)
    return Diagnosis(found.verdict, evidence, found.advice)


def _train_both(path: Path, steps: int, say: Say) -> Trainings:
    """Run fit() and the user's step; each from a fresh execution of the file."""
    case = Case(path)
    epoch = case.epoch(steps)
    say(f"fit(): {steps} steps, {len(epoch)} batches an epoch")
    start, fit = train_by_fit(case, epoch, steps, None)
    check_finite(path, "fit()", fit)
    say("your train_step: the same start, the same batches")
    user, mode, reported = _train_user(path, epoch, steps, start)
    check_finite(path, "train_step", user)
    if not _changed(user, start):
        raise CaseError(
            f"{path}: train_step trains nothing: no variable of the model changed in {steps} steps. "
            "Does it apply the gradients to model.trainable_variables?"
        )
    mode, baseline = _baseline(path, epoch, start, fit, user, mode)
    return Trainings(path, epoch, start, fit, user, mode, baseline, reported)


def _train_user(
    path: Path, epoch: list[Batch], steps: int, start: Start
) -> tuple[list[State], str, list[State]]:
    """A tf.function as it is; anything else traced as fit() traces, else by batch size, else as it stands.

    Python state (a counter, a list) is frozen in a trace, so the step also runs eagerly; where the two
    part by more than rounding, eager is what the user has. What the step reports is taken from there too.
    """
    if is_graph_function(Case(path).train_step):
        states = train_by_step(Case(path), epoch, steps, start, "static")
        return states, "static", states
    eager = _tried(path, epoch, steps, start, "eager")
    for mode in ("dynamic", "static"):
        states = _tried(path, epoch, steps, start, mode)
        if states and not (eager and _jumps(states, eager, start)):
            return states, mode, eager or states
    states = eager or train_by_step(Case(path), epoch, steps, start, "eager")
    return states, "eager", states


def _tried(path: Path, epoch: list[Batch], steps: int, start: Start, mode: str) -> list[State]:
    try:
        return train_by_step(Case(path), epoch, steps, start, mode)
    except CaseError:
        return []


def _jumps(traced: Sequence[State], eager: Sequence[State], start: Start) -> bool:
    """Whether two runs part suddenly, which rounding, growing smoothly, does not."""
    before = 0.0
    for step in range(1, len(traced) + 1):
        apart = departure(eager, traced, start, step)
        if apart > ROUNDING and apart > SUDDEN * before:
            return True
        before = apart
    return False


def _baseline(
    path: Path, epoch: list[Batch], start: Start, fit: list[State], user: list[State], mode: str
) -> tuple[str, list[State]]:
    """The right training to hold the user's against: of fit() and the replay, what agrees for longer."""
    if mode == "dynamic" or first_divergence(fit, user) is None:
        return "dynamic", fit
    replay = list(Replayer(Case(path), epoch, start, mode).replay(NO_MISTAKE, len(user)))
    by_fit, by_replay = first_divergence(fit, user), first_divergence(replay, user)
    if mode == "static" and by_fit and by_replay and by_fit.step > by_replay.step:
        return "dynamic", fit
    return mode, replay


def _changed(user: Sequence[State], start: Start) -> frozenset[int]:
    """Indices into model.variables of the weights that the user's step ever changed."""
    positions = {name: int(name.split()[0]) for name in user[0].weights}
    return frozenset(
        position
        for name, position in positions.items()
        if any(not np.array_equal(state.weights[name], start.values[position]) for state in user)
    )


def _same_weights(trainings: Trainings) -> Diagnosis:
    """The weights agree with the baseline; what the step reports may still not."""
    steps = len(trainings.fit)
    same = f"weights, optimizer slots and random state agree to the bit in all {steps} steps"
    wrong = _wrong_report(trainings, same)
    if wrong:
        return wrong
    notes = [*_other_reports(trainings), *_order_of_batches(trainings), *_end_unseen(trainings)]
    if trainings.mode == "eager":
        why = "run eagerly, as your step, a replay of fit() agrees with it to the bit"
        return Diagnosis("identical within rounding (the step could not be traced)", (why, *notes))
    if trainings.baseline is not trainings.fit:
        far = departure(trainings.user, trainings.fit, trainings.start, steps)
        same = (
            "a replay of fit() traced for each batch size, as your tf.function is, agrees to the bit; fit() "
            f"leaves the batch size open and rounds otherwise ({far:.1g} of the distance travelled)"
        )
    return Diagnosis("identical", (same, *notes))


def _wrong_report(trainings: Trainings, weights: str) -> Diagnosis | None:
    """A known mistake in how the step's reported numbers are averaged."""
    sizes = [batch_size(batch) for batch in trainings.epoch]
    mistake = reports.unlike(trainings.reported, trainings.fit, sizes)
    if mistake in (None, reports.UNKNOWN):  # nothing known: the loss may leave regularisers out, say
        return None
    advice = tuple(line for name, line in REPORTING.items() if name in str(mistake))
    return Diagnosis(str(mistake), (weights, *_other_reports(trainings)), advice)


def _other_reports(trainings: Trainings) -> list[str]:
    """Where the step's reported numbers first differ from fit()'s running means, beyond a batch's own."""
    sizes = [batch_size(batch) for batch in trainings.epoch]
    if reports.unlike(trainings.reported, trainings.fit, sizes) is None:
        return []
    for step, (mine, theirs) in enumerate(zip(trainings.reported, trainings.fit, strict=True), start=1):
        for name in theirs.reported.keys() & mine.reported.keys():
            a, b = mine.reported[name], theirs.reported[name]
            if not np.isclose(a, b, rtol=10 * reports.TOLERANCE, atol=reports.TOLERANCE):
                return [f"reported {name}: differs first at step {step}, {a:.6g} where fit() says {b:.6g}"]
    return []


def _end_unseen(trainings: Trainings) -> list[str]:
    """A warning where no step comes after an epoch's end."""
    steps = len(trainings.fit)
    if len(trainings.epoch) < steps:
        return []
    return [f"note: {steps} steps end within the first epoch; what a new epoch does was not seen (--steps)"]


def _explain(trainings: Trainings, divergence: Divergence, say: Say) -> Diagnosis:
    """Name the cause of a divergence."""
    if divergence.kind == "random state":
        return Diagnosis(
            "dropout seeds differ", (f"the model's random generators part first{DRAWN}",), (SEEDS,)
        )
    shortly_after = min(divergence.step + 2, len(trainings.fit))
    apart = departure(trainings.user, trainings.baseline, trainings.start, shortly_after)
    mistakes = [
        each for each in catalogue(_facts(trainings, divergence)) if apart > ROUNDING or each.rounding
    ]
    say(f"trying {len(mistakes)} known mistakes")
    tried = 0

    def count(mistake: Mistake) -> None:
        nonlocal tried
        tried += 1
        of_all = (
            f"{tried} of {len(mistakes)} tried" if tried <= len(mistakes) else "replaying the likely ones"
        )
        if tried % 20 == 0:
            say(f"{of_all}, now: {mistake.name}")

    candidates = search(
        trainings.replayer(), mistakes, trainings.user, trainings.baseline, divergence.step, count
    )
    exact = [candidate for candidate in candidates if candidate.exact]
    if exact:
        how = "replaying it gives your trajectory to the last bit"
        return _named(exact, how + (" (run eagerly, as your step)" if trainings.note else ""), trainings.note)
    if apart < ROUNDING:
        why = (
            f"the departure is {apart:.1g} of the distance travelled: the same mathematics, rounded otherwise"
        )
        within = Diagnosis("identical within rounding" + trainings.note, (why,))
        return _wrong_report(trainings, why) or within
    return _inexact(trainings, divergence, candidates)


def _inexact(trainings: Trainings, divergence: Divergence, candidates: Sequence[Candidate]) -> Diagnosis:
    """No replay agrees to the bit: another batch, the nearest mistake, other seeds, or several at once."""
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
        name = " ".join(filter(None, (nearest.mistake.name, nearest.mistake.detail)))
        hint += f"; the nearest is {name} ({nearest.ratio:.2f} of fit()'s distance from you)"
    return Diagnosis(MORE_THAN_ONE + trainings.note, (hint,))


def _facts(trainings: Trainings, divergence: Divergence) -> Facts:
    case = Case(trainings.path)
    model = case.model(trainings.epoch[0], trainings.start)
    positions = {id(variable): index for index, variable in enumerate(model.variables)}
    changed = _changed(trainings.user, trainings.start)
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
    moves = []
    for state in (trainings.user[0], trainings.baseline[0]):
        parts = [
            (array.astype(np.float64) - trainings.start.values[int(name.split()[0])]).ravel()
            for name, array in state.weights.items()
        ]
        moves.append(np.concatenate(parts))
    mine, theirs = moves
    norms = float(np.linalg.norm(mine)), float(np.linalg.norm(theirs))
    if min(norms) == 0 or float(mine @ theirs) / (norms[0] * norms[1]) < 0.99:
        return None
    return float(mine @ theirs) / norms[1] ** 2


def _named(candidates: Sequence[Candidate], how: str, note: str) -> Diagnosis:
    specific = [candidate for candidate in candidates if candidate.mistake.name not in GENERAL]
    candidates = specific or candidates
    names = list(dict.fromkeys(candidate.mistake.name for candidate in candidates))
    details = [f"{each.mistake.name}: {each.mistake.detail}" for each in candidates if each.mistake.detail]
    advice = list(dict.fromkeys(candidate.mistake.advice for candidate in candidates))
    also = ["no trajectory on this model can tell these apart"] if len(names) > 1 else []
    return Diagnosis(" or ".join(names) + note, (how, *details, *also), tuple(advice))


def _random_states_differ(trainings: Trainings) -> bool:
    """Whether the user's generators were used, and otherwise than fit()'s."""
    fit, user = trainings.baseline[-1].random, trainings.user[-1].random
    return any(
        not np.array_equal(user[name], fit[name])
        and not np.array_equal(user[name], trainings.start.values[int(name.split()[0])])
        for name in user
    )


def _other_batch(trainings: Trainings, divergence: Divergence) -> Diagnosis | None:
    """Whether the first step that differs is fit()'s own on another of the batches."""
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


def _order_of_batches(trainings: Trainings) -> list[str]:
    """A warning where batches() yields something else each time it is iterated."""
    case = Case(trainings.path)
    passes = [case.epoch(len(trainings.epoch)) for _ in range(2)]
    tensors = [tf.nest.flatten(one) for one in passes]
    same = len(tensors[0]) == len(tensors[1]) and all(
        np.array_equal(a, b) for a, b in zip(*tensors, strict=True)
    )
    return (
        [] if same else ["note: batches() yields another order each time; both trainings saw its first one"]
    )


def _gradients(trainings: Trainings, divergence: Divergence) -> list[str]:
    """Whether the gradients part first, which tells the forward and backward pass from the update."""
    path, epoch, start, steps = trainings.path, trainings.epoch, trainings.start, divergence.step
    _, fit = train_by_fit(Case(path), epoch, steps, start, gradients=True)
    user = train_by_step(Case(path), epoch, steps, start, trainings.mode, gradients=True)
    if not any(array.any() for state in user for array in state.gradients.values()):
        return ["gradients: none reached the optimizer that make_optimizer() gave"]
    found = first_divergence(fit, user)
    if found is None or found.kind != "gradients" or found.worst.relative < ROUNDING:
        return [f"gradients: agree up to step {steps} but for rounding; it is the update that differs"]
    return [f"gradients: differ first at step {found.step}, in {len(found.found)}; most in {found.worst}"]


def _describe(divergence: Divergence, trainings: Trainings) -> list[str]:
    count = len(divergence.found)
    steps = [s for s in (1, 2, 3, 5, 10, 20, 50, 100) if divergence.step < s <= len(trainings.fit)]
    growth = [
        f"step {s}: {departure(trainings.user, trainings.baseline, trainings.start, s):.2g}"
        for s in [divergence.step, *steps]
    ]
    return [
        f"first divergence: step {divergence.step}, {divergence.kind}, variables that differ: {count}",
        f"furthest off: {divergence.worst}",
        "distance from fit() over distance travelled: " + ", ".join(growth),
    ]
