"""Variables of the model in one flat array, and how a batch is cut into parts: what needs no TensorFlow."""

from collections.abc import Sequence

import numpy as np

from loops.fast.compiled import layout
from loops.fast.compiled.layout import ROWS, Array
from loops.fast.compiled.tiles import COLUMNS

HIDDEN_SHAPE = (layout.WINDOWS * layout.FILTERS, layout.HIDDEN)
TILED = (layout.WINDOWS, layout.FILTERS, layout.HIDDEN // COLUMNS, COLUMNS)
IN_TILES = (0, 2, 1, 3)  # the hidden kernel's axes as layout.Parameters has them; the way back is the same
LARGEST_PART = 12  # images: what one thread works on stays in its cache
SHARED_BY = 4  # threads among which all parts can be shared out without a rest


def pack(variables: Sequence[Array]) -> Array:
    """Variables of the model, in its order, as float32 (PARAMETERS,)."""
    return np.concatenate([_flat(each) for each in variables])


def _flat(variable: Array) -> Array:
    in_order = variable.reshape(TILED).transpose(IN_TILES) if variable.shape == HIDDEN_SHAPE else variable
    return in_order.ravel()


def unpack(flat: Array, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """The same back, by their shapes."""
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    pieces = np.split(flat[: ends[-1]], ends[:-1])
    return [_shaped(piece, shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _shaped(piece: Array, shape: tuple[int, ...]) -> Array:
    if shape == HIDDEN_SHAPE:
        piece = piece.reshape([TILED[axis] for axis in IN_TILES]).transpose(IN_TILES)
    return piece.reshape(shape)


def parts_of(images: int) -> int:
    """Parts of a batch: a function of its size alone, so that sums keep their order on any number of threads.

    Nearly equal parts of whole tiles, as many as few threads can share out evenly.
    """
    tiles = -(-images // ROWS)
    wanted = -(-images // LARGEST_PART)
    return min(-(-wanted // SHARED_BY) * SHARED_BY, tiles)


def new_plan(images: int, threads: int, steps: int, *, trains: bool = True) -> layout.Plan:
    """How a batch of `images` is worked on."""
    padded, parts = -(-images // ROWS) * ROWS, parts_of(images)
    part = -(-images // (ROWS * parts)) * ROWS
    return layout.Plan(trains, threads, steps, images, padded, parts, part)
