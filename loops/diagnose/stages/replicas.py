"""What goes wrong where a batch is shared among replicas: sums for means, rows left out, statistics."""

import functools
from typing import Any

import tensorflow as tf

from loops.diagnose.mistake import Mistake, together

GLOBAL = (
    "{loss} = tf.reduce_sum(per_example_loss) / rows_of_the_global_batch: the optimizer adds over replicas"
)
ONCE = "shard the data once: experimental_distribute_dataset() gives each replica its part of your batch"
SYNCHRONISED = "keras.layers.BatchNormalization(synchronized=True)"


def explain_replicas(replicas: int, model: tf.keras.Model) -> list[Mistake]:
    """The mistakes that a step on several replicas can make, all of which are tried."""
    found = [
        Mistake(
            f"gradients of {replicas} replicas summed where a mean is meant: {replicas} times too large",
            "or each replica trains on the whole batch: the data are not sharded",
            GLOBAL,
            gradients=_times(replicas),
        ),
        Mistake(
            f"loss divided by the number of replicas twice: gradients {replicas} times too small",
            advice=GLOBAL,
            gradients=_times(1 / replicas),
        ),
    ]
    for how, rows in (("in blocks", _blocks), ("row by row", _strided)):
        for share, factor in (("", 1.0), (f", and the mean of its rows divided by {replicas}", 1 / replicas)):
            found.append(
                Mistake(
                    f"data sharded twice: a replica sees 1 of {replicas**2} parts of the batch",
                    f"{how}{share}",
                    ONCE,
                    rows=functools.partial(rows, replicas),
                    gradients=_times(factor) if factor != 1 else None,
                )
            )
    if any(_is_apart(layer) for layer in model._flatten_layers()):  # nested ones have no public list
        apart = Mistake(
            "BatchNormalization not synchronised over replicas",
            f"each normalises 1 of {replicas} parts of the batch by its own rows",
            SYNCHRONISED,
            replicas=replicas,
        )
        found += [apart, *(both for each in found if (both := together(apart, each)))]
    return found


def _times(factor: float) -> Any:
    return lambda gradients, rows: [None if each is None else factor * each for each in gradients]


def _blocks(replicas: int, part: Any) -> Any:
    """The r-th part of the r-th part, for each replica r."""
    rows = tf.shape(part)[0]
    own, size = rows // replicas, rows // replicas**2
    return tf.concat([part[r * own + r * size : r * own + (r + 1) * size] for r in range(replicas)], 0)


def _strided(replicas: int, part: Any) -> Any:
    """Every replicas-th row from r on, of which every replicas-th from r on, for each replica r."""
    return tf.concat([part[r::replicas][r::replicas] for r in range(replicas)], 0)


def _is_apart(layer: Any) -> bool:
    return isinstance(layer, tf.keras.layers.BatchNormalization) and not layer.synchronized
