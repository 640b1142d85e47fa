"""How much faster than fit() can the same mathematics be: each rung against fit(), both with their input."""

import itertools
from typing import Any

import pytest

from bench.arms import FastArm, Variant, make_arm
from bench.counts import step_bytes, step_flops
from bench.harness import References, fewer, measure
from loops.batches import training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.fast.rungs import LADDER, Rung, best_rung
from model import new_model

BATCH_SIZE = TrainConfig().batch_size
BATCH_SIZES = (1, 8, 32, 128, 1000)  # beside it
BLOCK_SECONDS = (
    0.4  # a call of the compiled step costs some 10 ms, and the loop makes one a tenth of an epoch
)


def cases() -> list[Any]:
    """All rungs at the post's batch size; at the others the one that `--fast` picks."""
    chosen = [(best_rung("cpu"), batch_size) for batch_size in BATCH_SIZES]
    default = [(rung, BATCH_SIZE) for rung in LADDER] + chosen
    grid = [case for case in itertools.product(LADDER, (*BATCH_SIZES, BATCH_SIZE)) if case not in default]
    marks = dict.fromkeys(default, ()) | dict.fromkeys(grid, (pytest.mark.grid,))
    return [pytest.param(*case, marks=mark, id=f"{case[0].name}, {case[1]}") for case, mark in marks.items()]


@pytest.mark.parametrize(("rung", "batch_size"), cases())
def test_rung(
    benchmark: Any,
    device: Device,
    rung: Rung,
    batch_size: int,
    fashion: FashionMnist,
    references: References,
    pairs: int,
) -> None:
    """A step with its share of the input, on all 60,000 images, against fit()'s: an epoch's time by steps."""
    if rung.compiled and device.kind != "cpu":
        pytest.skip("this rung's kernels are compiled for a CPU")
    model, config = new_model(0), TrainConfig(batch_size=batch_size, epochs=10**6)
    benchmark.group = f"ladder, {device.kind}"
    benchmark.extra_info.update(
        kind="rung",
        arm=rung.name,
        why=rung.why,
        ulps=rung.ulps,
        chosen=rung == best_rung(device.kind),
        device=device.kind,
        device_name=device.name,
        flops=step_flops(model, batch_size),
        bytes=step_bytes(model, batch_size),
    )
    fit = references.get(batch_size, lambda: make_arm(Variant("fit"), training_stream(fashion.train, config)))
    fast = FastArm(rung, fashion.train, batch_size)
    headline = rung == best_rung(device.kind) and batch_size == BATCH_SIZE
    own = pairs if headline else fewer(pairs)
    measure(benchmark, fast, fit, pairs=own, batch_size=batch_size, block_seconds=BLOCK_SECONDS)
