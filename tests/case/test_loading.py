"""A case file that cannot be run is refused with the reason, and its batches come as fit() sees them."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from loops.case.loading import Case, CaseError, batch_size, batch_spec
from loops.case.running import check_finite, train_by_fit, train_by_step

GOOD = """
import numpy as np
from tensorflow import keras
def make_model(): return keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
def make_optimizer(): return keras.optimizers.SGD(0.1)
loss = "mse"
ONES = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
def batches(): yield ONES
def train_step(model, optimizer, x, y): pass
"""
SGD = "return keras.optimizers.SGD(0.1)"
NAN = "\n  for v in model.trainable_variables: v.assign(v * float('nan'))"

BAD = {
    "syntax error": ("def (", "cannot be loaded: SyntaxError (line 1)"),
    "raises on load": ("raise RuntimeError('no')", "cannot be loaded: RuntimeError (line 1): no"),
    "no train_step": (GOOD.replace("def train_step", "def other"), "defines no train_step"),
    "train_step is no function": (GOOD + "\ntrain_step = 3", "train_step is not a function"),
    "empty batches": (GOOD.replace("yield ONES", "return []"), "batches() is empty"),
    "triples": (GOOD.replace("yield ONES", "yield 1, 2, 3"), "must yield (x, y) pairs"),
    "no model": (GOOD.replace("return keras.Sequential", "return str"), "not a Keras model"),
    "no optimizer": (GOOD.replace(SGD, "return 'sgd'"), "not a Keras optimizer"),
    "step raises": (GOOD.replace(": pass", ": raise ValueError('no')"), "ValueError (line 8): no"),
    "nan": (GOOD.replace(": pass", ":" + NAN), "train_step gives NaN or Inf in sequential/dense/kernel"),
}


def write(folder: Path, source: str) -> Path:
    path = folder / "case.py"
    path.write_text(source.lstrip())
    return path


def train_both_ways(path: Path) -> None:
    case = Case(path)
    epoch = case.epoch(3)
    start, _ = train_by_fit(case, epoch, 3, None)
    check_finite(path, "train_step", train_by_step(Case(path), epoch, 3, start, "eager"))


@pytest.mark.parametrize("name", BAD)
def test_case_that_cannot_be_run_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    source, reason = BAD[name]
    case = write(tmp_path, source)
    with pytest.raises(CaseError) as refusal:
        train_both_ways(case)
    assert reason in str(refusal.value)
    assert str(refusal.value).startswith(str(case))


def test_good_case_is_trained_both_ways(tmp_path: Path) -> None:
    train_both_ways(write(tmp_path, GOOD))


def test_partial_last_batch_stays_in_an_epoch_cut_to_the_limit(tmp_path: Path) -> None:
    sizes = "for n in (4, 4, 4, 4, 1): yield ONES[0][:n], ONES[1][:n]"
    case = Case(write(tmp_path, GOOD.replace("yield ONES", sizes.replace("for", "\n  for"))))
    assert [batch_size(batch) for batch in case.epoch(9)] == [4, 4, 4, 4, 1]
    assert [batch_size(batch) for batch in case.epoch(3)] == [4, 4, 1]


def test_batches_are_cast_and_left_open_as_fit_does(tmp_path: Path) -> None:
    (batch,) = Case(write(tmp_path, GOOD.replace('"float32"', '"float64"'))).epoch(1)
    assert batch[0].dtype == batch[1].dtype == tf.float32
    assert np.array_equal(batch[0], np.ones((4, 2)))
    assert batch_spec(batch) == (tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1]))
