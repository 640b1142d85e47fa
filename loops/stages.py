"""The compiled convolution stages as TensorFlow ops with gradients, shared out among threads."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from loops import compiled
from loops.compiled import CHANNELS, FILTERS, PADDED, ROW, SIDE
from loops.states import Array

ALIGNMENT = 64  # bytes: a cache line, and what lets TensorFlow take an array over without a copy
PART = 12  # images that a thread takes at a time: small, since TensorFlow's own threads may slow one of ours


def first_stage(images: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Images (n, 28, 28, 1) → features (n, 15, 15, 32), with a border of zeros at the end."""

    @tf.custom_gradient
    def stage(kernel: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        features, chosen = _call(_first_forward, [images, kernel, bias], [tf.float32, tf.uint8])
        features.set_shape((images.shape[0], PADDED, PADDED, CHANNELS))

        def gradient(upstream: tf.Tensor) -> Any:
            return _call(_first_backward, [images, features, chosen, upstream], [tf.float32] * 2)

        return features, gradient

    return stage(kernel, bias)


def second_stage(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Bordered features (n, 15, 15, 32) → features (n, 7, 7, 64); the forward convolution is TensorFlow's."""

    @tf.custom_gradient
    def stage(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        sums = tf.nn.conv2d(inputs, kernel, 1, "VALID")
        features, chosen = _call(_second_forward, [sums, bias], [tf.float32, tf.uint8])
        features.set_shape((inputs.shape[0], SIDE // 2, SIDE // 2, FILTERS))

        def gradient(upstream: tf.Tensor) -> Any:
            return _call(_second_backward, [inputs, kernel, features, chosen, upstream], [tf.float32] * 3)

        return features, gradient

    return stage(inputs, kernel, bias)


def _call(function: Callable[..., Any], inputs: list[tf.Tensor], outputs: list[tf.DType]) -> Any:
    return tf.numpy_function(function, inputs, outputs, stateful=False)


def _first_forward(images: Array, kernel: Array, bias: Array) -> tuple[Array, Array]:
    n = len(images)
    features = _empty((n, PADDED, PADDED, CHANNELS))
    chosen = _empty((n, SIDE, SIDE, CHANNELS), np.uint8)
    flat = images.reshape(n, 2 * SIDE, 2 * SIDE)
    _share(
        n,
        lambda _, *part: compiled.first_forward(
            flat, kernel.reshape(4, CHANNELS), bias, features, chosen, *part
        ),
    )
    return features, chosen


def _first_backward(images: Array, features: Array, chosen: Array, upstream: Array) -> tuple[Array, Array]:
    n, parts = len(images), _parts(len(images))
    inputs = images.reshape(n, 2 * SIDE, 2 * SIDE), features, chosen, upstream
    kernels, biases = _zeros((parts, 4, CHANNELS)), _zeros((parts, CHANNELS))
    _share(n, lambda part, *span: compiled.first_backward(*inputs, kernels[part], biases[part], *span))
    return kernels.sum(0).reshape(2, 2, 1, CHANNELS), biases.sum(0)


def _second_forward(sums: Array, bias: Array) -> tuple[Array, Array]:
    shape = (len(sums), SIDE // 2, SIDE // 2, FILTERS)
    features, chosen = _empty(shape), _empty(shape, np.uint8)
    _share(len(sums), lambda _, *span: compiled.second_forward(sums, bias, features, chosen, *span))
    return features, chosen


def _second_backward(
    inputs: Array, kernel: Array, features: Array, chosen: Array, upstream: Array
) -> tuple[Array, Array, Array]:
    parts = _parts(len(inputs))
    by_filter = _empty((FILTERS, 2, ROW))
    by_filter[...] = np.moveaxis(kernel.reshape(2, ROW, FILTERS), -1, 0)
    below, input_gradient = (inputs, by_filter, features, chosen, upstream), _empty(inputs.shape)
    kernels, biases = _zeros((parts, FILTERS, 2, ROW)), _zeros((parts, FILTERS))
    _share(
        len(inputs),
        lambda part, *span: compiled.second_backward(
            *below, input_gradient, kernels[part], biases[part], *span
        ),
    )
    kernel_gradient = np.ascontiguousarray(np.moveaxis(kernels.sum(0), 0, -1))
    return input_gradient, kernel_gradient.reshape(2, 2, CHANNELS, FILTERS), biases.sum(0)


def _parts(images: int) -> int:
    """Into how many parts a batch is cut: a function of its size alone, so that sums keep their order."""
    return max(1, images // PART)


def _share(images: int, work: Callable[..., None]) -> None:
    """Call work(part, start, stop) for each part of the images, by this thread and others in turn."""
    parts = _parts(images)
    spans = iter([(part, part * images // parts, (part + 1) * images // parts) for part in range(parts)])

    def some() -> None:
        for span in spans:
            work(*span)

    others = [_threads().submit(some) for _ in range(min(parts, _cores()) - 1)]
    some()
    for other in others:
        other.result()


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, _cores() - 1))


@functools.cache
def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _empty(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """An uninitialised array that begins at a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def _zeros(shape: tuple[int, ...]) -> Array:
    array = _empty(shape)
    array[...] = 0
    return array
