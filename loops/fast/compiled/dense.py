"""The two dense layers and the loss, a part of a batch at a time. All arrays are flat."""

import math
from typing import Any

import numpy as np

from loops.fast.compiled.layout import (
    BLOCK,
    CLASSES,
    CLASSIFIER_BIAS,
    CLASSIFIER_KERNEL,
    FILTERS,
    HIDDEN,
    HIDDEN_BIAS,
    HIDDEN_KERNEL,
    TAIL,
    WINDOWS,
)
from loops.fast.compiled.primitives import COLUMNS, ROWS, add_tile, kernel


@kernel
def hidden_forward(features: Any, start: int, rows: int, padded: int, weights: Any, hidden: Any) -> None:
    """Features (window, padded, filter) of `rows` images from `start` → hidden sums before ReLU."""
    for n in range(rows):
        for h in range(HIDDEN):
            hidden[n * HIDDEN + h] = weights[HIDDEN_BIAS + h]
    for window in range(WINDOWS):
        for first in range(0, HIDDEN, COLUMNS):
            right = HIDDEN_KERNEL + window * BLOCK + first
            for n in range(0, rows, ROWS):
                at, left = n * HIDDEN + first, (window * padded + start + n) * FILTERS
                add_tile(
                    hidden,
                    at,
                    HIDDEN,
                    features,
                    left,
                    FILTERS,
                    2 * FILTERS,
                    1,
                    weights,
                    right,
                    HIDDEN,
                    FILTERS,
                )


@kernel
def hidden_backward(delta: Any, start: int, rows: int, part: int, transposed: Any, upstream: Any) -> None:
    """Delta of `rows` images from `start` → the features' gradient (window, part, filter)."""
    upstream[:] = 0
    for window in range(WINDOWS):
        for first in range(0, FILTERS, COLUMNS):
            right = window * BLOCK + first * HIDDEN
            for n in range(0, rows, ROWS):
                at, left = (window * part + n) * FILTERS + first, (start + n) * HIDDEN
                add_tile(
                    upstream,
                    at,
                    FILTERS,
                    delta,
                    left,
                    HIDDEN,
                    2 * HIDDEN,
                    1,
                    transposed,
                    right,
                    COLUMNS,
                    HIDDEN,
                )


@kernel
def hidden_kernel_gradient(
    features: Any, window: int, padded: int, delta: Any, images: int, block: Any
) -> None:
    """One window's share of the hidden kernel's gradient: block (filter, unit), summed over the batch."""
    block[:] = 0
    for filter_ in range(0, FILTERS, ROWS):
        left = window * padded * FILTERS + filter_
        for first in range(0, HIDDEN, COLUMNS):
            at = filter_ * HIDDEN + first
            add_tile(block, at, HIDDEN, features, left, 1, 2, FILTERS, delta, first, HIDDEN, images)


@kernel
def _logits(row: Any, weights: Any, logits: Any) -> None:
    """ReLU in place, which keeps NaN, and the classifier's sums."""
    for c in range(CLASSES):
        logits[c] = weights[CLASSIFIER_BIAS + c]
    for h in range(HIDDEN):
        row[h] = np.float32(0) if row[h] <= 0 else row[h]
        for c in range(CLASSES):
            logits[c] += row[h] * weights[CLASSIFIER_KERNEL + h * CLASSES + c]


@kernel
def _cross_entropy(logits: Any, label: int, share: Any) -> Any:
    """An image's loss and whether it was guessed; logits become the loss's gradient, times `share`."""
    largest, best = logits[0], 0
    for c in range(1, CLASSES):
        if logits[c] > largest:
            largest, best = logits[c], c
    of_label, total = logits[label], np.float32(0)
    for c in range(CLASSES):
        logits[c] = math.exp(logits[c] - largest)
        total += logits[c]
    for c in range(CLASSES):
        logits[c] = (logits[c] / total - np.float32(c == label)) * share
    return math.log(total) + largest - of_label, best == label


@kernel
def _back_to_hidden(row: Any, logits: Any, weights: Any, delta: Any, gradients: Any) -> None:
    """The gradients of the classifier and of the hidden bias, and the hidden layer's delta."""
    bias = TAIL + CLASSIFIER_BIAS - HIDDEN_BIAS
    for c in range(CLASSES):
        gradients[bias + c] += logits[c]
    for h in range(HIDDEN):
        back, of_unit = np.float32(0), TAIL + CLASSIFIER_KERNEL - HIDDEN_BIAS + h * CLASSES
        for c in range(CLASSES):
            back += logits[c] * weights[CLASSIFIER_KERNEL + h * CLASSES + c]
            gradients[of_unit + c] += row[h] * logits[c]
        delta[h] = np.float32(0) if row[h] <= 0 else back
        gradients[TAIL + h] += delta[h]


@kernel
def classify(hidden: Any, labels: Any, weights: Any, delta: Any, gradients: Any, share: Any) -> Any:
    """Hidden sums of a part and its labels → sums of loss and hits; delta and gradients on the way.

    Softmax and cross-entropy in one, as Keras computes them from the logits; `share` is one over the batch.
    """
    loss, hits = 0.0, 0
    logits = np.empty(CLASSES, np.float32)
    for n in range(len(labels)):
        span = slice(n * HIDDEN, (n + 1) * HIDDEN)
        _logits(hidden[span], weights, logits)
        own, hit = _cross_entropy(logits, labels[n], share)
        loss += own
        hits += hit
        _back_to_hidden(hidden[span], logits, weights, delta[span], gradients)
    return loss, hits
