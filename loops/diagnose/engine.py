"""From a case to a verdict: trains the case both ways, then names what makes the two differ."""

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from loops.case import replicas
from loops.case.keras_state import KerasState
from loops.diagnose import evidence
from loops.diagnose.diagnosis import IDENTICAL, STEPS, Diagnosis
from loops.diagnose.endings import wrong_end
from loops.diagnose.explain import explain
from loops.diagnose.mending import mended
from loops.diagnose.observed import observe
from loops.diagnose.reports import other_reports, wrong_report
from loops.diagnose.scene import Scene
from loops.diagnose.trainings import Say, Trainings, train_both
from loops.parity.differences import Divergence, first_divergence, slots_match

__all__ = ["Diagnosis", "diagnose"]


def diagnose(path: Path | str, steps: int = STEPS, say: Say = lambda line: None) -> Diagnosis:
    """Train a case by fit() and by its own step, and name what makes them differ.

    Raises:
        CaseError: the case cannot be run: it raises, trains nothing, or gives NaN.
    """
    before = KerasState.now()
    try:
        with _collecting_rarely(), replicas.compared():
            return _diagnose(Path(path), steps, say)
    finally:
        before.restore()  # a case may have set a dtype policy


@contextlib.contextmanager
def _collecting_rarely() -> Iterator[None]:
    """A context in which Python looks for garbage less often: each look at TensorFlow's graphs takes long."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _diagnose(path: Path, steps: int, say: Say) -> Diagnosis:
    return judge(train_both(path, steps, say), say)


def judge(trainings: Trainings, say: Say = lambda line: None) -> Diagnosis:
    """The verdict on a case that was trained both ways.

    Raises:
        CaseError: the case cannot be run again.
    """
    divergence = first_divergence(trainings.reference.states, trainings.user.states)
    found = _same(trainings) if divergence is None else _different(trainings, divergence, say)
    figures: dict[str, float] = {"steps": trainings.steps, "departure": trainings.departure(trainings.steps)}
    if divergence is not None:
        figures["rounding"] = trainings.band.at(trainings.steps)
    return replace(found, figures=figures)


def _different(trainings: Trainings, divergence: Divergence, say: Say) -> Diagnosis:
    """The verdict where some bit differs: within rounding, or a cause, or none that can be proved."""
    say("how far rounding alone takes this model: fit() again, from weights moved by one ULP")
    found = explain(trainings, divergence, _scene(trainings), say)
    about = (
        *evidence.describe(trainings, divergence),
        *evidence.order_of_batches(trainings),
    )
    return replace(found, evidence=(*about, *found.evidence), advice=mended(trainings.path, found.advice))


def _scene(trainings: Trainings) -> Scene | None:
    """The user's training watched; seeded where the model draws from TensorFlow's global generator."""
    if trainings.replicas > 1:  # what happens in several threads at once is not watched
        return None
    observed = observe(trainings, trainings.steps)
    scene = Scene(trainings, observed) if observed else None
    if scene is None or scene.repeats():
        return scene
    seeded = observe(trainings, trainings.steps, seeded=True)
    return Scene(trainings, seeded) if seeded else scene


def _same(trainings: Trainings) -> Diagnosis:
    """The verdict where all steps agree to the bit: the end and what the step reports may still be wrong."""
    steps = trainings.steps
    slots = slots_match(trainings.user.states[-1].slots, trainings.reference.states[-1].slots)
    what = "weights, optimizer slots and random state" if slots else "weights and random state"
    same = f"{what} agree to the bit in all {steps} steps"
    if not slots:
        same += " (slots were not compared: your step updates by another optimizer)"
    wrong = wrong_end(trainings) or wrong_report(trainings, same)
    if wrong:
        return wrong
    how = {
        "dynamic": same,
        "static": f"{same} with fit() traced once a batch size, as your tf.function is",
        "eager": f"{same} with fit() run eagerly, as your step is",
    }[trainings.mode]
    notes = [
        *other_reports(trainings),
        *evidence.order_of_batches(trainings),
        *evidence.end_unseen(trainings),
    ]
    return Diagnosis(IDENTICAL, (how, *notes))
