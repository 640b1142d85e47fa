"""Times an arm against a reference, block by block, inside pytest-benchmark; notes ratio and interval."""

import functools
import math
import statistics
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from bench.arms import Arm
from bench.clock import timed
from bench.pairing import Pairing
from bench.timing import FEWEST_PAIRS, Ratio, paired_ratio, relative_iqr

# A block lasts at least this long. Starting and syncing one costs 0.3 (tape) to 0.5 ms (fit, held in its
# thread) on a 2-core EPYC, a quarter of a per cent. Shorter blocks cancel drift better than longer ones.
BLOCK_SECONDS = 0.2
WARMUP_BLOCKS = 2


def steps_for(seconds_per_step: float, block_seconds: float, multiple: int = 1) -> int:
    """Steps a block needs to last `block_seconds`, rounded up to a multiple."""
    return max(1, math.ceil(block_seconds / seconds_per_step / multiple)) * multiple


def fewer(pairs: int) -> int:
    """The pairs of a row that no headline rests on."""
    return min(pairs, max(FEWEST_PAIRS, pairs // 4))


@dataclass(frozen=True)
class Warm:
    """An arm past its first call: how long that took, and how many steps its blocks have."""

    arm: Arm
    first_call_seconds: float
    steps: int

    def block(self) -> None:
        """Run one block."""
        self.arm.run(self.steps)


def warm_up(arm: Arm, multiple: int = 1, block_seconds: float = BLOCK_SECONDS) -> Warm:
    """Run `arm` until it is warm, in blocks of a multiple of `multiple` steps.

    Each block corrects the next one's steps: a few steps say little of an arm whose call costs much.
    """
    first_call = timed(lambda: arm.run(multiple))
    steps = multiple
    for _ in range(1 + WARMUP_BLOCKS):
        seconds = timed(functools.partial(arm.run, steps))
        steps = steps_for(seconds / steps, block_seconds, multiple)
    return Warm(arm, first_call, steps)


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
