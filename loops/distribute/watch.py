"""Which worker has ended or hangs: TensorFlow's own probe of its peers, asked every few seconds.

A worker whose process has ended refuses the connection; one that hangs (SIGSTOP, a dead host) is silent.
Then the collective operation in which this worker waits is aborted, so that the training ends with an error.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.eager import context  # the probe has no public name; tf.distribute uses it so

from loops.distribute.cluster import Cluster

EVERY = 2.0  # seconds from one round of probes to the next
ANSWER = 4.0  # seconds within which a worker must answer
MISSES = 2  # probes in a row without an answer that make a worker lost
LINGER = 4.0  # seconds that this worker still answers the others once one is lost
LAST = 4.0  # seconds more that an aborted collective operation has, then the process is ended
CODE = 1


class Watch:
    """Follows the other workers of a cluster from a thread of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._others = [rank for rank in range(cluster.size) if rank != cluster.rank]
        self._heard = dict.fromkeys(self._others, time.monotonic())
        self._how: dict[int, str] = {}
        self._ended = threading.Event()
        self._found = threading.Event()
        self._lost: str | None = None
        self._found_at = self._waits_since = 0.0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Probe from now on; all workers have come."""
        self._heard = dict.fromkeys(self._others, time.monotonic())
        threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        """Probe no more: what becomes of the others is of no concern here."""
        self._ended.set()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A context in which the main thread may wait for the others."""
        self._waits_since = time.monotonic()
        try:
            yield
        finally:
            self._waits_since = 0.0

    def lost(self) -> str | None:
        """Who is lost, in a sentence, once a collective operation has failed; None where all answer.

        Returns after LINGER seconds more, so that others that ask find this worker alive.
        """
        last = time.monotonic() + EVERY + MISSES * ANSWER
        while not self._found.is_set() and time.monotonic() < last:
            self._probe_all()
            self._found.wait(0.5)
        if self._found.is_set():
            time.sleep(max(0.0, self._found_at + LINGER - time.monotonic()))
        return self._lost

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            self._probe_all()
            if self._found.is_set():
                context.context().abort_collective_ops(tf.errors.UNAVAILABLE, self._lost or "")
                while not self._ended.wait(0.5):
                    since = max(self._waits_since, self._found_at)
                    if self._waits_since and time.monotonic() - since > LINGER + LAST:
                        self._give_up(self._lost or "")  # the main thread does not come back from TensorFlow
                return

    def _probe_all(self) -> None:
        """Probe every other worker side by side; the one that was silent longest is the one that is lost."""
        threads = [threading.Thread(target=self._probe, args=(rank,), daemon=True) for rank in self._others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self._lock:
            silent = {rank: self._heard[rank] for rank in self._how}
            if silent and not self._found.is_set() and not self._ended.is_set():
                rank = min(silent, key=lambda each: silent[each])
                self._lost = f"{self._cluster.name(rank)} {self._how[rank]}."
                self._found_at = time.monotonic()
                self._found.set()

    def _probe(self, rank: int) -> None:
        how = ""
        for _ in range(MISSES):
            try:
                context.context().check_collective_ops_peer_health(
                    self._cluster.tasks[rank].device_name, timeout_in_ms=int(1000 * ANSWER)
                )
            except tf.errors.DeadlineExceededError:
                how = f"has not answered for {time.monotonic() - self._heard[rank]:.0f} seconds"
            except tf.errors.OpError:
                how = "has ended or cannot be reached"
                break
            else:
                how = ""
                break
        with self._lock:
            self._how.pop(rank, None)
            if how:
                self._how[rank] = how
            else:
                self._heard[rank] = time.monotonic()

    def _give_up(self, text: str) -> None:
        """End the process, whose main thread waits in TensorFlow."""
        print(f"error: {text}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(CODE)
