"""The workers that train together, as one of them sees them: joining, and what they tell one another."""

import contextlib
import json
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from loops.distribute.cluster import Cluster, ClusterError
from loops.distribute.meeting import JOINING, joining, meet
from loops.distribute.watch import Watch

LAST_ANSWERS = 1.0  # seconds


class Workers:
    """One process alone, which is its own chief: nothing is sent."""

    size, rank = 1, 0

    @property
    def is_chief(self) -> bool:
        """Whether this worker keeps the run; the others write nothing."""
        return self.rank == 0

    def name(self, rank: int) -> str:
        """A worker in a message."""
        return f"worker {rank}"

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """The rows (n, …) of all workers in their order, (size · n, …); callable in a graph."""
        return values

    def add(self, values: tf.Tensor) -> tf.Tensor:
        """The sum over all workers, in whatever order is fastest; callable in a graph."""
        return values

    def tell(self, word: Any) -> list[Any]:
        """What each worker says, in their order: something that JSON can hold."""
        return [word]

    def share(self, variables: Sequence[Any]) -> None:
        """Give all workers the chief's values of these variables."""

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """A context that names the worker that is lost."""
        yield

    def leave(self) -> None:
        """Nobody waits for this worker any more."""


ALONE = Workers()


class Joined(Workers):
    """A worker of a cluster, by TensorFlow's MultiWorkerMirroredStrategy and its collectives."""

    def __init__(self, cluster: Cluster, wait: float) -> None:
        """Wait for all workers, `wait` seconds at most, and join them.

        Must be called before TensorFlow computes anything. The order in which TensorFlow gathers is
        asked for, since it sorts workers by their names: 10 comes before 2.

        Raises:
            ClusterError: a worker does not come, or the workers cannot be joined.
        """
        self.cluster, self.size, self.rank = cluster, cluster.size, cluster.rank
        self._watch = Watch(cluster)
        meet(cluster, wait)
        with joining(cluster, max(wait, JOINING)), _signals_end():
            try:
                self._strategy = tf.distribute.MultiWorkerMirroredStrategy(_resolver(cluster))
            except (tf.errors.OpError, RuntimeError, ValueError) as error:
                raise ClusterError(
                    f"{self.name(self.rank)} cannot join the others: {_first_line(error)}. Is its port "
                    "free, and is it the address that the others know?"
                ) from None
        self._places: list[int] | None = None
        self._gather_bytes = tf.function(self.gather, input_signature=[tf.TensorSpec([None], tf.int32)])
        self._watch.begin()
        with self.watched():
            order = self._gather_bytes(tf.constant([self.rank], tf.int32)).numpy().tolist()
        if order != sorted(order):
            self._places = [order.index(rank) for rank in range(self.size)]
            self._gather_bytes = tf.function(self.gather, input_signature=[tf.TensorSpec([None], tf.int32)])

    def name(self, rank: int) -> str:
        """A worker in a message."""
        return self.cluster.name(rank)

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """The rows (n, …) of all workers in their order, (size · n, …); callable in a graph."""

        def everyone(own: tf.Tensor) -> tf.Tensor:
            # without identity() the tensor has no device, which TensorFlow needs
            return tf.distribute.get_replica_context().all_gather(tf.identity(own), axis=0)

        gathered = self._strategy.run(everyone, (values,))
        if self._places is None:
            return gathered
        by_worker = tf.split(gathered, self.size)  # each sends as many rows
        return tf.concat([by_worker[place] for place in self._places], 0)

    def add(self, values: tf.Tensor) -> tf.Tensor:
        """The sum over all workers, in whatever order is fastest; callable in a graph."""

        def everyone(own: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(own))

        return self._strategy.run(everyone, (values,))

    def tell(self, word: Any) -> list[Any]:
        """What each worker says, in their order: something that JSON can hold."""
        text = np.frombuffer(json.dumps(word).encode(), np.uint8).astype(np.int32)
        with self.watched():
            longest = int(self._gather_bytes(tf.constant([len(text)], tf.int32)).numpy().max())
            padded = np.pad(text, (0, longest - len(text)), constant_values=ord(" "))
            told = self._gather_bytes(tf.constant(padded, tf.int32)).numpy()
        return [json.loads(each.astype(np.uint8).tobytes()) for each in np.split(told, self.size)]

    def share(self, variables: Sequence[Any]) -> None:
        """Give all workers the chief's values of these variables, as their bytes."""
        values = [np.asarray(variable.numpy()) for variable in variables]
        raw = b"".join(value.tobytes() for value in values)
        words = np.frombuffer(raw + bytes(-len(raw) % 4), np.int32)
        with self.watched():
            told = self._gather_bytes(tf.constant(words)).numpy()
        chiefs, at = told[: len(words)].tobytes(), 0
        for variable, value in zip(variables, values, strict=True):
            own = np.frombuffer(chiefs[at : at + value.nbytes], value.dtype)
            variable.assign(own.reshape(value.shape))
            at += value.nbytes

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """A context that names the worker that is lost.

        Raises:
            ClusterError: a collective operation failed; the text names the worker.
        """
        try:
            with self._watch.waiting():
                yield
        except tf.errors.ResourceExhaustedError:  # this worker's own memory
            raise
        except tf.errors.OpError as error:
            lost = self._watch.lost()
            if lost is None:
                raise ClusterError(
                    f"{self.name(self.rank)}: a collective operation failed: {_first_line(error)}"
                ) from None
            raise ClusterError(lost) from None

    def leave(self) -> None:
        """Nobody waits for this worker any more; it stays a moment: its last answers may be under way."""
        self._watch.end()
        if not self.is_chief:
            time.sleep(LAST_ANSWERS)


def _resolver(cluster: Cluster) -> Any:
    jobs: dict[str, list[str]] = {}
    for task in cluster.tasks:
        jobs.setdefault(task.job, []).append(task.address)
    own = cluster.tasks[cluster.rank]
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(jobs), task_type=own.job, task_id=own.index, rpc_layer="grpc"
    )


@contextlib.contextmanager
def _signals_end() -> Iterator[None]:
    """While TensorFlow waits for the others Python hears no signal: the system ends the process."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
