"""What of a step's products is needed: no factor is 0, and pooling or ReLU let the sum through.

Counted on real images and a model that was trained a while, since all of it depends on both.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bench.counts import forward_macs
from loops.config import TrainConfig
from loops.data import PIXEL_SCALE, FashionMnist, Split
from loops.fast.rungs import Rung
from loops.measure.rungs import FastArm

Array = npt.NDArray[Any]
IMAGES = 500  # that are counted
TRAINED_STEPS = 200  # an epoch at the post's batch size


def needed_in_training(fashion: FashionMnist, rung: Rung) -> dict[str, float]:
    """Multiply-adds an image that a step needs, by part of the step, after an epoch of training by `rung`."""
    arm = FastArm(rung, fashion.train, TrainConfig().batch_size)
    arm.run(TRAINED_STEPS)
    return needed_macs(arm.model, fashion.train.first(IMAGES))


def dense_macs(model: tf.keras.Model) -> dict[str, float]:
    """The same of a step that skips nothing."""
    conv1, conv2, hidden, classifier = forward_macs(model).values()
    return {
        "first stage, forward": conv1,
        "first stage, backward": conv1,
        "second stage, forward": conv2,
        "second stage, gradient of its kernel": conv2,
        "second stage, gradient of its input": conv2,
        "hidden layer, forward": hidden,
        "hidden layer, gradient of its kernel": hidden,
        "hidden layer, gradient of its input": hidden,
        "classifier": 3 * classifier,
    }


def needed_macs(model: tf.keras.Model, split: Split) -> dict[str, float]:
    """Multiply-adds an image that a step needs, by part of the step; means over all images of `split`.

    A gradient is taken for 0 only where pooling or ReLU makes it so.
    """
    pixels = split.images.astype(np.float32) * np.float32(PIXEL_SCALE)
    first, of_first = _stage(pixels, model.conv1)
    second, of_second = _stage(first, model.conv2)
    flat = second.reshape(len(second), -1)
    units = np.maximum(flat @ model.hidden.kernel.numpy() + model.hidden.bias.numpy(), 0)
    features, passed, classes = _live(flat), _live(units), model.classifier.units
    counts = {
        "first stage, forward": model.conv1.filters * _forward(pixels),
        "first stage, backward": _chosen(pixels, first, of_first),
        "second stage, forward": model.conv2.filters * _forward(first),
        "second stage, gradient of its kernel": _chosen(first, second, of_second),
        "second stage, gradient of its input": _chosen(first, second, of_second),
        "hidden layer, forward": model.hidden.units * features.sum(),
        "hidden layer, gradient of its kernel": (features * passed).sum(),
        "hidden layer, gradient of its input": (features * passed).sum(),
        "classifier": 3 * classes * passed.sum(),
    }
    return {name: float(count) / len(pixels) for name, count in counts.items()}


def _live(values: Array) -> Array:
    """How many of each image's values are not 0."""
    return np.count_nonzero(values, axis=1).astype(np.float64)


def _stage(inputs: Array, layer: tf.keras.layers.Conv2D) -> tuple[Array, Array]:
    """A convolution's features after pooling and ReLU, and which place of each window was the largest."""
    sums = tf.nn.conv2d(inputs, layer.kernel, 1, "SAME").numpy() + layer.bias.numpy()
    images, height, width, channels = sums.shape
    places = sums.reshape(images, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 5, 2, 4)
    places = places.reshape(*places.shape[:4], 4)
    return np.maximum(places.max(-1), 0), places.argmax(-1)


def _under(inputs: Array) -> Array:
    """How many inputs that are not 0 lie under each place of a 2×2 convolution's output."""
    live = np.pad(np.count_nonzero(inputs, axis=-1), ((0, 0), (0, 1), (0, 1)))
    return live[:, :-1, :-1] + live[:, :-1, 1:] + live[:, 1:, :-1] + live[:, 1:, 1:]


def _forward(inputs: Array) -> float:
    """Products of a forward pass, a filter: all places, since pooling compares them."""
    return float(_under(inputs).sum())


def _chosen(inputs: Array, features: Array, chosen: Array) -> float:
    """Products of the places that were chosen and passed ReLU: a gradient times what lies under it."""
    under = _under(inputs)
    images, height, width = under.shape
    places = under.reshape(images, height // 2, 2, width // 2, 2).transpose(0, 1, 3, 2, 4)
    places = places.reshape(*places.shape[:3], 1, 4)
    of_each = np.take_along_axis(np.broadcast_to(places, (*chosen.shape, 4)), chosen[..., None], -1)[..., 0]
    return float(of_each[features > 0].sum())
