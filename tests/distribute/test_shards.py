"""Which rows belong to which shard, and the order of the sum, on numbers worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from loops.distribute.shards import first_row, own_shards, own_sums, total


@pytest.mark.parametrize(("rows", "shards"), [(300, 8), (257, 8), (3, 8), (1, 8), (0, 4), (100, 7)])
def test_shards_hold_every_row_once_and_differ_by_one_at_most(rows: int, shards: int) -> None:
    bounds = [first_row(shard, shards, rows) for shard in range(shards + 1)]
    sizes = np.diff(bounds)
    assert (bounds[0], bounds[-1]) == (0, rows)
    assert sizes.max() - sizes.min() <= 1


def test_workers_share_the_shards_in_order() -> None:
    assert [list(own_shards(rank, 4, 8)) for rank in range(4)] == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize("shards", [1, 2, 6, 7, 8, 12, 16])
def test_sum_does_not_depend_on_the_number_of_workers(shards: int) -> None:
    values = tf.constant(np.random.default_rng(1).normal(size=(shards, 50)).astype(np.float32))
    sums = []
    for workers in (n for n in range(1, shards + 1) if shards % n == 0):
        sent = [own_sums(tf.gather(values, own_shards(rank, workers, shards))) for rank in range(workers)]
        sums.append(total(tf.concat(sent, 0)).numpy().tobytes())
    assert len(set(sums)) == 1


def test_a_sum_in_another_order_is_seen() -> None:
    values = np.random.default_rng(1).normal(size=(8, 50)).astype(np.float32)
    one_by_one = sum(values[1:], start=values[0])
    assert total(tf.constant(values)).numpy().tobytes() != one_by_one.tobytes()


@pytest.mark.parametrize(("shards", "sent"), [(1, 1), (2, 1), (3, 3), (4, 1), (6, 3), (8, 1)])
def test_a_worker_sends_as_few_sums_as_its_shards_allow(shards: int, sent: int) -> None:
    assert len(own_sums(tf.ones([shards, 5]))) == sent
