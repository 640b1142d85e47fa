"""From a case file to a verdict: trains the case both ways, then names what makes the two differ."""

from pathlib import Path

from loops.diagnose import evidence
from loops.diagnose.diagnosis import Diagnosis
from loops.diagnose.explain import explain
from loops.diagnose.reports import other_reports, wrong_report
from loops.diagnose.trainings import Say, Trainings, departure, train_both
from loops.parity.differences import first_divergence

__all__ = ["Diagnosis", "diagnose"]


def diagnose(path: Path, steps: int, say: Say = lambda line: None) -> Diagnosis:
    """Train a case by fit() and by its own step, and name what makes them differ.

    Raises:
        CaseError: the case cannot be run: it raises, trains nothing, or gives NaN.
    """
    trainings = train_both(path, steps, say)
    divergence = first_divergence(trainings.baseline, trainings.user)
    if divergence is None:
        return _same_weights(trainings)
    found = explain(trainings, divergence, say)
    seen = (
        *evidence.describe(trainings, divergence),
        *evidence.gradients(trainings, divergence),
        *evidence.order_of_batches(trainings),
    )
    return Diagnosis(found.verdict, (*seen, *found.evidence), found.advice)


def _same_weights(trainings: Trainings) -> Diagnosis:
    """The verdict where the weights agree with the baseline: what the step reports may still be wrong."""
    steps = len(trainings.fit)
    same = f"weights, optimizer slots and random state agree to the bit in all {steps} steps"
    wrong = wrong_report(trainings, same)
    if wrong:
        return wrong
    notes = [
        *other_reports(trainings),
        *evidence.order_of_batches(trainings),
        *evidence.end_unseen(trainings),
    ]
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
