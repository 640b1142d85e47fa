"""The batches of a case: tensors as fit() sees them, checked, and the specs that fit() traces with."""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

LOOK_AHEAD_SECONDS = 3.0  # for the end of batches(), which may have none
SHAPES = "(x, y), (x, y, sample_weight) or (x,)"


class Batch(NamedTuple):
    """One batch: tensors, or nests of tensors. `y` and `sample_weight` may be None."""

    x: Any
    y: Any = None
    sample_weight: Any = None

    def data(self) -> tuple[Any, ...]:
        """The batch as fit() takes it: (x,), (x, y) or (x, y, sample_weight)."""
        if self.y is None:
            return (self.x,)
        return (self.x, self.y) if self.sample_weight is None else tuple(self)


class WrongBatchError(Exception):
    """A batch is none that fit() could take. Its text says which one and what to change."""


def one_epoch(source: Iterable[Any], limit: int) -> list[Batch]:
    """The batches of one pass as tensors.

    Of more than `limit` batches these are the first ones; a partial last batch replaces the last of them.

    Raises:
        WrongBatchError: there are none, or one of them is wrong or unlike the others.
    """
    stream = iter(source)
    found = [_as_batch(item, number) for number, item in enumerate(itertools.islice(stream, limit), 1)]
    if not found:
        spent = isinstance(source, Iterator) and not isinstance(source, tf.data.Iterator)
        once = " It is an iterator, which yields once: was it read before?" if spent else ""
        raise WrongBatchError(f"batches() is empty; it must yield {SHAPES}.{once}")
    last = _last_within(stream, LOOK_AHEAD_SECONDS)
    if last is not None and batch_size(end := _as_batch(last, "the last one")) != batch_size(found[0]):
        found[-1] = end
    for number, batch in enumerate(found[1:], 2):
        _check_alike(found[0], batch, number)
    return found


def batch_size(batch: Batch) -> int:
    """How many rows x has in a batch, of images or anything else."""
    return int(tf.nest.flatten(batch.x)[0].shape[0])


def batch_spec(batches: Sequence[Batch]) -> tuple[Any, ...]:
    """The specs that fit() traces with, in the structure of Batch.data().

    The first dimension is open, and so is any other that differs between the batches.
    """

    def spec_of(*tensors: tf.Tensor) -> tf.TensorSpec:
        sizes = zip(*(tensor.shape for tensor in tensors), strict=True)
        shape = [size[0] if len(set(size)) == 1 else None for size in sizes]
        return tf.TensorSpec([None, *shape[1:]] if shape else [], tensors[0].dtype)

    spec: tuple[Any, ...] = tf.nest.map_structure(spec_of, *(batch.data() for batch in batches))
    return spec


def _last_within(stream: Iterator[Any], seconds: float) -> Any:
    """The stream's last item, or None where nothing is left or the end is not reached within `seconds`."""
    last, until = None, time.monotonic() + seconds
    for item in stream:
        last = item
        if time.monotonic() > until:
            return None
    return last


def _as_batch(item: Any, number: int | str) -> Batch:
    if not isinstance(item, tuple | list) or not 1 <= len(item) <= 3:
        size = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        raise WrongBatchError(
            f"batches() must yield {SHAPES}; batch {number} is {type(item).__name__}{size}. "
            "Arrays become batches by tf.data.Dataset.from_tensor_slices((x, y)).batch(32)."
        )
    parts = [_part(part, name, number) for part, name in zip(item, Batch._fields, strict=False)]
    batch = Batch(*parts)
    if any(not tensor.shape.rank for tensor in tf.nest.flatten(batch.x)):
        raise WrongBatchError(
            f"batches(): x of batch {number} holds single numbers, not rows. A list counts as several "
            "inputs, as in fit(): wrap numbers in np.array(…)."
        )
    if not batch_size(batch):
        raise WrongBatchError(f"batches(): batch {number} has no rows. Leave empty batches out.")
    return batch


def _part(part: Any, name: str, number: int | str) -> Any:
    if part is None and name == "sample_weight":
        return None
    if isinstance(part, list):
        part = tuple(part)
    return tf.nest.map_structure(lambda value: _as_tensor(value, f"{name} of batch {number}"), part)


def _as_tensor(value: Any, name: str) -> tf.Tensor:
    if value is None:
        advice = (
            "yield (x,) where there are no targets" if name.startswith("y") else "yield arrays or tensors"
        )
        raise WrongBatchError(f"batches(): {name} is None; {advice}.")
    if isinstance(value, tf.RaggedTensor):
        raise WrongBatchError(f"batches(): {name} is a ragged tensor; pad it: x.to_tensor().")
    if isinstance(value, tf.SparseTensor):
        raise WrongBatchError(f"batches(): {name} is a sparse tensor; use tf.sparse.to_dense(x).")
    try:
        tensor = tf.convert_to_tensor(value)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        told = str(error).partition("\n")[0]
        raise WrongBatchError(f"batches(): {name} makes no tensor: {told} All rows must be alike.") from None
    if tensor.dtype == tf.string:
        raise WrongBatchError(
            f"batches(): {name} holds strings; turn them into numbers first, by "
            "dataset.map(lambda x, y: (vectorize(x), y)) say."
        )
    # fit() casts float64 arrays to float32; the step must see the very same tensors
    return tf.cast(tensor, tf.keras.config.floatx()) if tensor.dtype == tf.float64 else tensor


def _check_alike(first: Batch, batch: Batch, number: int) -> None:
    """Refuse a batch that one traced step could not take after the first.

    Raises:
        WrongBatchError: structure, dtype or rank differs.
    """
    if len(first.data()) != len(batch.data()):
        mine, others = (f"({', '.join(Batch._fields[: len(each.data())])})" for each in (batch, first))
        raise WrongBatchError(f"batches(): batch {number} is {mine}, batch 1 is {others}. Make them alike.")
    for name, mine, other in zip(Batch._fields, batch.data(), first.data(), strict=False):
        try:
            tf.nest.assert_same_structure(other, mine)
        except (ValueError, TypeError):
            raise WrongBatchError(
                f"batches(): {name} of batch {number} is {_outline(mine)}, of batch 1 {_outline(other)}. "
                "Make them alike."
            ) from None
        for one, two in zip(tf.nest.flatten(mine), tf.nest.flatten(other), strict=True):
            if (one.dtype, one.shape.rank) != (two.dtype, two.shape.rank):
                raise WrongBatchError(
                    f"batches(): {name} of batch {number} is {_outline(one)}, of batch 1 {_outline(two)}. "
                    "The sizes of batches may differ, but neither dtype nor the number of dimensions."
                )


def _outline(part: Any) -> str:
    """A nest in short: dtype and shape of each tensor."""
    if isinstance(part, dict):
        return "{" + ", ".join(f"{key}: {_outline(value)}" for key, value in part.items()) + "}"
    if isinstance(part, tuple | list):
        return "(" + ", ".join(map(_outline, part)) + ")"
    return f"{part.dtype.name}{list(part.shape)}"
