"""Do the numbers that a step reports agree with fit()'s, and if not, how were they averaged?"""

from collections.abc import Sequence

import numpy as np

from loops.parity.states import State

UNKNOWN = "metrics differ in a way that is not on the list"
TOLERANCE = 1e-5  # relative; a running mean in another order rounds otherwise


def unlike(user: Sequence[State], fit: Sequence[State], sizes: Sequence[int]) -> str | None:
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
    known = [mistake for mistake in found if mistake not in (None, UNKNOWN)]
    return known[0] if known else UNKNOWN if UNKNOWN in found else None


def _explain(mine: np.ndarray, theirs: np.ndarray, sizes: np.ndarray) -> str | None:
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
        return "metrics not weighted by image"
    if _close(mine, never_reset):
        return "metrics not reset"
    if _close(mine, neither):
        return "more than one: metrics not reset, metrics not weighted by image"
    return UNKNOWN


def _batch_values(running: np.ndarray, weights: np.ndarray, length: int) -> np.ndarray:
    """Undo the epoch's running mean: each batch's own value."""
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
