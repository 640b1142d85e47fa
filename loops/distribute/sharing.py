"""How one batch is shared: which rows a worker computes, and the sum over all shards."""

from collections.abc import Sequence

import tensorflow as tf

from loops.batches import prepare, without_autotune
from loops.config import TrainConfig
from loops.data import Split
from loops.distribute.shards import first_row, own_shards, own_sums, total
from loops.distribute.workers import Workers


class Sharing:
    """How one batch is shared: the shards of this worker (`own`), its rows, and the sum over all shards."""

    def __init__(self, config: TrainConfig, workers: Workers) -> None:
        self.shards, self._fast, self.workers = config.shards, config.reduce == "fast", workers
        self.own = own_shards(workers.rank, workers.size, config.shards)

    def batches(self, indices: tf.data.Dataset, split: Split) -> tf.data.Dataset:
        """This worker's rows of each batch, (own, 28, 28, 1) and (own, 10), and how many all rows are."""
        images, labels = tf.constant(split.images), tf.constant(split.labels)

        def own_rows(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            rows = tf.shape(batch)[0]
            own = batch[self._start(self.own.start, rows) : self._start(self.own.stop, rows)]
            return *prepare(tf.gather(images, own), tf.gather(labels, own)), rows

        return without_autotune(indices.map(own_rows).prefetch(2))

    def _start(self, shard: int, rows: tf.Tensor) -> tf.Tensor:
        return first_row(shard, self.shards, rows)

    def of_shard(self, shard: int, values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Those of this worker's rows that belong to one of its shards."""
        before = self._start(self.own.start, rows)
        return values[self._start(shard, rows) - before : self._start(shard + 1, rows) - before]

    def sum(self, vectors: Sequence[tf.Tensor]) -> tf.Tensor:
        """The sum over all workers' shards; `vectors` are those of this worker's. Callable in a graph."""
        if self._fast:
            return self.workers.add(total(tf.stack(vectors)))
        own = own_sums(tf.stack(vectors))
        everyone = self.workers.gather(own)
        return total(tf.ensure_shape(everyone, [len(own) * self.workers.size, *own.shape[1:]]))
