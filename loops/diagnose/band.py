"""How far right trainings of one case drift apart by rounding alone, measured on that very model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from loops.case.batches import Batch
from loops.case.loading import Case, Start
from loops.case.running import FitOptions, MakeStep, Mode, train_by_fit
from loops.parity.differences import distance, gap_of, norm, slots_match
from loops.parity.states import Array, State

SEEDS = (1, 2)  # of the starts moved by one ULP
FACTOR = 10.0  # a right loop rounds at each step, the probes at their start or in one way only
RANDOM = 100.0  # another tracing mode that departs this much more than the probes draws other random numbers
CHAOS = 1e-2  # of the distance travelled: a band wider than this can hide a mistake
Key = tuple[str, int]  # of a weight or a slot, and its index
Gaps = Mapping[Key, float]


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


def gaps_of(one: State, two: State, moved: Start | None = None, start: Start | None = None) -> Gaps:
    """How far each variable, and each slot where both have the same ones, is from the other state's.

    Of runs with starts of their own, `moved` and `start`, the gap is that of the two movements.
    """
    gaps: dict[Key, float] = {}
    for name, array in one.weights.items():
        gap = gap_of(array, two.weights[name])
        if moved and start:
            gap = gap - gap_of(moved.values[name.index], start.values[name.index])
        gaps["weight", name.index] = norm([gap])
    if slots_match(one.slots, two.slots):
        pairs = enumerate(zip(one.slots.values(), two.slots.values(), strict=True))
        gaps |= {("slot", index): norm([gap_of(a, b)]) for index, (a, b) in pairs}
    return gaps


def sizes_of(state: State, start: Start) -> Gaps:
    """How far each variable has travelled, and how large each slot is."""
    travel = {
        ("weight", name.index): norm([gap_of(array, start.values[name.index])])
        for name, array in state.weights.items()
    }
    slots = {("slot", index): norm([array]) for index, array in enumerate(state.slots.values())}
    return {**travel, **slots}


def _ulps_of(state: State) -> Gaps:
    """The size of one unit in the last place of each variable and slot, all entries together."""

    def size(array: Array) -> float:
        return float(np.finfo(array.dtype).eps * norm([array])) if array.dtype.kind == "f" else 0.0

    slots = {("slot", index): size(array) for index, array in enumerate(state.slots.values())}
    return {**{("weight", name.index): size(array) for name, array in state.weights.items()}, **slots}


class Band:
    """How much of what each variable has travelled counts as rounding, after each step; it never shrinks.

    `relative` holds the drift of right runs by variable, over its travel (of a slot, over its size);
    `drifts` that of all weights together. `steps` is how many steps can be judged: later, rounding has grown
    so far that it would hide a mistake.
    """

    def __init__(self, relative: Sequence[Gaps], drifts: Sequence[float], start: Start) -> None:
        self._start = start
        self._relative: list[dict[Key, float]] = []
        for gaps in relative:
            before = self._relative[-1] if self._relative else {}
            self._relative.append({key: max(gap, before.get(key, 0.0)) for key, gap in gaps.items()})
        self._drifts = [FACTOR * drift for drift in np.maximum.accumulate(np.asarray(drifts))]
        judged = [step for step, drift in enumerate(self._drifts, start=1) if drift <= CHAOS]
        self.steps = judged[-1] if judged else 0

    def holds(self, step: int, one: State, two: State) -> bool:
        """Whether `one` is `two`, both after `step` steps (from 1), but for rounding."""
        relative = self._relative[min(step, len(self._relative)) - 1]
        sizes, ulps = sizes_of(two, self._start), _ulps_of(two)
        return all(
            gap <= FACTOR * max(relative.get(key, 0.0) * sizes[key], ulps[key])
            for key, gap in gaps_of(one, two).items()
        )

    def at(self, step: int) -> float:
        """How much of the distance travelled counts as rounding after `step` steps, over all variables."""
        return float(self._drifts[min(step, len(self._drifts)) - 1])


def measure_band(
    path: Path,
    epoch: list[Batch],
    start: Start,
    reference: Sequence[State],
    mode: Mode,
    others: Sequence[Sequence[State]],
    make_step: MakeStep | None,
) -> Band:
    """Run fit() twice from weights that are moved by one ULP, in `mode`; `reference` is the run not moved.

    `others` are right runs in other tracing modes. One that departs far more than the probes is left out:
    eager and traced runs draw other numbers from TensorFlow's global generator, which is no rounding.
    """
    runs: list[tuple[Sequence[State], Start]] = []
    for seed in SEEDS:
        moved = moved_by_one_ulp(start, seed, compute_eps(path, epoch, start))
        options = FitOptions(mode=mode, make_step=make_step)
        runs.append((train_by_fit(Case(path), epoch, len(reference), moved, options).states, moved))
    least = max(_drift(run[0], reference[0], moved, start) for run, moved in runs)
    most = RANDOM * max(least, float(np.finfo(np.float32).eps))
    runs += [(run, start) for run in others if _drift(run[0], reference[0], start, start) <= most]
    steps = min([len(reference), *(len(run) for run, _ in runs)])
    relative, drifts = [], []
    for index in range(steps):
        own = reference[index]
        sizes = sizes_of(own, start)
        gaps = [gaps_of(run[index], own, moved, start) for run, moved in runs]
        widest = {key: max(each.get(key, 0.0) for each in gaps) for key in sizes}
        relative.append({key: gap / sizes[key] if sizes[key] else 0.0 for key, gap in widest.items()})
        drifts.append(max(_drift(run[index], own, moved, start) for run, moved in runs))
    return Band(relative, drifts, start)


def _drift(probe: State, reference: State, moved: Start, start: Start) -> float:
    """The distance between two movements, each from its own start, over the length of the second."""
    gaps = gaps_of(probe, reference, moved, start)
    size = travelled(reference, start)
    return (
        norm(np.asarray(gap) for (kind, _), gap in gaps.items() if kind == "weight") / size if size else 0.0
    )


def compute_eps(path: Path, epoch: Sequence[Batch], start: Start) -> float:
    """The relative spacing of the numbers that the model computes with: wider under mixed precision."""
    model = Case(path).model(epoch[0], start)
    dtypes = {layer.compute_dtype for layer in model._flatten_layers()}  # nested ones have no public list
    spacing = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
    return max(spacing.get(dtype, 2.0**-23) for dtype in dtypes)


def moved_by_one_ulp(start: Start, seed: int, eps: float) -> Start:
    """The start with each floating-point value moved up or down by one ULP, at random.

    The ULP is that of the value's type, or of the numbers that the model computes with if these are coarser
    (`eps`, their relative spacing).
    """
    random = np.random.default_rng(seed)

    def moved(value: Array) -> Array:
        if value.dtype.kind != "f":
            return value
        up = random.random(value.shape) < 0.5
        if eps > np.finfo(value.dtype).eps:
            return np.asarray(value * np.where(up, 1 + eps, 1 - eps), value.dtype)
        towards = np.where(up, np.inf, -np.inf).astype(value.dtype)
        return np.asarray(np.where(value == 0, value, np.nextafter(value, towards)), value.dtype)

    return Start(tuple(moved(value) for value in start.values), start.layout)
