"""How does the cost grow: with the number of images, with the model's width, with the number of steps?"""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from bench.arms import make_arm
from bench.counts import step_flops
from bench.harness import References, fewest, measure
from bench.rows import start_row
from bench.sweep import BATCH_SIZE, TAPE
from loops.batches import training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist, Split
from loops.device import Device
from loops.fast.rungs import best_rung
from loops.measure.arms import Arm, FunctionArm
from loops.measure.memory import allocated_bytes
from loops.measure.rungs import FastArm
from loops.metrics import RunningMetrics
from loops.tape import make_train_step
from model import FashionCNN, new_model

TIMES = 10
WIDTH = 2
WARM, MORE = 10, 20  # steps
LEAK = 2**19  # bytes over MORE steps: 26 KiB a step, where a batch has 919 and the weights 1,606


@pytest.mark.parametrize("loop", [pytest.param("tape", marks=pytest.mark.grid), "fast"])
def test_ten_times_the_images(
    benchmark: Any, device: Device, loop: str, fashion: FashionMnist, references: References, pairs: int
) -> None:
    """A step drawing from 600,000 images against one drawing from 60,000: the ratio should be 1."""
    more = Split(*(np.repeat(part, TIMES, axis=0) for part in (fashion.train.images, fashion.train.labels)))
    start_row(benchmark, device, "scale", kind="scale", arm=f"{loop}, {TIMES} times the images", expected=1.0)
    plain = references.get(loop, lambda: _arm(loop, fashion.train, device))
    measure(benchmark, lambda: _arm(loop, more, device), plain, pairs=fewest(pairs), batch_size=BATCH_SIZE)


def test_twice_the_width(
    benchmark: Any, device: Device, fashion: FashionMnist, references: References, pairs: int
) -> None:
    """A tape step of a model with twice the channels and units, against the plain model's."""
    models = [FashionCNN(width=WIDTH), new_model(0)]
    flops = [step_flops(model, BATCH_SIZE) for model in models]
    expected = flops[0] / flops[1]
    start_row(
        benchmark, device, "scale", kind="scale", arm=f"tape, {WIDTH} times the width", expected=expected
    )
    plain = references.get("tape", lambda: _tape_arm(models[1], fashion.train))
    measure(
        benchmark,
        lambda: _tape_arm(models[0], fashion.train),
        plain,
        pairs=fewest(pairs),
        batch_size=BATCH_SIZE,
    )


@pytest.mark.parametrize("loop", ["tape", "fast"])
def test_memory_stays_flat(benchmark: Any, device: Device, loop: str, fashion: FashionMnist) -> None:
    """What the process holds after a few steps and after more: a step must keep nothing.

    Its resident memory would not tell: it swings by 60 MB from step to step, as the allocator's pools fill.
    """
    if allocated_bytes() is None:
        pytest.skip("what is allocated is asked of glibc, version 2.33 or later")
    arm = _arm(loop, fashion.train, device)
    arm.run(WARM)
    before = allocated_bytes() or 0
    start_row(benchmark, device, "memory", kind="memory", arm=loop, first_steps=WARM, steps=WARM + MORE)
    benchmark.pedantic(arm.run, args=(1,), rounds=MORE)
    grown = (allocated_bytes() or 0) - before
    arm.close()
    benchmark.extra_info["grown_bytes"] = grown
    assert grown < LEAK


def _arm(loop: str, split: Split, device: Device) -> Arm:
    config = TrainConfig(epochs=10**6)
    if loop == "fast":
        return FastArm(best_rung(device.kind), split, config.batch_size)
    return make_arm(TAPE, training_stream(split, config))


def _tape_arm(model: tf.keras.Model, split: Split) -> FunctionArm:
    step = make_train_step(model, tf.keras.optimizers.Adam(), RunningMetrics())
    batches = iter(training_stream(split, TrainConfig(epochs=10**6)))
    return FunctionArm(lambda: step(*next(batches)))
