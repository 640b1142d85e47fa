"""Where everything lies: all 411,242 parameters in one flat array, and a part's gradients in another."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LANES = 16  # floats a vector: one register of AVX-512, two of AVX2, four of NEON
ROWS = 4  # of a tile
PIXELS = 28  # a side of an image
IMAGE = PIXELS**2
PIXEL_LINE = PIXELS + 1  # of a scaled image, which has the border of zeros that SAME padding asks for
PIXEL_MAP = PIXEL_LINE**2
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
CORNER_TAPS = 9  # products of a window in the second stage's forward pass
KINDS = 4  # of blank windows: within, at the right edge, at the lower edge, at both
WINDOW_ROWS = 12  # windows of which that pass makes the products at a time
LIST = FILTERS + LANES  # room for the filters of one place, and a vector beyond them
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
OF_CLASSES = TAIL + HIDDEN  # the classifier's kernel, (class, unit)
GRADIENTS = TAIL + PARAMETERS - HIDDEN_BIAS
# Vectors are read and written whole, so that zeros fill up the last one
ROOM, ROOM_FOR_GRADIENTS = (-(-size // LANES) * LANES for size in (PARAMETERS, GRADIENTS))

ALIGNMENT = 64  # bytes: a cache line, without which vector code loses up to a third


class Parameters(NamedTuple):
    """Weights and Adam's slots, float32 (ROOM,), and copies of kernels, laid out as they are read.

    In weights and slots the hidden kernel lies as it is read forward, (window, tile of units, filter, unit).
    """

    weights: Array
    momenta: Array
    velocities: Array
    by_filter: Array  # second kernel, (filter, tap)
    products: Array  # second kernel for its forward pass, (tap of 9, tile of filters, channel, filter)
    transposed: Array  # hidden kernel, (window, tile of filters, unit, filter)
    by_class: Array  # classifier's kernel, (class, unit)


class Plan(NamedTuple):
    """How many threads do how many steps, and images a batch, in how many parts of at most `part`.

    Without `trains` a step is a forward pass with its loss.
    """

    trains: bool
    threads: int
    steps: int
    images: int
    padded: int  # images, rounded up to whole tiles
    parts: int
    part: int


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

    `features` is (window, image, filter) and `deltas`, the gradient before the hidden ReLU, (tile of units,
    image, unit), both flat and with the batch rounded up to whole tiles. `gradients` are (part,
    ROOM_FOR_GRADIENTS). `losses` and `hits` (step, part) are sums over a part's images. `counters` are int64:
    tickets and arrivals, a cache line each.
    """

    features: Array
    deltas: Array
    gradients: Array
    losses: Array
    hits: Array
    counters: Array


class Scratch(NamedTuple):
    """What one thread needs for a part of a batch."""

    images: Array  # (image, PIXEL_MAP)
    labels: Array
    maps: Array  # the first stage's features (image, MAP)
    chosen1: Array  # uint8: which of a pooling window's four places was the largest, the first of equals
    chosen2: Array
    blank: Array  # int64 (image, SIDE + 1): a bit a place that has only zeros under it, as the border
    live: Array  # int64: windows that are computed, image · WINDOWS + window; see windows.py
    stops: Array
    copies: Array
    originals: Array
    first_blank: Array
    differences: Array  # of the second stage's inputs (tap of 9, WINDOW_ROWS, channel)
    sums: Array  # of its products (tap of 9, WINDOW_ROWS, filter)
    hidden: Array  # (image · unit,)
    delta: Array  # gradient before the hidden ReLU (image · unit,)
    logits: Array
    upstream: Array  # gradient of the second stage's features (window · image · filter,)
    below: Array  # of the first stage's (MAP,), one image at a time
    offsets: Array  # int32 and float32: lists of what passed pooling and ReLU
    weights: Array
    by_place: Array
    by_place_weights: Array
    ends: Array
    total: Array  # gradients, summed over parts
    kernel: Array  # gradient of the second convolution's kernel, in the order of its weights
    classifier: Array  # and of the classifier's
    block: Array  # of one window's share of the hidden kernel


def zeros(shape: int | tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Zeros that begin at a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def new_parameters() -> Parameters:
    """Weights and slots that are 0, and room for the copies of kernels."""
    return Parameters(
        zeros(ROOM),
        zeros(ROOM),
        zeros(ROOM),
        zeros(TAPS * FILTERS),
        zeros(CORNER_TAPS * CHANNELS * FILTERS),
        zeros(WINDOWS * BLOCK),
        zeros(HIDDEN * CLASSES),
    )


def new_scratch(part: int) -> Scratch:
    """Room for one thread and `part` images."""
    blank = zeros((part, SIDE + 1), np.int64)
    blank[:, SIDE] = 2 ** (SIDE + 1) - 1
    return Scratch(
        images=zeros((part, PIXEL_MAP)),
        labels=zeros(part, np.int64),
        maps=zeros((part, MAP)),
        chosen1=zeros((part, PLACES), np.uint8),
        chosen2=zeros((part, WINDOWS * FILTERS), np.uint8),
        blank=blank,
        live=zeros(part * WINDOWS + ROWS - 1, np.int64),
        stops=zeros(part, np.int64),
        copies=zeros(part * WINDOWS, np.int64),
        originals=zeros(part * WINDOWS, np.int64),
        first_blank=zeros(KINDS, np.int64),
        differences=zeros(CORNER_TAPS * WINDOW_ROWS * CHANNELS),
        sums=zeros(CORNER_TAPS * WINDOW_ROWS * FILTERS),
        hidden=zeros(part * HIDDEN),
        delta=zeros(part * HIDDEN),
        logits=zeros(CLASSES),
        upstream=zeros(WINDOWS * part * FILTERS),
        below=zeros(MAP),
        offsets=zeros(WINDOWS * FILTERS, np.int32),
        weights=zeros(WINDOWS * FILTERS),
        by_place=zeros(4 * LIST, np.int32),
        by_place_weights=zeros(4 * LIST),
        ends=zeros(4, np.int64),
        total=zeros(ROOM_FOR_GRADIENTS),
        kernel=zeros(TAPS * FILTERS),
        classifier=zeros(HIDDEN * CLASSES),
        block=zeros(BLOCK),
    )
