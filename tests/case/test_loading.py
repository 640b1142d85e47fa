"""A case file that cannot be run is refused with the reason, the line and what to change."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from loops.case.loading import Case, CaseError, Start, layout
from tests.case.sources import GOOD, SUBCLASS, run_steps, write

SGD = "return keras.optimizers.SGD(0.1)"
MODEL = "return keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])"
STEP = "def train_step(model, optimizer, x, y): pass"
NO_STEP = GOOD.replace(STEP, "")
NO_LOSS = GOOD.replace('loss = "mse"', "")

BAD = {
    "syntax error": ("def (", "cannot be loaded: SyntaxError (line 1)"),
    "raises on load": ("raise RuntimeError('no')", "cannot be loaded: RuntimeError (line 1): no"),
    "exits on load": ("import sys\nsys.exit(0)", "SystemExit (line 2): 0; a case must not end the process"),
    "no batches": (GOOD.replace("def batches", "def other"), "defines no batches"),
    "no train_step": (NO_STEP, "defines no train_step, and the class of the model overrides neither"),
    "no loss": (NO_LOSS, "defines no loss"),
    "train_step is no function": (GOOD + "\ntrain_step = 3", "train_step is not a function but 3 (int)"),
    "hook is no function": (GOOD + "\non_epoch_end = []", "on_epoch_end is not a function"),
    "metrics is an import": (GOOD + "\nfrom keras import metrics", "metrics is a module, keras.metrics"),
    "no model": (GOOD.replace("return keras.Sequential", "return str"), "make_model() gave str, not a Keras"),
    "no optimizer": (GOOD.replace(SGD, "return 'sgd'"), "make_optimizer() gave str, not a Keras optimizer"),
    "two optimizers": (GOOD.replace(SGD, "return 1, 2"), "gave 2 optimizers. fit() trains by one; for sev"),
    "no variables": (GOOD.replace("Dense(1)", "ReLU()"), "model without variables"),
    "step raises": (
        GOOD.replace(": pass", ": raise ValueError('no')"),
        "(step 1) raised ValueError (line 9): no",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_case_that_cannot_be_run_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    source, reason = BAD[name]
    case = write(tmp_path, source)
    with pytest.raises(CaseError) as refusal:
        run_steps(case)[0].optimizer()
    assert reason in str(refusal.value)
    assert str(refusal.value).startswith(str(case))


ENDS = {
    "sys.exit": ("sys.exit(0)", "SystemExit (line {line}): 0; a case must not end the process"),
    "os._exit": ("os._exit(0)", "ProcessEnded (line {line}): os._exit(0) was called; a case must not end"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt (line {line}): no message; raise an"),
    "GeneratorExit": ("raise GeneratorExit", "GeneratorExit (line {line}): no message; raise an exception"),
}
PLACES = {
    "step": (": pass", ": {code}", 9),
    "traced step": (STEP, "@tf.function\ndef train_step(model, optimizer, x, y):\n    {code}", 11),
    "batches": ("yield ONES", "\n    {code}\n    yield ONES", 9),
    "make_model": (MODEL, "{code}", 4),
    "make_optimizer": (SGD, "{code}", 5),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("end", ENDS)
def test_case_that_would_end_the_tool_gets_one_message(end: str, place: str, tmp_path: Path) -> None:
    code, message = ENDS[end]
    old, new, line = PLACES[place]
    case = write(tmp_path, GOOD.replace(old, new.format(code=code)))
    with pytest.raises(CaseError) as refusal:
        run_steps(case)
    assert message.format(line=line) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_process_can_be_left_again_after_user_code(tmp_path: Path) -> None:
    before = os._exit
    run_steps(write(tmp_path, GOOD))
    assert os._exit is before


HEAD = NO_STEP.replace(MODEL, "return Own()") + SUBCLASS
WITHOUT = {
    "train_step overridden": HEAD + "    def train_step(self, data): return {}\n",
    "no call": HEAD.replace("def call", "def other") + "    def train_step(self, data): return {}\n",
    "compute_loss overridden": HEAD + "    def compute_loss(self, **given): return 0.0\n",
    "no loss, train_step overridden": (HEAD + "    def train_step(self, data): return {}\n").replace(
        'loss = "mse"', ""
    ),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_model_that_brings_its_own_step_needs_none_in_the_file(name: str, tmp_path: Path) -> None:
    case = Case(write(tmp_path, WITHOUT[name]))
    assert len(case.model(case.epoch(1)[0]).variables) == 2
    assert not case.has_step
    assert case.train_step is None


def test_loss_may_be_left_out_where_the_model_adds_its_own(tmp_path: Path) -> None:
    adds = NO_LOSS.replace(MODEL, "return Own()") + SUBCLASS.replace(
        "return", "self.add_loss(keras.ops.sum(x)); return"
    )
    run_steps(write(tmp_path, adds))
    run_steps(write(tmp_path, NO_LOSS + "\nloss = None"))


def test_hooks_are_called_and_told_apart_from_the_step(tmp_path: Path) -> None:
    hooks = """
seen = []
def on_epoch_begin(model, optimizer, epoch): seen.append(("begin", epoch))
def on_train_end(model, optimizer): seen.append(("end", model, optimizer))
def on_epoch_end(model, optimizer, epoch): raise ValueError(epoch)
"""
    path = write(tmp_path, GOOD + hooks)
    case, model = run_steps(path)
    case.on_epoch_begin(model, None, 0)
    case.on_train_end(model, None)
    assert case._execution.module.seen == [("begin", 0), ("end", model, None)]
    with pytest.raises(CaseError, match=r"on_epoch_end raised ValueError \(line 14\): 7"):
        case.on_epoch_end(model, None, 7)
    silent, _ = run_steps(write(tmp_path, GOOD))
    silent.on_epoch_end(model, None, 0)


CHANGING = {
    "width": "return keras.Sequential([keras.Input((2,)), keras.layers.Dense(next(WIDTHS))])",
    "order": "return keras.Sequential([keras.Input((2,)), *map(act, next(ORDERS))])",
}
TURNS = """
def act(name): return keras.layers.Dense(2, name)
WIDTHS = iter(keras.turns([5, 6]))
ORDERS = iter(keras.turns([("relu", "tanh"), ("tanh", "relu")]))
"""


@pytest.mark.parametrize("what", CHANGING)
def test_model_that_changes_from_call_to_call_is_refused(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an unseeded random.Random does by chance happens here in turn."""
    made = iter(range(9))
    monkeypatch.setattr(tf.keras, "turns", lambda each: each[next(made) // 2 :], raising=False)
    path = write(tmp_path, TURNS + GOOD.replace(MODEL, CHANGING[what]))
    path.write_text("from tensorflow import keras\n" + path.read_text())
    first = Case(path)
    (batch,) = first.epoch(1)
    model = first.model(batch)
    start = Start(tuple(variable.numpy() for variable in model.variables), layout(model))
    with pytest.raises(CaseError, match=r"make_model\(\) gives another model each time"):
        Case(path).model(batch, start)


def test_start_is_where_a_model_begins_and_the_layout_is_the_same_each_time(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    first = Case(path)
    (batch,) = first.epoch(1)
    model = first.model(batch)
    start = Start((np.full((2, 1), 3.0), np.full(1, 4.0)), layout(model))
    again = Case(path).model(batch, start)
    assert [variable.numpy().tolist() for variable in again.variables] == [[[3.0], [3.0]], [4.0]]
    assert [v.path for v in again.variables] == [v.path for v in model.variables]
