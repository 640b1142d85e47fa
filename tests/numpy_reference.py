"""The network in NumPy, float64, with nothing of ours in it: what all loops are checked against."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def losses(weights: list[Array], pixels: Array, labels: Array) -> tuple[Array, Array]:
    """Cross-entropy and guessed class of each uint8 image (n, 28, 28, 1), both of shape (n,)."""
    kernel1, bias1, kernel2, bias2, kernel3, bias3, kernel4, bias4 = (w.astype(np.float64) for w in weights)
    features, _ = _stage(pixels / 255, kernel1, bias1)
    features, _ = _stage(features, kernel2, bias2)
    units = np.maximum(features.reshape(len(pixels), -1) @ kernel3 + bias3, 0)
    log_odds = _log_softmax(units @ kernel4 + bias4)
    return -log_odds[np.arange(len(labels)), labels], log_odds.argmax(axis=1)


def gradients(weights: list[Array], pixels: Array, labels: Array) -> tuple[list[Array], float, int]:
    """The gradients of the mean loss by variable, the sum of the losses, and how many guesses are right."""
    kernel1, bias1, kernel2, bias2, kernel3, bias3, kernel4, bias4 = (w.astype(np.float64) for w in weights)
    images = pixels / 255
    maps1, chosen1 = _stage(images, kernel1, bias1)
    maps2, chosen2 = _stage(maps1, kernel2, bias2)
    flat = maps2.reshape(len(images), -1)
    units = np.maximum(flat @ kernel3 + bias3, 0)
    log_odds = _log_softmax(units @ kernel4 + bias4)
    wanted = np.eye(10)[labels]
    back = (np.exp(log_odds) - wanted) / len(images)
    delta = back @ kernel4.T * (units > 0)
    above2 = (delta @ kernel3.T).reshape(maps2.shape)
    of_kernel2, of_bias2, above1 = _stage_back(maps1, kernel2, maps2, chosen2, above2)
    of_kernel1, of_bias1, _ = _stage_back(images, kernel1, maps1, chosen1, above1)
    found = [of_kernel1, of_bias1, of_kernel2, of_bias2]
    found += [flat.T @ delta, delta.sum(0), units.T @ back, back.sum(0)]
    return found, float(-(log_odds * wanted).sum()), int((log_odds.argmax(1) == labels).sum())


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _stage(inputs: Array, kernel: Array, bias: Array) -> tuple[Array, Array]:
    """Convolution 2×2 with SAME padding, pooling 2×2, bias and ReLU; and which place was the largest."""
    bordered = np.pad(inputs, ((0, 0), (0, 1), (0, 1), (0, 0)))
    _, height, width, _ = inputs.shape
    sums = sum(bordered[:, i : i + height, j : j + width] @ kernel[i, j] for i in (0, 1) for j in (0, 1))
    places = np.stack([sums[:, i::2, j::2] for i in (0, 1) for j in (0, 1)])
    return np.maximum(places.max(0) + bias, 0), places.argmax(0)


def _stage_back(
    inputs: Array, kernel: Array, maps: Array, chosen: Array, above: Array
) -> tuple[Array, Array, Array]:
    """The gradients of a stage's kernel, bias and inputs."""
    above = above * (maps > 0)
    images, height, width, _ = inputs.shape
    sums = np.zeros((images, height, width, above.shape[-1]))
    for place in range(4):
        sums[:, place // 2 :: 2, place % 2 :: 2] = above * (chosen == place)
    bordered = np.pad(inputs, ((0, 0), (0, 1), (0, 1), (0, 0)))
    of_inputs, of_kernel = np.zeros(bordered.shape), np.zeros(kernel.shape)
    for i in (0, 1):
        for j in (0, 1):
            of_kernel[i, j] = np.einsum("nhwc,nhwf->cf", bordered[:, i : i + height, j : j + width], sums)
            of_inputs[:, i : i + height, j : j + width] += sums @ kernel[i, j].T
    return of_kernel, above.sum((0, 1, 2)), of_inputs[:, :height, :width]
