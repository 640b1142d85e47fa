"""What of a step's products is needed: counted by hand on a model whose weights say what passes."""

import numpy as np
import tensorflow as tf

from bench.needed import dense_macs, needed_macs
from bench.report.floor import needed_table, times_the_sparse_floor
from loops.data import Split
from model import new_model


def of_ones(model: tf.keras.Model) -> tf.keras.Model:
    """All weights 1, so that what a feature is made of decides whether it passes."""
    for variable in model.trainable_variables:
        variable.assign(tf.ones_like(variable) * (len(variable.shape) > 1))
    return model


def test_an_image_of_zeros_needs_no_product_at_all() -> None:
    blank = Split(np.zeros((2, 28, 28, 1), np.uint8), np.zeros(2, np.uint8))
    assert set(needed_macs(of_ones(new_model(0)), blank).values()) == {0.0}


def test_a_lit_pixel_needs_what_it_reaches() -> None:
    images = np.zeros((1, 28, 28, 1), np.uint8)
    images[0, 5, 5] = 255
    found = needed_macs(of_ones(new_model(0)), Split(images, np.zeros(1, np.uint8)))
    # All four places that it lies under are in window (2, 2), whose 32 features are 1 and all others 0
    assert found["first stage, forward"] == 4 * 32
    assert found["first stage, backward"] == 32
    # Feature (2, 2) lies under places (1..2, 1..2) of the second stage: one of each of four windows
    assert found["second stage, forward"] == 4 * 32 * 64
    assert found["second stage, gradient of its kernel"] == 4 * 32 * 64
    assert found["second stage, gradient of its input"] == 4 * 32 * 64
    assert found["hidden layer, forward"] == 4 * 64 * 128
    assert found["hidden layer, gradient of its kernel"] == 4 * 64 * 128
    assert found["classifier"] == 3 * 128 * 10


def test_all_that_passes_needs_all_but_what_lies_under_the_border() -> None:
    lit = Split(np.full((1, 28, 28, 1), 255, np.uint8), np.zeros(1, np.uint8))
    found, dense = needed_macs(of_ones(new_model(0)), lit), dense_macs(new_model(0))
    assert found["hidden layer, forward"] == dense["hidden layer, forward"]
    assert found["first stage, forward"] == (28 + 27) ** 2 * 32  # each tap of four at 28 or 27 places an axis
    assert found["second stage, forward"] == (14 + 13) ** 2 * 32 * 64


def test_what_relu_stops_needs_no_gradient_and_no_product_after_it() -> None:
    model, lit = of_ones(new_model(0)), Split(np.full((1, 28, 28, 1), 255, np.uint8), np.zeros(1, np.uint8))
    model.conv2.bias.assign(np.array([-1e6] * 48 + [0.0] * 16))  # 16 of 64 filters pass
    all_, some = needed_macs(of_ones(new_model(0)), lit), needed_macs(model, lit)
    assert some["second stage, forward"] == all_["second stage, forward"]
    for name in all_:
        if name.startswith(("second stage, grad", "hidden")):
            assert some[name] == all_[name] / 4, name


def test_sparse_floor_is_of_what_is_needed_and_of_the_machine_that_counted_it() -> None:
    place = {"device": "cpu", "device_name": "some CPU", "machine": "m"}
    rates = [{**place, "kind": "rate", "arm": arm, "per_second": 1e9} for arm in ("matrix multiply", "copy")]
    step = {**place, "kind": "rung", "ms_per_step": 6.0, "flops": 6e6, "needed_flops": 2e6, "bytes": 1}
    assert times_the_sparse_floor(step, rates) == 3
    assert times_the_sparse_floor({**step, "machine": "other"}, rates) is None
    assert times_the_sparse_floor({**place, "ms_per_step": 6.0, "flops": 6e6, "bytes": 1}, rates) is None
    parts = {"a": {"dense": 4e6, "needed": 1e6}, "b": {"dense": 4e6, "needed": 3e6}}
    counted = {**place, "kind": "needed", "parts": parts}
    text = needed_table([*rates, counted]).as_text()
    assert "the whole step" in text
    assert "16.000" in text
    assert "0.50" in text  # 4 of 8 million multiply-adds, two operations each
    assert "2400.00" in text  # 300 images, 8 MFLOP each, at 1 GFLOP/s
