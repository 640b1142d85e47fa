"""Times an arm against a reference, block by block, inside pytest-benchmark; notes ratio and interval."""

import statistics
from collections.abc import Callable, Hashable
from typing import Any

from bench.pairing import Pairing
from loops.measure.arms import Arm
from loops.measure.ratios import FEWEST_PAIRS, Ratio, paired_ratio, relative_iqr
from loops.measure.warm import BLOCK_SECONDS, Warm, warm_up


def fewer(pairs: int) -> int:
    """The pairs of a row that no headline rests on."""
    return min(pairs, max(FEWEST_PAIRS, pairs // 4))


class References:
    """Arms that several rows are timed against, each made and warmed up once."""

    def __init__(self) -> None:
        self._warm: dict[Hashable, Warm] = {}

    def get(self, key: Hashable, make: Callable[[], Arm]) -> Warm:
        """The reference of this key, by `make` if it is new."""
        if key not in self._warm:
            self._warm[key] = warm_up(make())
        return self._warm[key]

    def close(self) -> None:
        """Close all arms."""
        for warm in self._warm.values():
            warm.arm.close()


def measure(  # the arms, and how they are measured
    benchmark: Any,
    arm: Arm,
    reference: Warm,
    *,
    pairs: int,
    batch_size: int = 1,
    multiple: int = 1,
    block_seconds: float = BLOCK_SECONDS,
) -> Ratio | None:
    """Time `arm` against `reference`, a step each, and note the result in `extra_info`.

    The first call (tracing, compilation) is timed on its own, warm-up blocks are off the
    clock, and pytest-benchmark's own figures are a step's (`iterations` is the steps of a
    block). `multiple` is steps_per_execution, `block_seconds` the least length of the arm's blocks.
    Times in `extra_info` are milliseconds a step, rates images a second. Closes `arm`. None under
    --benchmark-disable.
    """
    try:
        warm = warm_up(arm, multiple, block_seconds)
        reference.block()  # warm again: where a function was dropped, TensorFlow empties its cache of kernels
        pairing = Pairing(warm.block, reference.block, pairs, warm.steps)
        benchmark.pedantic(pairing.step, teardown=pairing.after_round, rounds=pairs, iterations=warm.steps)
    finally:
        arm.close()
    if benchmark.stats is None:
        return None
    ms = [1000 * seconds for seconds in benchmark.stats.stats.data]
    reference_ms = [1000 * seconds / reference.steps for seconds in pairing.reference_seconds]
    ratio = paired_ratio(ms, reference_ms)
    note(benchmark, ms, batch_size=batch_size)
    benchmark.extra_info.update(
        steps_per_block=warm.steps,
        first_call_seconds=warm.first_call_seconds,
        ratio=ratio.median,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
        pairs=ratio.pairs,
        relative_iqr=max(relative_iqr(ms), relative_iqr(reference_ms)),
        reference_ms=reference_ms,
    )
    return ratio


def measure_alone(benchmark: Any, arm: Arm, *, blocks: int) -> float | None:
    """Time an arm that has nothing to be compared with: its fastest step in seconds. Closes `arm`."""
    try:
        warm = warm_up(arm)
        pairing = Pairing(warm.block, lambda: None, blocks, warm.steps)
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
