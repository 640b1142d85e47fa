"""The ladder: what the fast loop may do otherwise than the plain tape, a small change a rung."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

# (model, float32 images) → class probabilities (batch, 10), with Keras's logits behind them
Forward = Callable[[tf.keras.Model, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Rung:
    """One way to run a step inside the epoch's graph.

    `grade` states how its weights compare with fit()'s: "bit-identical", or a bound in ULP
    after one step, which tests assert.
    """

    name: str
    grade: str
    forward: Forward
    fused_adam: bool = False
    chunks: int = 1


def by_layers(model: tf.keras.Model, images: tf.Tensor) -> tf.Tensor:
    """The model's own call."""
    return model(images, training=True)


def pool_first(model: tf.keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Bias and activation after pooling, on a quarter of the elements.

    Adding a constant and ReLU are monotone, so they commute with max: the forward pass keeps its
    bits. A tie among equals goes to the first either way; where two sums round to one value, max
    may choose another of them than before, and the bias gradient is summed in another order.
    """
    features = images
    for conv in (model.conv1, model.conv2):
        features = tf.nn.max_pool2d(tf.nn.conv2d(features, conv.kernel, 1, "SAME"), 2, 2, "VALID")
        features = tf.nn.relu(tf.nn.bias_add(features, conv.bias))
    return model.classifier(model.hidden(model.flatten(features)))
