"""The ladder: what the fast loop does otherwise than the tape: four small changes, and a step of our own."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from loops.config import RUNGS

# (model, float32 images (n, 28, 28, 1)) → class probabilities (n, 10), Keras's logits behind them
Forward = Callable[[tf.keras.Model, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Rung:
    """One way to run a step.

    `ulps` bounds how far the first step's gradients may be from the tape's, in units in the last
    place of each variable's largest entry; 0 is bit-identical, weights too, at any length. (A bound
    on weights would say little: Adam's first step divides a gradient by its own size.)
    """

    name: str
    why: str
    forward: Forward
    ulps: int = 0
    fused_adam: bool = False
    parts: int = 1  # of a batch that go side by side through forward and backward, where its rows divide so
    static_shapes: bool = False  # a size known to the graph, whose divisions then round otherwise
    compiled: bool = False  # by loops/fast/compiled, for a CPU, which does not call `forward`


def by_layers(model: tf.keras.Model, images: tf.Tensor) -> tf.Tensor:
    """The model's own call."""
    return model(images, training=True)


def pool_first(model: tf.keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Bias and activation after pooling, on a quarter of the elements.

    Adding a constant and ReLU are monotone, so they commute with max: the forward pass keeps its
    bits. A tie goes to the first of equals either way; but where two sums round to one value after
    the bias, max now sees which was larger, and the bias gradient is summed in another order.
    """
    features = images
    for conv in (model.conv1, model.conv2):
        features = tf.nn.max_pool2d(tf.nn.conv2d(features, conv.kernel, 1, "SAME"), 2, 2, "VALID")
        features = tf.nn.relu(tf.nn.bias_add(features, conv.bias))
    return model.classifier(model.hidden(model.flatten(features)))


EPOCH = Rung(
    "epoch in one graph",
    "no Python, no host sync and no input pipeline between steps; images stay on the device as uint8",
    by_layers,
)
FUSED_ADAM = Rung("fused Adam", "one op a variable in place of about ten", by_layers, ulps=8, fused_adam=True)
POOL_FIRST = Rung(
    "pool before activation",
    "bias, ReLU and their gradients on a quarter of the elements",
    pool_first,
    ulps=128,
    fused_adam=True,
    static_shapes=True,
)
IN_PARTS = Rung(
    "parts side by side",
    "six parts of a batch go through forward and backward at once: while one waits, another uses the cores",
    pool_first,
    ulps=128,
    fused_adam=True,
    static_shapes=True,
    parts=6,
)
COMPILED = Rung(
    "compiled step",
    "no TensorFlow op in a step; backward multiplies only what pooling and ReLU let through",
    by_layers,
    ulps=128,
    compiled=True,
)
LADDER = (EPOCH, FUSED_ADAM, POOL_FIRST, IN_PARTS, COMPILED)


BY_KEY: Mapping[str, Rung] = MappingProxyType(dict(zip(RUNGS, LADDER, strict=True)))


def best_rung(device_kind: str) -> Rung:
    """The rung that was fastest where it was measured (docs/speed.md)."""
    return COMPILED if device_kind == "cpu" else POOL_FIRST


def rung_of(key: str | None, device_kind: str) -> Rung:
    """The rung by its name on the command line; the best for the device where none is named."""
    return BY_KEY[key] if key else best_rung(device_kind)


def runs_on(rung: Rung, device_kind: str) -> bool:
    """Whether the device can run it."""
    return device_kind == "cpu" or not rung.compiled


def loss_and_gradients(
    rung: Rung, model: tf.keras.Model, images: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, list[Any]]:
    """Mean loss, probabilities and gradients of a batch, by the rung's forward pass."""
    rows = images.shape[0]
    if rung.parts > 1 and rows is not None and rows % rung.parts == 0:
        return _in_parts(rung, model, images, labels)
    with tf.GradientTape() as tape:
        probabilities = rung.forward(model, images)
        loss = sum(model.losses, tf.keras.losses.CategoricalCrossentropy()(labels, probabilities))
    return loss, probabilities, tape.gradient(loss, model.trainable_variables)


def _in_parts(
    rung: Rung, model: tf.keras.Model, images: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, list[Any]]:
    """The same of equal parts of the batch, each on its own in one graph, added in a fixed order.

    The mean over a batch is the mean of the means over its parts, as long as no layer and no loss looks at
    several rows at once.
    """
    whole = dataclasses.replace(rung, parts=1)
    pairs = zip(tf.split(images, rung.parts), tf.split(labels, rung.parts), strict=True)
    losses, probabilities, gradients = zip(
        *(loss_and_gradients(whole, model, *pair) for pair in pairs), strict=True
    )
    mean = [tf.add_n(each) / rung.parts for each in zip(*gradients, strict=True)]
    return tf.add_n(losses) / rung.parts, tf.concat(probabilities, 0), mean
