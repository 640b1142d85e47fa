"""Which loop's step is faster, and by how much: each variant paired against fit()."""

from typing import Any

import pytest
import tensorflow as tf

from bench.harness import References, fewer, measure
from bench.rows import start_row
from bench.steps import fixed_batch, measure_epoch, measure_step
from bench.sweep import BATCH_SIZE, DEFAULT, GRID, TAPE, Variant, params
from loops.data import FashionMnist
from loops.device import Device
from loops.measure.arms import FunctionArm
from model import new_model


@pytest.mark.parametrize(("variant", "batch_size"), params(DEFAULT, GRID))
def test_step(
    benchmark: Any,
    device: Device,
    variant: Variant,
    batch_size: int,
    fashion: FashionMnist,
    references: References,
    pairs: int,
) -> None:
    """One training step on a fixed batch in memory, against fit()'s."""
    measure_step(benchmark, device, fashion, references, pairs, variant, batch_size)


@pytest.mark.parametrize(("variant", "batch_size"), params([(TAPE, BATCH_SIZE)], GRID))
def test_epoch(
    benchmark: Any,
    device: Device,
    variant: Variant,
    batch_size: int,
    fashion: FashionMnist,
    references: References,
    pairs: int,
) -> None:
    """A step with its share of the input pipeline, against fit()'s: an epoch's time by steps."""
    measure_epoch(benchmark, device, fashion, references, pairs, variant, batch_size)


def test_inference(
    benchmark: Any, device: Device, fashion: FashionMnist, references: References, pairs: int
) -> None:
    """A compiled forward pass, against `predict_on_batch`."""
    images, _ = next(iter(fixed_batch(fashion, BATCH_SIZE)))
    model = new_model(0)
    model.compile(jit_compile=False)
    forward = tf.function(lambda: model(images, training=False))
    start_row(benchmark, device, "inference", kind="inference", arm="tf.function")
    predict = references.get("predict", lambda: FunctionArm(lambda: model.predict_on_batch(images)))
    measure(benchmark, lambda: FunctionArm(forward), predict, pairs=fewer(pairs), batch_size=BATCH_SIZE)
