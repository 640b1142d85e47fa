"""Can the clock be trusted: fit() against itself should show no difference, and a planted slowdown should."""

import statistics
from typing import Any

import pytest

from bench.arms import make_arm
from bench.harness import References, measure
from bench.rows import start_row
from bench.steps import fixed_batch, measure_epoch, measure_step
from bench.sweep import BATCH_SIZE, CONTROLS, FIT, TAPE, Variant, params
from loops.data import FashionMnist
from loops.device import Device
from loops.measure.arms import DelayedArm
from loops.measure.clock import timed

PLANTED = 0.05
CALIBRATION = 5  # blocks by which the planted pause is sized


@pytest.mark.parametrize(("variant", "batch_size"), params([(FIT, BATCH_SIZE)], CONTROLS))
def test_control_of_steps(
    benchmark: Any,
    device: Device,
    variant: Variant,
    batch_size: int,
    fashion: FashionMnist,
    references: References,
    pairs: int,
) -> None:
    """The A/A control: fit()'s step against its own; the interval should hold 1."""
    measure_step(benchmark, device, fashion, references, pairs, variant, batch_size)


@pytest.mark.parametrize(("variant", "batch_size"), params([], CONTROLS))
def test_control_of_epochs(
    benchmark: Any,
    device: Device,
    variant: Variant,
    batch_size: int,
    fashion: FashionMnist,
    references: References,
    pairs: int,
) -> None:
    """The A/A control with the input pipeline."""
    measure_epoch(benchmark, device, fashion, references, pairs, variant, batch_size)


def test_planted_slowdown(
    benchmark: Any, device: Device, fashion: FashionMnist, references: References, pairs: int
) -> None:
    """The positive control: a tape whose every step sleeps 5 % longer than it takes should show as slower."""
    stream = fixed_batch(fashion, BATCH_SIZE)
    tape = references.get("tape", lambda: make_arm(TAPE, stream))
    first = tape(0)
    pause = PLANTED * statistics.median(timed(first.block) for _ in range(CALIBRATION)) / first.steps
    start_row(benchmark, device, "control", kind="planted", arm="tape, 5 % asleep", slowdown=PLANTED)
    measure(
        benchmark,
        lambda: DelayedArm(make_arm(TAPE, stream), pause),
        tape,
        pairs=pairs,
        batch_size=BATCH_SIZE,
    )
