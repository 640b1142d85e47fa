"""Do a CPU and a GPU agree: the same training on both, with TF32 on and off."""

from typing import Any

import pytest
import tensorflow as tf

from bench.rows import start_row
from bench.trainings import drift
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device


@pytest.mark.parametrize("tf32", [True, False], ids=["tf32", "float32"])
def test_drift_from_the_cpu(benchmark: Any, device: Device, tf32: bool, fashion: FashionMnist) -> None:
    """One epoch by the tape on this process's CPU and on its device: how far the weights end apart."""
    if device.kind == "cpu":
        pytest.skip("a CPU does not drift from itself")
    start_row(benchmark, device, "drift", kind="drift", tf32=tf32)
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    try:
        found = benchmark.pedantic(drift, args=(fashion, TrainConfig(epochs=1), "/GPU:0"), rounds=1)
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
    benchmark.extra_info.update(found)
