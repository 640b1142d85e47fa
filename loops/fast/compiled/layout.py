"""Where everything lies: all 411,242 parameters in one flat array, and a part's gradients in another."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PIXELS = 28  # a side of an image
SIDE = 14  # a side of the first stage's features, 15 with the border of zeros that SAME padding asks for
CHANNELS = 32
FILTERS = 64
WINDOW_SIDE = SIDE // 2
WINDOWS = WINDOW_SIDE**2  # pooling windows of the second stage; its features' places
LINE = (SIDE + 1) * CHANNELS  # floats a row of the bordered map
MAP = (SIDE + 1) * LINE
PLACES = SIDE * SIDE * CHANNELS
HIDDEN = 128
CLASSES = 10
PAIR = 2 * CHANNELS  # two neighbouring places lie side by side, and so do their rows of a kernel
TAPS = 2 * PAIR  # the second kernel's inputs a filter
BLOCK = FILTERS * HIDDEN  # entries of the hidden kernel that one window's features meet

# Starts in the flat array of parameters, in the order of model.trainable_variables
CONV1_KERNEL = 0
CONV1_BIAS = CONV1_KERNEL + 4 * CHANNELS
CONV2_KERNEL = CONV1_BIAS + CHANNELS
CONV2_BIAS = CONV2_KERNEL + TAPS * FILTERS
HIDDEN_KERNEL = CONV2_BIAS + FILTERS
HIDDEN_BIAS = HIDDEN_KERNEL + WINDOWS * BLOCK
CLASSIFIER_KERNEL = HIDDEN_BIAS + HIDDEN
CLASSIFIER_BIAS = CLASSIFIER_KERNEL + HIDDEN * CLASSES
PARAMETERS = CLASSIFIER_BIAS + CLASSES

# Starts in a part's gradients: the same without the hidden kernel, whose gradient is never stored
TAIL = HIDDEN_KERNEL  # where the hidden bias begins there
GRADIENTS = TAIL + PARAMETERS - HIDDEN_BIAS

ALIGNMENT = 64  # bytes: a cache line, without which vector code loses up to a third


class Parameters(NamedTuple):
    """Weights and Adam's slots, float32 (PARAMETERS,), and two kernels once more, laid out for backward."""

    weights: Array
    momenta: Array
    velocities: Array
    by_filter: Array  # second kernel, (filter, tap)
    transposed: Array  # hidden kernel, (window, tile of filters, unit, filter)


class Examples(NamedTuple):
    """What the steps draw from: uint8 (n, 28, 28) and (n,), and the order, int64 (steps · batch,)."""

    images: Array
    labels: Array
    order: Array
    scale: np.float32


class Adam(NamedTuple):
    """The optimizer's numbers: a learning rate a step, bias corrections included, float32 (steps,)."""

    rates: Array
    beta1: np.float32
    beta2: np.float32
    epsilon: np.float32


class Shared(NamedTuple):
    """What the threads hand to each other.

    `features` is (window, image, filter) and `delta`, the gradient before the hidden ReLU, (image, unit),
    both flat and with the batch rounded up to whole tiles; `gradients` (part, GRADIENTS); `losses` and `hits`
    (step, part) are sums over a part's images; `counters` int64: tickets and arrivals, a cache line each.
    """

    features: Array
    delta: Array
    gradients: Array
    losses: Array
    hits: Array
    counters: Array


class Scratch(NamedTuple):
    """What one thread needs for a part of a batch."""

    images: Array  # (image, 28, 28)
    maps: Array  # the first stage's features (image, MAP)
    chosen1: Array  # uint8: which of a pooling window's four places was the largest, the first of equals
    chosen2: Array
    sums: Array  # a tile
    hidden: Array  # (image · unit,)
    upstream: Array  # gradient of the second stage's features (window · image · filter,)
    below: Array  # of the first stage's (MAP,), one image at a time
    offsets: Array  # int32 and float32: lists of what passed pooling and ReLU
    weights: Array
    by_place: Array
    by_place_weights: Array
    ends: Array
    total: Array  # gradients, summed over parts
    kernel: Array  # of the second convolution, in the order of its weights
    block: Array  # of one window's share of the hidden kernel


def zeros(shape: int | tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Zeros that begin at a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def new_scratch(part: int, tile: int) -> Scratch:
    """Room for one thread and `part` images, `tile` floats a tile."""
    return Scratch(
        images=zeros((part, PIXELS, PIXELS)),
        maps=zeros((part, MAP)),
        chosen1=zeros((part, PLACES), np.uint8),
        chosen2=zeros((part, WINDOWS * FILTERS), np.uint8),
        sums=zeros(tile),
        hidden=zeros(part * HIDDEN),
        upstream=zeros(WINDOWS * part * FILTERS),
        below=zeros(MAP),
        offsets=zeros(WINDOWS * FILTERS, np.int32),
        weights=zeros(WINDOWS * FILTERS),
        by_place=zeros(4 * FILTERS, np.int32),
        by_place_weights=zeros(4 * FILTERS),
        ends=zeros(4, np.int64),
        total=zeros(GRADIENTS),
        kernel=zeros(TAPS * FILTERS),
        block=zeros(BLOCK),
    )
