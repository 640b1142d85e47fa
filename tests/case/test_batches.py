"""Batches come as fit() sees them; one that fit() could not take is refused with what to change."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from loops.case import batches as room
from loops.case.batches import Batch, WrongBatchError, batch_size, batch_spec, one_epoch
from loops.case.loading import Case, CaseError
from tests.case.sources import GOOD, write

X, Y, WEIGHTS = np.ones((4, 2), "float32"), np.ones((4, 1), "float32"), np.ones(4, "float32")


def test_partial_last_batch_stays_in_an_epoch_cut_to_the_limit() -> None:
    sizes = [(X[:n], Y[:n]) for n in (4, 4, 4, 4, 1)]
    assert [batch_size(batch) for batch in one_epoch(sizes, 9)] == [4, 4, 4, 4, 1]
    assert [batch_size(batch) for batch in one_epoch(sizes, 3)] == [4, 4, 1]


def test_endless_batches_are_cut_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_AHEAD_SECONDS", 0.01)
    assert len(one_epoch(itertools.repeat((X, Y)), 3)) == 3


def test_batches_are_cast_and_left_open_as_fit_does() -> None:
    (batch,) = one_epoch([(X.astype("float64"), Y.astype("float64"))], 1)
    assert batch.x.dtype == batch.y.dtype == tf.float32
    assert np.array_equal(batch.x, X)
    assert batch_spec([batch]) == (tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1]))


def test_dimension_that_differs_between_batches_is_open() -> None:
    epoch = one_epoch([({"a": np.ones((4, n, 3))}, Y) for n in (5, 7)], 2)
    assert batch_spec(epoch) == ({"a": tf.TensorSpec([None, None, 3])}, tf.TensorSpec([None, 1]))


@pytest.mark.parametrize("item", [(X,), (X, Y), (X, Y, WEIGHTS)])
def test_data_is_what_fit_takes(item: tuple[Any, ...]) -> None:
    (batch,) = one_epoch([item], 1)
    assert len(batch.data()) == len(item)
    assert len(batch_spec([batch])) == len(item)
    assert Batch(X, Y, None).data() == (X, Y)


class Sequence(tf.keras.utils.PyDataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return X, Y


def generator() -> Iterator[tuple[Any, ...]]:
    yield X, Y
    yield X, Y


SOURCES = {
    "list": [(X, Y)] * 2,
    "dataset": tf.data.Dataset.from_tensor_slices((np.ones((8, 2)), np.ones((8, 1)))).batch(4),
    "PyDataset": Sequence(),
    "generator": generator(),
}


@pytest.mark.parametrize("name", SOURCES)
def test_all_kinds_of_sources_give_the_same_batches(name: str) -> None:
    epoch = one_epoch(SOURCES[name], 5)
    assert [tuple(part.numpy().tolist() for part in batch.data()) for batch in epoch] == [
        (X.tolist(), Y.tolist())
    ] * 2


RAGGED = tf.ragged.constant([[1.0], [1.0, 2.0]])
WRONG = {
    "none": ([], "batches() is empty; it must yield (x, y)"),
    "used up": (iter(()), "It is an iterator, which yields once"),
    "array": ([X], "batch 1 is ndarray. Arrays become batches by"),
    "too many": ([(X, Y, WEIGHTS, X)], "batch 1 is tuple of 4"),
    "x is None": ([(None, Y)], "x of batch 1 is None; yield arrays or tensors"),
    "y is None": ([(X, Y), (X, None)], "y of batch 2 is None; yield (x,) where there are no targets"),
    "part of y is None": ([(X, {"a": Y, "b": None})], "y of batch 1 is None"),
    "ragged": ([(RAGGED, Y)], "x of batch 1 is a ragged tensor; pad it"),
    "sparse": ([(tf.sparse.from_dense(X), Y)], "x of batch 1 is a sparse tensor"),
    "strings": ([(np.array(["a", "b"]), Y)], "x of batch 1 holds strings; turn them into numbers first"),
    "objects": ([(np.array([[1], [1, 2]], dtype=object), Y)], "x of batch 1 makes no tensor: "),
    "list of numbers": ([([1.0, 2.0], Y)], "x of batch 1 holds single numbers, not rows"),
    "no rows": ([(X[:0], Y[:0])], "batch 1 has no rows"),
    "rank changes": ([(X, Y), (X[0], Y)], "x of batch 2 is float32[2], of batch 1 float32[4, 2]"),
    "dtype changes": ([(X, Y), (X, Y.astype("int32"))], "y of batch 2 is int32[4, 1], of batch 1 float32"),
    "structure changes": (
        [(X, {"a": Y}), (X, {"b": Y})],
        "y of batch 2 is {b: float32[4, 1]}, of batch 1 {a:",
    ),
    "weights in one": ([(X, Y, WEIGHTS), (X, Y)], "batch 2 is (x, y), batch 1 is (x, y, sample_weight)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_batches_that_fit_could_not_take_are_refused(name: str) -> None:
    source, message = WRONG[name]
    with pytest.raises(WrongBatchError) as refusal:
        one_epoch(source, 3)
    assert message in str(refusal.value)


def test_refusal_names_the_case(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("yield ONES", "return []"))
    with pytest.raises(CaseError, match=r"case\.py: batches\(\) is empty"):
        Case(path).epoch(2)
    path = write(tmp_path, GOOD.replace("yield ONES", "return ONES[0] + np.ones(3)"))
    with pytest.raises(CaseError, match=r"batches raised ValueError \(line 8\): operands could not be"):
        Case(path).epoch(2)
