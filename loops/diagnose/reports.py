"""Whether the numbers that a step reports agree with fit()'s, and if not, how they were averaged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loops.case.batches import batch_size
from loops.diagnose.diagnosis import Diagnosis
from loops.diagnose.trainings import Trainings
from loops.parity.states import State

TOLERANCE = 1e-5  # relative; a running mean in another order rounds otherwise


@dataclass(frozen=True)
class WrongAverage:
    """A wrong way to average what a step reports: its name and the mended code."""

    name: str
    advice: tuple[str, ...] = ()


NOT_RESET = WrongAverage("metrics not reset", ("metric.reset_state()  # when an epoch starts",))
NOT_WEIGHTED = WrongAverage(
    "metrics not weighted by image",
    ("mean_loss.update_state(batch_loss, sample_weight=tf.shape(x)[0])",),
)
NEITHER = WrongAverage(f"{NOT_RESET.name} and {NOT_WEIGHTED.name}", (*NOT_RESET.advice, *NOT_WEIGHTED.advice))
UNKNOWN = WrongAverage("metrics differ in a way that is not on the list")


def wrong_report(trainings: Trainings, weights: str) -> Diagnosis | None:
    """The diagnosis where the reported numbers are averaged in a known wrong way.

    `weights` is what the evidence says about the weights.
    """
    wrong = _unlike(trainings)
    if wrong in (None, UNKNOWN):  # an unknown difference is no mistake: the loss may leave out regularisers
        return None
    return Diagnosis(wrong.name, (weights, *other_reports(trainings)), wrong.advice)


def other_reports(trainings: Trainings) -> list[str]:
    """Where the reported numbers first differ from fit()'s running means; none where they are right."""
    if _unlike(trainings) is None:
        return []
    for step, (mine, theirs) in enumerate(
        zip(trainings.user.states, trainings.fit.states, strict=True), start=1
    ):
        for name in theirs.reported.keys() & mine.reported.keys():
            a, b = mine.reported[name], theirs.reported[name]
            if not np.isclose(a, b, rtol=10 * TOLERANCE, atol=TOLERANCE):
                return [f"reported {name}: differs first at step {step}, {a:.6g} where fit() says {b:.6g}"]
    return []


def _unlike(trainings: Trainings) -> WrongAverage | None:
    if trainings.right_step:  # both are fit()'s own logs, and a metric of the model may stand for its loss
        return None
    return unlike(
        trainings.user.states, trainings.fit.states, [batch_size(batch) for batch in trainings.epoch]
    )


def unlike(user: Sequence[State], fit: Sequence[State], sizes: Sequence[int]) -> WrongAverage | None:
    """The mistake behind reported metrics that differ from fit()'s although the weights agree.

    A value is right if it is the epoch's mean so far, each row weighing the same, as fit()
    reports it, or the batch's own. `sizes` holds the rows of each batch of an epoch.
    """
    found = []
    for name in fit[0].reported:
        if all(name in state.reported for state in user):
            mine = np.array([state.reported[name] for state in user])
            theirs = np.array([state.reported[name] for state in fit])
            found.append(_explain(mine, theirs, np.asarray(sizes)))
    known = [wrong for wrong in found if wrong not in (None, UNKNOWN)]
    return known[0] if known else UNKNOWN if UNKNOWN in found else None


def _explain(mine: np.ndarray, theirs: np.ndarray, sizes: np.ndarray) -> WrongAverage | None:
    steps, length = len(mine), len(sizes)
    weights = np.resize(sizes, steps).astype(float)
    batch = _batch_values(theirs, weights, length)
    by_epoch = [slice(start, start + length) for start in range(0, steps, length)]
    right = [theirs, batch]
    unweighted = np.concatenate([_running(batch[part], np.ones(len(batch[part]))) for part in by_epoch])
    never_reset = _running(batch, weights)
    neither = _running(batch, np.ones(steps))
    if any(_close(mine, values) for values in right):
        return None
    if _close(mine, unweighted):
        return NOT_WEIGHTED
    if _close(mine, never_reset):
        return NOT_RESET
    if _close(mine, neither):
        return NEITHER
    return UNKNOWN


def _batch_values(running: np.ndarray, weights: np.ndarray, length: int) -> np.ndarray:
    """Each batch's own value, recovered from the epoch's running mean."""
    values = np.empty_like(running)
    for start in range(0, len(running), length):
        part = slice(start, start + length)
        totals = running[part] * np.cumsum(weights[part])
        values[part] = np.diff(totals, prepend=0.0) / weights[part]
    return values


def _running(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.cumsum(values * weights) / np.cumsum(weights)


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=TOLERANCE * 10, atol=TOLERANCE))
