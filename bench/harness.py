"""The one clock of this suite: two arms timed in alternating blocks, inside pytest-benchmark."""

import functools
import math
import statistics
from collections.abc import Callable
from typing import Any

from bench.arms import Arm
from bench.clock import timed
from bench.timing import FEWEST_PAIRS, Ratio, paired_ratio, relative_iqr

BLOCK_SECONDS = 0.3  # a block lasts at least this long, so that the clock and the sync do not count
WARMUP_BLOCKS = 2
PILOT_STEPS = 3


class Pairing:
    """Interleaves timed blocks A with blocks of a reference B: A B, B A, A B and so on.

    pytest-benchmark times A and calls `after_round` off its clock, which runs B once for each
    pair, two at a time, so that each pair's order is the other way round than the last one's.
    """

    def __init__(
        self, block: Callable[[], object], reference: Callable[[], object], pairs: int, steps: int
    ) -> None:
        self.reference_seconds: list[float] = []
        self._block, self._reference = block, reference
        self._pairs, self._steps = pairs, steps
        self._calls = self._rounds = 0

    def step(self) -> None:
        """Called once a step; the round's first call runs the whole block with its one sync."""
        if self._calls % self._steps == 0 and self._calls < self._pairs * self._steps:
            self._block()
        self._calls += 1

    def after_round(self) -> None:
        """The reference blocks between this timed block and the next."""
        self._rounds += 1
        wanted = min(self._rounds + self._rounds % 2, self._pairs)
        while len(self.reference_seconds) < wanted:
            self.reference_seconds.append(timed(self._reference))


def steps_for(seconds_per_step: float, multiple: int = 1) -> int:
    """Steps a block needs to last BLOCK_SECONDS, rounded up to a multiple."""
    return max(1, math.ceil(BLOCK_SECONDS / seconds_per_step / multiple)) * multiple


def fewer(pairs: int) -> int:
    """The pairs of a row that no headline rests on."""
    return min(pairs, max(FEWEST_PAIRS, pairs // 4))


def warm_up(arm: Arm, multiple: int) -> tuple[float, int]:
    """Run an arm until it is warm: its first call's seconds, and the steps of a block.

    Each warm-up block corrects the number of steps: a few steps say little of an arm whose call costs much.
    """
    first_call = timed(lambda: arm.run(multiple))
    steps = PILOT_STEPS * multiple
    for _ in range(1 + WARMUP_BLOCKS):
        seconds = timed(functools.partial(arm.run, steps))
        steps = steps_for(seconds / steps, multiple)
    return first_call, steps


def measure(  # the arms, and how they are measured
    benchmark: Any, arm: Arm, reference: Arm, *, pairs: int, batch_size: int = 1, multiple: int = 1
) -> Ratio | None:
    """Time `arm` against `reference`, a step each, and note the result in `extra_info`.

    The first call (tracing, compilation) is timed on its own, warm-up blocks are off the
    clock, and pytest-benchmark's own figures are a step's (`iterations` is the steps of a
    block). `multiple` is steps_per_execution. Times in `extra_info` are milliseconds a step,
    rates images a second. Closes both arms. None under --benchmark-disable.
    """
    try:
        first_call, steps = warm_up(arm, multiple)
        _, reference_steps = warm_up(reference, multiple)
        pairing = Pairing(lambda: arm.run(steps), lambda: reference.run(reference_steps), pairs, steps)
        benchmark.pedantic(pairing.step, teardown=pairing.after_round, rounds=pairs, iterations=steps)
    finally:
        arm.close()
        reference.close()
    if benchmark.stats is None:
        return None
    ms = [1000 * seconds for seconds in benchmark.stats.stats.data]
    reference_ms = [1000 * seconds / reference_steps for seconds in pairing.reference_seconds]
    ratio = paired_ratio(ms, reference_ms)
    note(benchmark, ms, batch_size=batch_size)
    benchmark.extra_info.update(
        steps_per_block=steps,
        first_call_seconds=first_call,
        ratio=ratio.median,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
        pairs=ratio.pairs,
        relative_iqr=max(relative_iqr(ms), relative_iqr(reference_ms)),
        reference_ms=reference_ms,
    )
    return ratio


def measure_alone(benchmark: Any, arm: Arm, *, blocks: int) -> float | None:
    """Time an arm that has nothing to be compared with: its fastest step in seconds."""
    _, steps = warm_up(arm, 1)
    pairing = Pairing(lambda: arm.run(steps), lambda: None, blocks, steps)
    benchmark.pedantic(pairing.step, teardown=pairing.after_round, rounds=blocks, iterations=steps)
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
