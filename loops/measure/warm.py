"""Brings an arm past its first call, and finds how many steps a block of it needs."""

import functools
import math
from dataclasses import dataclass

from loops.measure.arms import Arm
from loops.measure.clock import timed

# A block lasts at least this long. Starting and syncing one costs 0.3 (tape) to 0.5 ms (fit, held in its
# thread) on a 2-core EPYC, up to a per cent. Short blocks let drift hit both blocks of a pair, and many of
# them steady a make's median.
BLOCK_SECONDS = 0.05
WARMUP_BLOCKS = 2


def steps_for(seconds_per_step: float, block_seconds: float, multiple: int = 1) -> int:
    """Steps a block needs to last `block_seconds`, rounded up to a multiple."""
    return max(1, math.ceil(block_seconds / seconds_per_step / multiple)) * multiple


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


def warm_again(arm: Arm, multiple: int, steps: int) -> Warm:
    """Run `arm` until it is warm, in blocks of `steps` steps, which an arm of its kind was given before."""
    first_call = timed(lambda: arm.run(multiple))
    for _ in range(WARMUP_BLOCKS):
        arm.run(steps)
    return Warm(arm, first_call, steps)
