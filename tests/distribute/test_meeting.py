"""How workers meet before TensorFlow waits for them, and what they say of those that do not come."""

import socket
import threading
from typing import Any

import pytest
import tensorflow as tf

from loops.distribute.agreement import refuse_differences
from loops.distribute.cluster import Cluster, ClusterError, Task
from loops.distribute.launch import free_ports
from loops.distribute.meeting import meet
from loops.distribute.workers import ALONE, Joined, Workers


def clusters(count: int, host: str = "127.0.0.1") -> list[Cluster]:
    tasks = tuple(Task("worker", n, f"{host}:{port}") for n, port in enumerate(free_ports(count)))
    return [Cluster(tasks, rank) for rank in range(count)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_all_go_on_once_all_have_come(host: str) -> None:
    met: list[int] = []

    def come(cluster: Cluster) -> None:
        meet(cluster, 20)
        met.append(cluster.rank)

    threads = [threading.Thread(target=come, args=(cluster,)) for cluster in clusters(3, host)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(met) == [0, 1, 2]


def test_those_that_do_not_come_are_named() -> None:
    own = clusters(3)[1]
    with pytest.raises(ClusterError, match=r"worker 0 \(127.*, worker 2 \(127.* did not come within 1 s"):
        meet(own, 1)


def test_a_port_that_is_taken_is_named() -> None:
    own = clusters(2)[0]
    _, port = own.tasks[0].address.split(":")
    with socket.create_server(("", int(port))), pytest.raises(ClusterError, match=f"port {port}"):
        meet(own, 1)


class Told(Workers):
    """Workers of which two others have said something already."""

    size = 3

    def __init__(self, *others: Any) -> None:
        self._others = others

    def tell(self, word: Any) -> list[Any]:
        return [word, *self._others]


def test_the_first_worker_that_differs_is_named_with_all_its_differences() -> None:
    own = {"keras": "3.15", "--seed": 1, "KERAS_X": None}
    with pytest.raises(ClusterError) as raised:
        refuse_differences(Told(own, own | {"--seed": 2, "KERAS_X": "y"}), own)
    text = str(raised.value)
    assert text.startswith(
        "worker 2 differs: --seed is 2 there and 1 on worker 0; KERAS_X is y there and not set"
    )
    refuse_differences(Told(own, own), own)
    refuse_differences(ALONE, own)


class Strategy:
    """Gathers the rows of 12 workers in TensorFlow's order, by name: 0, 1, 10, 11, 2 …"""

    order = sorted(range(12), key=str)

    def run(self, _: Any, arguments: Any) -> tf.Tensor:
        (own,) = arguments
        return tf.concat([own + 100 * rank for rank in self.order], 0)


def test_rows_of_more_than_nine_workers_come_in_their_order() -> None:
    joined = object.__new__(Joined)
    joined.size, joined._strategy = 12, Strategy()
    joined._places = [Strategy.order.index(rank) for rank in range(12)]
    rows = joined.gather(tf.constant([[1.0], [2.0]])).numpy().ravel().tolist()
    assert rows == [100 * rank + own for rank in range(12) for own in (1, 2)]
    joined._places = None
    assert joined.gather(tf.constant([[1.0]])).numpy().ravel().tolist()[2] == 1001
