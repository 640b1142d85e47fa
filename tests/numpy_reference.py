"""The network's forward pass and loss in NumPy, float64: what both loops are checked against."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def losses(weights: list[Array], pixels: Array, labels: Array) -> tuple[Array, Array]:
    """Cross-entropy and guessed class of each uint8 image (n, 28, 28, 1), both of shape (n,)."""
    kernel1, bias1, kernel2, bias2, kernel3, bias3, kernel4, bias4 = (w.astype(np.float64) for w in weights)
    features = _pool(_convolve(pixels / 255, kernel1, bias1))
    features = _pool(_convolve(features, kernel2, bias2)).reshape(len(pixels), -1)
    logits = np.maximum(features @ kernel3 + bias3, 0) @ kernel4 + bias4
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_probabilities[np.arange(len(labels)), labels], logits.argmax(axis=1)


def _convolve(images: Array, kernel: Array, bias: Array) -> Array:
    """2×2, same padding (one row and column of zeros at the end), ReLU."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))
    windows = [
        padded[:, row : row + height, column : column + width] @ kernel[row, column]
        for row in range(2)
        for column in range(2)
    ]
    return np.maximum(sum(windows) + bias, 0)


def _pool(images: Array) -> Array:
    count, height, width, channels = images.shape
    return images.reshape(count, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
