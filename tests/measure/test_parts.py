"""Where a step's time goes: cut short, it computes less and changes nothing."""

from pathlib import Path

import pytest

from loops.case.loading import Case
from loops.case.running import start_of
from loops.measure import makes, parts
from loops.measure.parts import BACKWARD, FORWARD, INPUT, UPDATE, Parts, parts_of
from tests.case.sources import GOOD, write

STEP = """
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean((y - model(x, training=True)) ** 2)
    gradients = tape.gradient(value, model.trainable_variables)
    {update}
    return value
"""
PASS = "def train_step(model, optimizer, x, y): pass"
BY_OPTIMIZER = "optimizer.apply_gradients(zip(gradients, model.trainable_variables))"
BY_HAND = "[v.assign_sub(0.1 * g) for v, g in zip(model.trainable_variables, gradients)]"


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makes, "BLOCK_SECONDS", 0.005)
    monkeypatch.setattr(parts, "ROUNDS", 3)


def parts_with(tmp_path: Path, update: str) -> Parts:
    path = write(tmp_path, GOOD.replace(PASS, STEP.format(update=update)))
    case = Case(path)
    epoch = case.epoch(1)
    return parts_of(lambda: Case(path), epoch, start_of(case, epoch[0]))


def test_parts_of_a_step_add_up_to_it(tmp_path: Path) -> None:
    found = parts_with(tmp_path, BY_OPTIMIZER)
    assert [part.name for part in found.parts] == [INPUT, FORWARD, BACKWARD, UPDATE]
    within = [part for part in found.parts if part.name != INPUT]
    assert sum(part.share for part in within) >= 0.999  # a difference below 0 counts as 0
    assert found.sentence().startswith("where your step goes: input ")


def test_update_by_hand_is_told_with_the_backward_pass(tmp_path: Path) -> None:
    found = parts_with(tmp_path, BY_HAND)
    assert [part.name for part in found.parts] == [INPUT, FORWARD, f"{BACKWARD} and {UPDATE}"]


def test_step_that_cannot_be_traced_says_why(tmp_path: Path) -> None:
    found = parts_with(tmp_path, f"float(value.numpy()); {BY_OPTIMIZER}")
    assert not found.parts
    assert "not measured" in found.sentence()
    assert "numpy" in found.sentence()
