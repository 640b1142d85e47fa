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
ALL: Key = ("all weights", -1)
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
    so far that it would hide a mistake. `noisy` are the indices of variables that rounding alone moves, such
    as a bias before a BatchNormalization: `drifts` leaves them out.
    """

    def __init__(
        self,
        relative: Sequence[Gaps],
        drifts: Sequence[float],
        start: Start,
        noisy: frozenset[int] = frozenset(),
    ) -> None:
        self._start, self.noisy = start, noisy
        self._relative: list[dict[Key, float]] = []
        for gaps in relative:
            before = self._relative[-1] if self._relative else {}
            self._relative.append({key: max(gap, before.get(key, 0.0)) for key, gap in gaps.items()})
        self._drifts = [FACTOR * drift for drift in np.maximum.accumulate(np.asarray(drifts))]
        judged = [step for step, drift in enumerate(self._drifts, start=1) if drift <= CHAOS]
        self.steps = judged[-1] if judged else 0

    def holds(self, step: int, one: State, two: State, slack: float = 1.0) -> bool:
        """Whether `one` is `two`, both after `step` steps (from 1), within `slack` times the band."""
        return not self.beyond(step, one, two, slack)

    def beyond(self, step: int, one: State, two: State, slack: float = 1.0) -> list[str]:
        """The names of the variables and slots that are further apart than that."""
        relative = self._relative[min(step, len(self._relative)) - 1]
        sizes, ulps = sizes_of(two, self._start), _ulps_of(two)
        names = {("weight", name.index): str(name) for name in two.weights}
        names |= {("slot", index): str(name) for index, name in enumerate(two.slots)}
        allowed = {key: FACTOR * max(relative.get(key, 0.0) * sizes[key], size) for key, size in ulps.items()}
        # a gap that is NaN is beyond
        return [names[key] for key, gap in gaps_of(one, two).items() if not gap <= slack * allowed[key]]

    def distance(self, one: State, two: State) -> float:
        """The distance of two states, but for what rounding alone moves."""
        gaps = (gap_of(one.weights[n], two.weights[n]) for n in one.weights if n.index not in self.noisy)
        return norm(gaps) or distance(one, two)

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
    eager and traced runs draw other numbers from TensorFlow's global generator, which is no rounding. After
    the end of one that is shorter, it is taken to be as much wider than the probes as it was there.
    """
    runs: list[tuple[Sequence[State], Start]] = []
    for seed in SEEDS:
        moved = moved_by_one_ulp(start, seed, compute_eps(path, epoch, start))
        options = FitOptions(mode=mode, make_step=make_step)
        runs.append((train_by_fit(Case(path), epoch, len(reference), moved, options).states, moved))
    least = max(_drift(run[0], reference[0], moved, start) for run, moved in runs)
    most = RANDOM * max(least, float(np.finfo(np.float32).eps))
    noisy = _noisy([gaps_of(run[0], reference[0], moved, start) for run, moved in runs], reference[0], start)
    probes = [_along(run, moved, reference, start, noisy) for run, moved in runs]
    steps = min(map(len, probes))
    right = [run for run in others if _drift(run[0], reference[0], start, start) <= most]
    probed = [_widest([each[index] for each in probes]) for index in range(steps)]
    along = [_extended(_along(run, start, reference, start, noisy), probed) for run in right]
    widest = [_widest([own, *(each[index] for each in along)]) for index, own in enumerate(probed)]
    return Band(
        [{key: gap for key, gap in each.items() if key != ALL} for each in widest],
        [each[ALL] for each in widest],
        start,
        noisy,
    )


def _noisy(gaps: Sequence[Gaps], after: State, start: Start) -> frozenset[int]:
    """The variables whose first step is rounding: probes take them elsewhere by a good part of their way.

    None where they are most of all that moves: then it is the model that is chaotic.
    """
    sizes = sizes_of(after, start)
    moved = [key for key, size in sizes.items() if key[0] == "weight" and size]
    found = [key for key in moved if max(each.get(key, 0.0) for each in gaps) > CHAOS * sizes[key]]
    return frozenset(index for _, index in found) if 2 * len(found) < len(moved) else frozenset()


def _along(
    run: Sequence[State], moved: Start, reference: Sequence[State], start: Start, noisy: frozenset[int]
) -> list[Gaps]:
    """How far a right run is from the reference after each step, by variable over its size, and over all."""
    found: list[Gaps] = []
    for one, own in zip(run, reference, strict=False):
        sizes, gaps = sizes_of(own, start), gaps_of(one, own, moved, start)
        relative = {key: gaps.get(key, 0.0) / size if size else 0.0 for key, size in sizes.items()}
        found.append({**relative, ALL: _drift(one, own, moved, start, noisy)})
    return found


def _widest(gaps: Sequence[Gaps]) -> Gaps:
    return {key: max(each[key] for each in gaps) for key in gaps[0]}


def _extended(along: list[Gaps], probed: Sequence[Gaps]) -> list[Gaps]:
    """A run's gaps as long as the probes', growing as the probes' do after its end."""
    last = len(along) - 1
    times = {key: gap / probed[last][key] if probed[last][key] else 0.0 for key, gap in along[last].items()}
    return [*along, *({key: times[key] * gap for key, gap in own.items()} for own in probed[last + 1 :])]


def _drift(
    probe: State, reference: State, moved: Start, start: Start, noisy: frozenset[int] = frozenset()
) -> float:
    """The distance between two movements, each from its own start, over the length of the second.

    Variables that are `noisy` are left out of the distance.
    """
    gaps = gaps_of(probe, reference, moved, start)
    size = travelled(reference, start)
    return (
        norm(np.asarray(gap) for (kind, i), gap in gaps.items() if kind == "weight" and i not in noisy) / size
        if size
        else 0.0
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
