"""Operations and bytes counted in a graph, against numbers worked out by hand."""

from pathlib import Path

import pytest

from bench.counts import step_flops
from loops.case.loading import Case
from loops.case.running import start_of
from loops.commands.measure import BUILT_IN
from loops.measure.bound import Bounds
from loops.measure.counting import Work, work_of
from loops.measure.floor import Processor, read_processor

HEAD = """
import numpy as np, tensorflow as tf
loss = "mse"
def make_optimizer(): return tf.keras.optimizers.SGD()
@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean((y - model(x, training=True)) ** 2)
    optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
"""
LAYERS = """
def make_model(): return tf.keras.Sequential([tf.keras.Input({shape}), {layers}])
def batches(): yield np.ones((5, *{shape}), "{dtype}"), np.ones((5, 3), "float32")
"""


def counted(tmp_path: Path, shape: str, layers: str, dtype: str = "float32") -> Work:
    path = tmp_path / "case.py"
    path.write_text(HEAD + LAYERS.format(shape=shape, layers=layers, dtype=dtype), encoding="utf-8")
    case = Case(path)
    epoch = case.epoch(1)
    start = start_of(case, epoch[0])
    return work_of(Case(path), epoch, start)


def test_dense_layers_forward_and_both_gradients(tmp_path: Path) -> None:
    work = counted(tmp_path, "(4,)", "tf.keras.layers.Dense(7), tf.keras.layers.Dense(3)")
    first, second = 5 * 4 * 7, 5 * 7 * 3  # products of one pass; no gradient of the model's own input
    assert work.flops == 2 * (2 * first + 3 * second)
    parameters = 4 * 7 + 7 + 7 * 3 + 3
    rate = 1  # of SGD, which is read only; its counter of steps is no float
    assert work.bytes == 4 * (5 * 4 + 5 * 3 + 2 * parameters + rate)
    assert not work.uncounted


def test_convolutions_of_every_kind(tmp_path: Path) -> None:
    layers = (
        "tf.keras.layers.Conv2D(6, 3), tf.keras.layers.DepthwiseConv2D(2), tf.keras.layers.Flatten(), "
        "tf.keras.layers.Dense(3)"
    )
    work = counted(tmp_path, "(8, 8, 2)", layers)
    convolution = 5 * 6 * 6 * 6 * (3 * 3 * 2)
    depthwise = 5 * 5 * 5 * 6 * (2 * 2)
    dense = 5 * (5 * 5 * 6) * 3
    assert work.flops == 2 * (2 * convolution + 3 * depthwise + 3 * dense)


def test_our_cnn_counts_what_the_bench_works_out_by_hand() -> None:
    case = Case(BUILT_IN)
    epoch = case.epoch(1)
    start = start_of(case, epoch[0])
    assert work_of(Case(BUILT_IN), epoch, start).flops == step_flops(case.model(epoch[0]), 300)


def test_recurrent_layer_counts_each_step_of_its_loops(tmp_path: Path) -> None:
    once, ten_times = (
        counted(tmp_path, f"({steps}, 4)", "tf.keras.layers.GRU(3, reset_after=False)").flops
        for steps in (1, 10)
    )
    assert once > 0
    assert ten_times == pytest.approx(10 * once, rel=0.2)


def test_table_of_an_embedding_is_left_out_of_the_bytes(tmp_path: Path) -> None:
    layers = "tf.keras.layers.Embedding(10_000, 8), tf.keras.layers.Flatten(), tf.keras.layers.Dense(3)"
    assert counted(tmp_path, "(6,)", layers, "int32").bytes < 4 * 10_000


def test_processor_is_read_and_bounds_a_step() -> None:
    there = read_processor("H100: 60 TFLOP/s, 3.3 TB/s")
    assert there == Processor("H100", 60e12, 3.3e12)
    told = Bounds(Work(6_000_000_000, 1_000), Processor("here", 1e11, 1e10), (there,)).lines(120.0)
    assert "Its floor is 60 ms; your step takes 2 times that" in told[1]
    assert "a bound, not a measurement" in told[2]
    assert "0.1 ms" in told[2]
    assert "at most 1,200 times as fast" in told[2]


def test_what_was_not_counted_is_named() -> None:
    told = Bounds(Work(10, 10, ("a loop of unknown length",)), Processor("here", 1e9, 1e9)).lines(1.0)
    assert told[-1].endswith("too low: a loop of unknown length")


@pytest.mark.parametrize(
    "text", ["H100", "H100: 60, 3.3", "H100: 0 TFLOP/s, 3.3 TB/s", ": 1 GFLOP/s, 1 GB/s"]
)
def test_processor_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be like"):
        read_processor(text)


def test_a_frozen_layer_is_read_and_not_written(tmp_path: Path) -> None:
    layers = "tf.keras.layers.Dense(4{frozen}), tf.keras.layers.Dense(3)"
    trained, frozen = (
        counted(tmp_path, "(8,)", layers.format(frozen=more)).bytes for more in ("", ", trainable=False")
    )
    assert trained - frozen == (8 * 4 + 4) * 4  # bytes of kernel and bias, once
