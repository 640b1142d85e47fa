"""Which rows of a batch belong to which shard, and the one order in which shards are added."""

from typing import Any, TypeVar

import tensorflow as tf

Number = TypeVar("Number", int, Any)  # an int or an integer tensor


def first_row(shard: int, shards: int, rows: Number) -> Number:
    """The first row of a shard: shards differ by one row at most, and are empty where rows are fewer."""
    return shard * rows // shards


def own_shards(rank: int, workers: int, shards: int) -> range:
    """The shards that a worker computes: neighbours, so that they can be added before they are sent."""
    each = shards // workers
    return range(rank * each, (rank + 1) * each)


def own_sums(values: Any) -> Any:
    """What a worker sends of its shards' values (n, …): the roots (m, …) of the whole trees that they hold.

    A worker that has 4 shards sends one sum, with 6 it sends three, with 3 three.
    """
    while len(values) % 2 == 0:
        values = _in_pairs(values)
    return values


def total(values: Any) -> Any:
    """The sum of all shards: neighbours in pairs as long as that goes, then one by one.

    `values` (n, …) are those of the shards or of the trees that `own_sums` made of them: the order of
    additions is the same for every number of workers that divides the number of shards.
    """
    values = own_sums(values)
    while len(values) > 1:
        values = tf.concat([_in_pairs(values[:2]), values[2:]], 0)
    return values[0]


def _in_pairs(values: Any) -> Any:
    """Neighbours added: (2n, …) → (n, …). TensorFlow would reorder a chain of `+`."""
    return tf.reduce_sum(tf.reshape(values, [len(values) // 2, 2, *values.shape[1:]]), axis=1)
