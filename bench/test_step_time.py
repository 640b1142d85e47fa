"""Which loop's step is faster, and by how much: each variant paired against fit()."""

import statistics
from typing import Any

import pytest
import tensorflow as tf

from bench.arms import DelayedArm, FunctionArm, Variant, make_arm
from bench.clock import timed
from bench.counts import step_bytes, step_flops
from bench.harness import References, fewer, measure
from loops.batches import prepare, training_stream, without_autotune
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from model import new_model

FIT, TAPE = Variant("fit"), Variant("tape")
BATCH_SIZE = TrainConfig().batch_size
BATCH_SIZES = (1, 8, 32, 128, 300, 1000)
PLANTED = 0.05
CALIBRATION = 5  # blocks by which the planted pause is sized
VARIANTS = (
    FIT,  # against itself: the A/A control, whose interval should hold 1
    TAPE,
    Variant("fit", steps_per_execution=8),
    Variant("eager tape"),
    Variant("tape", jit_compile=True),
    Variant("fit", jit_compile=True),
)
HEADLINES = [(variant, BATCH_SIZE) for variant in VARIANTS[:2]]  # the other rows get fewer pairs
DEFAULT = [(variant, BATCH_SIZE) for variant in VARIANTS[:-1]] + [
    (TAPE, batch_size) for batch_size in BATCH_SIZES if batch_size != BATCH_SIZE
]
GRID = [(variant, batch_size) for variant in VARIANTS for batch_size in BATCH_SIZES]


def cases(default: list[tuple[Variant, int]]) -> list[Any]:
    """The default run's rows, and those that `--grid` adds."""
    marks = {case: () if case in default else (pytest.mark.grid,) for case in [*default, *GRID]}
    return [pytest.param(*case, marks=mark, id=f"{case[0].name}, {case[1]}") for case, mark in marks.items()]


@pytest.mark.parametrize(("variant", "batch_size"), cases(DEFAULT))
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
    model = new_model(0)
    benchmark.group = f"step, {device.kind}"
    benchmark.extra_info.update(
        kind="step",
        arm=variant.name,
        device=device.kind,
        device_name=device.name,
        control=variant == FIT,
        flops=step_flops(model, batch_size),
        bytes=step_bytes(model, batch_size),
    )
    stream = fixed_batch(fashion, batch_size)
    fit = references.get(batch_size, lambda: make_arm(FIT, stream))
    own = pairs if (variant, batch_size) in HEADLINES else fewer(pairs)
    multiple = variant.steps_per_execution
    measure(benchmark, make_arm(variant, stream), fit, pairs=own, batch_size=batch_size, multiple=multiple)


@pytest.mark.parametrize(("variant", "batch_size"), cases([(TAPE, BATCH_SIZE)]))
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
    config = TrainConfig(batch_size=batch_size, epochs=10**6)
    stream = training_stream(fashion.train, config)
    benchmark.group = f"epoch, {device.kind}"
    benchmark.extra_info.update(
        kind="epoch",
        arm=variant.name,
        device=device.kind,
        device_name=device.name,
        control=variant == FIT,
        steps_per_epoch=config.steps_per_epoch(len(fashion.train)),
    )
    fit = references.get(("with input", batch_size), lambda: make_arm(FIT, stream))
    arm, multiple = make_arm(variant, stream), variant.steps_per_execution
    measure(benchmark, arm, fit, pairs=fewer(pairs), batch_size=batch_size, multiple=multiple)


def test_planted_slowdown(
    benchmark: Any, device: Device, fashion: FashionMnist, references: References, pairs: int
) -> None:
    """The positive control: a tape whose every step sleeps 5 % longer than it takes should show as slower."""
    stream = fixed_batch(fashion, BATCH_SIZE)
    arm, tape = make_arm(TAPE, stream), references.get("tape", lambda: make_arm(TAPE, stream))
    pause = PLANTED * statistics.median(timed(tape.block) for _ in range(CALIBRATION)) / tape.steps
    benchmark.group = f"control, {device.kind}"
    benchmark.extra_info.update(
        kind="planted", arm="tape, 5 % asleep", device=device.kind, device_name=device.name, slowdown=PLANTED
    )
    measure(benchmark, DelayedArm(arm, pause), tape, pairs=pairs, batch_size=BATCH_SIZE)


def test_inference(
    benchmark: Any, device: Device, fashion: FashionMnist, references: References, pairs: int
) -> None:
    """A compiled forward pass, against `predict_on_batch`."""
    images, _ = next(iter(fixed_batch(fashion, BATCH_SIZE)))
    model = new_model(0)
    model.compile(jit_compile=False)
    forward = tf.function(lambda: model(images, training=False))
    benchmark.group = f"inference, {device.kind}"
    benchmark.extra_info.update(
        kind="inference", arm="tf.function", device=device.kind, device_name=device.name
    )
    predict = references.get("predict", lambda: FunctionArm(lambda: model.predict_on_batch(images)))
    measure(benchmark, FunctionArm(forward), predict, pairs=fewer(pairs), batch_size=BATCH_SIZE)


def fixed_batch(fashion: FashionMnist, batch_size: int) -> tf.data.Dataset:
    """One prepared batch, over and over: what is timed is the step, not the input."""
    split = fashion.train.first(batch_size)
    batch = prepare(split.images, split.labels)
    return without_autotune(tf.data.Dataset.from_tensors(batch).repeat())
