"""A loop variant's step against fit()'s: on one batch in memory, and with its share of the input pipeline."""

from typing import Any

import tensorflow as tf

from bench.arms import make_arm
from bench.counts import step_bytes, step_flops
from bench.harness import References, fewer, measure
from bench.rows import start_row
from bench.sweep import FIT, HEADLINES, Variant
from loops.batches import prepare, training_stream, without_autotune
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from model import new_model


def measure_step(
    benchmark: Any,
    device: Device,
    fashion: FashionMnist,
    references: References,
    pairs: int,
    variant: Variant,
    batch_size: int,
) -> None:
    """Time one training step on a fixed batch in memory against fit()'s.

    A row of FIT itself is the A/A control.
    """
    model = new_model(0)
    start_row(
        benchmark,
        device,
        "step",
        kind="step",
        arm=variant.name,
        control=variant == FIT,
        flops=step_flops(model, batch_size),
        bytes=step_bytes(model, batch_size),
    )
    stream = fixed_batch(fashion, batch_size)
    fit = references.get(batch_size, lambda: make_arm(FIT, stream))
    own = pairs if (variant, batch_size) in HEADLINES else fewer(pairs)
    multiple = variant.steps_per_execution
    measure(
        benchmark,
        lambda: make_arm(variant, stream),
        fit,
        pairs=own,
        batch_size=batch_size,
        multiple=multiple,
    )


def measure_epoch(
    benchmark: Any,
    device: Device,
    fashion: FashionMnist,
    references: References,
    pairs: int,
    variant: Variant,
    batch_size: int,
) -> None:
    """Time a step with its share of the input pipeline against fit()'s: an epoch's time by steps.

    A row of FIT itself is the A/A control.
    """
    config = TrainConfig(batch_size=batch_size, epochs=10**6)
    stream = training_stream(fashion.train, config)
    start_row(
        benchmark,
        device,
        "epoch",
        kind="epoch",
        arm=variant.name,
        control=variant == FIT,
        steps_per_epoch=config.steps_per_epoch(len(fashion.train)),
    )
    fit = references.get(("with input", batch_size), lambda: make_arm(FIT, stream))
    measure(
        benchmark,
        lambda: make_arm(variant, stream),
        fit,
        pairs=fewer(pairs),
        batch_size=batch_size,
        multiple=variant.steps_per_execution,
    )


def fixed_batch(fashion: FashionMnist, batch_size: int) -> tf.data.Dataset:
    """The first images as one prepared batch, over and over: the step is timed without its input pipeline."""
    split = fashion.train.first(batch_size)
    batch = prepare(split.images, split.labels)
    return without_autotune(tf.data.Dataset.from_tensors(batch).repeat())
