"""The network: its layer table, its files, its initial weights."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from model import PARAM_COUNT, FashionCNN, new_model

LAYER_TABLE = [
    ("conv1", (None, 28, 28, 32), 160),
    ("pool1", (None, 14, 14, 32), 0),
    ("conv2", (None, 14, 14, 64), 8_256),
    ("pool2", (None, 7, 7, 64), 0),
    ("flatten", (None, 3136), 0),
    ("hidden", (None, 128), 401_536),
    ("classifier", (None, 10), 1_290),
]


def test_parameters_are_counted_on_construction() -> None:
    assert FashionCNN().count_params() == PARAM_COUNT == 411_242
    assert sum(row[2] for row in LAYER_TABLE) == PARAM_COUNT


def test_summary_shows_every_output_shape_and_count() -> None:
    lines: list[str] = []
    FashionCNN().summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "?" not in text
    assert "multiple" not in text
    for name, shape, params in LAYER_TABLE:
        row = next(line for line in text.splitlines() if f" {name} " in line)
        assert str(shape) in row
        assert f" {params:,} " in row


def test_layers_compute_the_shapes_that_the_summary_shows() -> None:
    model = FashionCNN()
    features = tf.zeros((2, 28, 28, 1))
    for layer, (_, shape, _) in zip(model.layers, LAYER_TABLE, strict=True):
        features = layer(features)
        assert tuple(features.shape) == (2, *shape[1:])


def test_output_is_a_probability_for_each_class() -> None:
    probabilities = FashionCNN()(tf.random.stateless_uniform((3, 28, 28, 1), seed=(1, 2))).numpy()
    assert probabilities.shape == (3, 10)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_biases_start_at_zero_and_kernels_within_glorots_bound() -> None:
    for layer in FashionCNN().layers:
        for weight in layer.weights:
            values = weight.numpy()
            if weight.name == "bias":
                assert not values.any()
            else:
                fan_in = np.prod(values.shape[:-1])
                fan_out = np.prod(values.shape[:-2]) * values.shape[-1]
                assert 0.9 < np.abs(values).max() / np.sqrt(6 / (fan_in + fan_out)) <= 1


def test_keras_file_round_trip_gives_the_same_predictions(tmp_path: Path) -> None:
    model = FashionCNN()
    model.save(tmp_path / "model.keras")
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    images = tf.random.stateless_uniform((5, 28, 28, 1), seed=(1, 2))
    assert isinstance(loaded, FashionCNN)
    assert loaded.count_params() == PARAM_COUNT
    assert np.array_equal(loaded(images), model(images))


def test_seed_decides_the_initial_weights() -> None:
    first, again, other = (new_model(seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
