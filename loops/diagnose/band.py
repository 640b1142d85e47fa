"""How far right trainings of one case drift apart by rounding alone, measured on that very model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loops.case.batches import Batch
from loops.case.loading import Case, Start
from loops.case.running import FitOptions, MakeStep, Mode, train_by_fit
from loops.parity.differences import distance, gap_of, norm
from loops.parity.states import Array, State

SEEDS = (1, 2)  # of the starts moved by one ULP
FACTOR = 10.0  # a right loop rounds at each step, the probes at their start or in one way only
FLOOR = 1e-7  # float32's own rounding, of the distance travelled
MODES: tuple[Mode, ...] = ("dynamic", "static", "eager")


def travelled(state: State, start: Start) -> float:
    """How far the weights are from the start."""
    return norm(gap_of(array, start.values[name.index]) for name, array in state.weights.items())


def departure(one: State, two: State, start: Start) -> float:
    """The distance of two states over the distance that the second has travelled.

    Where the weights agree to the bit, it is the distance of the optimizer slots over their size.
    """
    apart = distance(one, two)
    if not apart:
        return 0.0
    if any(gap_of(one.weights[name], two.weights[name]).any() for name in one.weights):
        size = travelled(two, start)
    else:
        size = norm(array for array in two.slots.values() if array.ndim)
    return apart / size if size else float("inf")


class Band:
    """The drift of right trainings after each step, over the distance travelled; it never shrinks.

    Measured are fit() from weights that were moved by one ULP, twice, and fit() in the other tracing modes.
    """

    def __init__(self, drifts: Sequence[Sequence[float]]) -> None:
        steps = min(len(drift) for drift in drifts)
        widest = np.max([drift[:steps] for drift in drifts], axis=0)
        self._widest = np.maximum.accumulate(np.maximum(widest, FLOOR))

    def at(self, step: int) -> float:
        """The largest departure after `step` steps (from 1) that counts as rounding."""
        return float(FACTOR * self._widest[min(step, len(self._widest)) - 1])


def measure_band(
    path: Path,
    epoch: list[Batch],
    start: Start,
    reference: Sequence[State],
    mode: Mode,
    others: Sequence[Sequence[State]],
    make_step: MakeStep | None,
) -> Band:
    """Run fit() from moved starts in `mode`, of which `reference` is the run that was not moved.

    `others` are right runs in other tracing modes.
    """
    steps = len(reference)
    drifts = [[departure(o, r, start) for o, r in zip(other, reference, strict=False)] for other in others]
    for seed in SEEDS:
        moved = moved_by_one_ulp(start, seed)
        options = FitOptions(mode=mode, make_step=make_step)
        probe = train_by_fit(Case(path), epoch, steps, moved, options).states
        drifts.append([_drift(p, r, moved, start) for p, r in zip(probe, reference, strict=True)])
    return Band(drifts)


def _drift(probe: State, reference: State, moved: Start, start: Start) -> float:
    """The distance between two movements, each from its own start, over the length of the second."""
    gaps = (
        gap_of(array, moved.values[name.index]) - gap_of(reference.weights[name], start.values[name.index])
        for name, array in probe.weights.items()
    )
    size = travelled(reference, start)
    return norm(gaps) / size if size else 0.0


def moved_by_one_ulp(start: Start, seed: int) -> Start:
    """The start with each floating-point value moved to one of its two neighbours, at random."""
    random = np.random.default_rng(seed)

    def moved(value: Array) -> Array:
        if value.dtype.kind != "f":
            return value
        towards = np.where(random.random(value.shape) < 0.5, -np.inf, np.inf).astype(value.dtype)
        return np.asarray(np.where(value == 0, value, np.nextafter(value, towards)), value.dtype)

    return Start(tuple(moved(value) for value in start.values), start.layout)
