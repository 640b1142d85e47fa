"""How much faster than fit() can the same mathematics be: each rung against fit(), both with their input."""

import itertools
from typing import Any

import pytest

from bench.arms import make_arm
from bench.counts import step_bytes, step_flops
from bench.harness import References, fewer, fewest, measure
from bench.rows import start_row
from bench.sweep import BATCH_SIZE, BATCH_SIZES, FIT, OTHER_SIZES, params
from loops.batches import training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.fast.rungs import IN_PARTS, LADDER, Rung, best_rung
from loops.measure.rungs import BLOCK_SECONDS, FastArm
from model import new_model

# All rungs at the post's batch size; at the others the one that `--fast` picks
DEFAULT = [(rung, BATCH_SIZE) for rung in LADDER] + [(best_rung("cpu"), size) for size in OTHER_SIZES]


@pytest.mark.parametrize(("rung", "batch_size"), params(DEFAULT, itertools.product(LADDER, BATCH_SIZES)))
def test_rung(
    benchmark: Any,
    device: Device,
    rung: Rung,
    batch_size: int,
    fashion: FashionMnist,
    references: References,
    needed: dict[str, float],
    pairs: int,
) -> None:
    """A step with its share of the input, on all 60,000 images, against fit()'s: an epoch's time by steps."""
    if rung.compiled and device.kind != "cpu":
        pytest.skip("this rung's kernels are compiled for a CPU")
    model, config = new_model(0), TrainConfig(batch_size=batch_size, epochs=10**6)
    start_row(
        benchmark,
        device,
        "ladder",
        kind="rung",
        arm=rung.name,
        why=rung.why,
        ulps=rung.ulps,
        flops=step_flops(model, batch_size),
        needed_flops=2 * batch_size * sum(needed.values()),
        bytes=step_bytes(model, batch_size),
    )
    stream = training_stream(fashion.train, config)
    fit = references.get(batch_size, lambda: make_arm(FIT, stream))
    # the fastest of plain TensorFlow is a headline beside the one of all; their blocks are long
    headline = rung in (best_rung(device.kind), IN_PARTS) and batch_size == BATCH_SIZE
    measure(
        benchmark,
        lambda: FastArm(rung, fashion.train, batch_size),
        fit,
        pairs=fewer(pairs) if headline else fewest(pairs),
        batch_size=batch_size,
        block_seconds=BLOCK_SECONDS,
    )
