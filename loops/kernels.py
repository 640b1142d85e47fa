"""The model's first stages written for XLA: convolutions as matrix products, pooling with its argmax kept."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

OFFSETS = ((0, 0), (0, 1), (1, 0), (1, 1))  # the places in a 2×2 window, in the order in which ties go


def conv1_pool_relu(images: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Convolution 2×2 of one channel, bias, pooling 2×2 and ReLU: (n, 28, 28, 1) → (n, 14, 14, 32).

    Each pooled value is the largest of four sums of four products, so the 28×28 map is never stored.
    """
    padded = tf.pad(images, [[0, 0], [0, 1], [0, 1], [0, 0]])
    patch = {(i, j): padded[:, i : i + 27 : 2, j : j + 27 : 2] for i in range(3) for j in range(3)}

    @tf.custom_gradient
    def forward(kernel: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        sums = [tf.add_n([patch[a + i, b + j] * kernel[i, j, 0] for i, j in OFFSETS]) for a, b in OFFSETS]
        largest, index = _first_largest(sums)
        pooled = tf.nn.relu(largest + bias)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            passed = tf.where(pooled > 0, upstream, 0.0)
            spread = tf.concat([tf.where(index == each, passed, 0.0) for each in range(4)], -1)
            patches = tf.concat([patch[i, j] for i in range(3) for j in range(3)], -1)
            columns = passed.shape[-1]
            products = tf.matmul(
                tf.reshape(patches, [-1, 9]), tf.reshape(spread, [-1, 4 * columns]), transpose_a=True
            )
            by_place = tf.reshape(products, [3, 3, 4, columns])
            parts = [by_place[a : a + 2, b : b + 2, each] for each, (a, b) in enumerate(OFFSETS)]
            return tf.add_n(parts)[:, :, tf.newaxis], tf.reduce_sum(passed, [0, 1, 2])

        return pooled, gradient

    return forward(kernel, bias)


def conv_as_product(features: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolution 2×2 with SAME padding as one matrix product: (n, h, w, c) → (n, h, w, filters)."""
    height, width, channels = features.shape[1:]
    padded = tf.pad(features, [[0, 0], [0, 1], [0, 1], [0, 0]])
    columns = tf.concat([padded[:, i : i + height, j : j + width] for i, j in OFFSETS], -1)
    filters = kernel.shape[-1]
    product = tf.matmul(tf.reshape(columns, [-1, 4 * channels]), tf.reshape(kernel, [-1, filters]))
    return tf.reshape(product, [-1, height, width, filters])


def pool(features: tf.Tensor) -> tf.Tensor:
    """Max pooling 2×2: (n, 2h, 2w, c) → (n, h, w, c); the gradient goes to the first of equals."""
    height, width, channels = features.shape[1] // 2, features.shape[2] // 2, features.shape[3]
    windows = tf.reshape(features, [-1, height, 2, width, 2, channels])

    @tf.custom_gradient
    def forward(windows: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        largest, index = _first_largest([windows[:, :, a, :, b] for a, b in OFFSETS])

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            places = tf.reshape(tf.range(4, dtype=tf.int32), [1, 1, 2, 1, 2, 1])
            chosen = index[:, :, tf.newaxis, :, tf.newaxis] == places
            return tf.where(chosen, upstream[:, :, tf.newaxis, :, tf.newaxis], 0.0)

        return largest, gradient

    return forward(windows)


def _first_largest(values: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """The elementwise maximum and the index (int32) of the first value that reaches it."""
    largest, index = values[0], tf.zeros_like(values[0], tf.int32)
    for number, value in enumerate(values[1:], start=1):
        index = tf.where(value > largest, number, index)
        largest = tf.maximum(largest, value)
    return largest, index
