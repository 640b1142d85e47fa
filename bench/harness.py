"""Times an arm against a reference, make by make, inside pytest-benchmark; notes ratio and interval."""

import statistics
from collections.abc import Callable, Hashable
from typing import Any

from bench.pairing import Pairing
from loops.measure.arms import Arm
from loops.measure.groups import FEWEST_MAKES, ratio_of_makes
from loops.measure.ratios import FEWEST_PAIRS, Ratio, relative_iqr
from loops.measure.warm import BLOCK_SECONDS, Warm, warm_again, warm_up

MOST_MAKES = 6
PAIRS_OF_A_MAKE = 6  # from which on a further make pays more than further pairs
Make = Callable[[], Arm]
Reference = Callable[[int], Warm]  # by the number of the make


def fewer(pairs: int) -> int:
    """The pairs of a row that no headline rests on."""
    return min(pairs, max(FEWEST_PAIRS, pairs // 4))


def fewest(pairs: int) -> int:
    """The pairs of a row whose ratio is only to be read roughly, such as a share."""
    return fewer(pairs) // 2


def plan(pairs: int) -> tuple[int, int]:
    """How many makes, and how many pairs of each: about `pairs` in all."""
    makes = min(MOST_MAKES, max(FEWEST_MAKES, pairs // PAIRS_OF_A_MAKE))
    return makes, max(1, round(pairs / makes))


class References:
    """Arms that several rows are timed against, each made and warmed up once for each make."""

    def __init__(self) -> None:
        self._warm: dict[tuple[Hashable, int], Warm] = {}

    def get(self, key: Hashable, make: Make, multiple: int = 1) -> Reference:
        """The reference of this key; `make` makes those of its makes that are new."""

        def of(number: int) -> Warm:
            if (key, number) not in self._warm:
                self._warm[key, number] = warm_up(make(), multiple)
            return self._warm[key, number]

        return of

    def close(self) -> None:
        """Close all arms."""
        for warm in self._warm.values():
            warm.arm.close()


class _Own:
    """The arm of a row in its current make; its blocks have the first make's steps."""

    def __init__(self, make: Make, multiple: int, block_seconds: float) -> None:
        self._make, self._multiple, self._block_seconds = make, multiple, block_seconds
        self._arm: Arm | None = None
        self._steps = 0
        self.first_calls: list[float] = []

    def of(self, number: int) -> Warm:
        self.close()
        self._arm = self._make()
        if number == 0:
            warm = warm_up(self._arm, self._multiple, self._block_seconds)
            self._steps = warm.steps
        else:
            warm = warm_again(self._arm, self._multiple, self._steps)
        self.first_calls.append(warm.first_call_seconds)
        return warm

    def close(self) -> None:
        if self._arm:
            self._arm.close()
        self._arm = None


def measure(  # the arms, and how they are measured
    benchmark: Any,
    make: Make,
    reference: Reference,
    *,
    pairs: int,
    batch_size: int = 1,
    multiple: int = 1,
    block_seconds: float = BLOCK_SECONDS,
) -> Ratio | None:
    """Time what `make` makes against `reference`, a step each, and note the result in `extra_info`.

    Both are made anew several times. The first call (tracing, compilation) is timed on its own, warm-up
    blocks are off the clock, and pytest-benchmark's own figures are a step's (`iterations` is the steps of a
    block). `multiple` is steps_per_execution, `block_seconds` the least length of the arm's blocks.
    Times in `extra_info` are milliseconds a step, rates images a second. Closes its arms. None under
    --benchmark-disable.
    """
    makes, rounds = plan(pairs)
    own = _Own(make, multiple, block_seconds)
    try:
        pairing = Pairing(own.of, reference, makes=makes, rounds=rounds)
        benchmark.pedantic(
            pairing.step, teardown=pairing.after_round, rounds=makes * rounds, iterations=pairing.steps
        )
    finally:
        own.close()
    if benchmark.stats is None:
        return None
    ms = [1000 * seconds for seconds in benchmark.stats.stats.data]
    by_make = [ms[number * rounds : (number + 1) * rounds] for number in range(makes)]
    reference_ms = [[1000 * seconds for seconds in each] for each in pairing.reference_seconds]
    ratio = ratio_of_makes(
        [
            [one / two for one, two in zip(*each, strict=True)]
            for each in zip(by_make, reference_ms, strict=True)
        ]
    )
    note(benchmark, ms, batch_size=batch_size)
    flat = [value for each in reference_ms for value in each]
    benchmark.extra_info.update(
        steps_per_block=pairing.steps,
        first_call_seconds=statistics.median(own.first_calls),
        ratio=ratio.median,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
        pairs=ratio.pairs,
        makes=makes,
        relative_iqr=max(relative_iqr(ms), relative_iqr(flat)),
        reference_ms=flat,
    )
    return ratio


class _Nothing:
    """An arm that does nothing."""

    def run(self, steps: int) -> None:
        pass

    def close(self) -> None:
        pass


def measure_alone(benchmark: Any, arm: Arm, *, blocks: int) -> float | None:
    """Time an arm that has nothing to be compared with: its fastest step in seconds. Closes `arm`."""
    try:
        warm = warm_up(arm)
        nothing = Warm(_Nothing(), 0.0, 1)
        pairing = Pairing(lambda _: warm, lambda _: nothing, makes=1, rounds=blocks)
        benchmark.pedantic(pairing.step, teardown=pairing.after_round, rounds=blocks, iterations=warm.steps)
    finally:
        arm.close()
    return None if benchmark.stats is None else float(min(benchmark.stats.stats.data))


def note(benchmark: Any, ms: list[float], *, batch_size: int) -> None:
    """Put the samples, their median and the rate that follows from it in `extra_info`."""
    median = statistics.median(ms)
    benchmark.extra_info.update(
        batch_size=batch_size,
        samples_ms=ms,
        ms_per_step=median,
        images_per_second=1000 * batch_size / median,
    )
