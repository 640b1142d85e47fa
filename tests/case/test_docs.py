"""The examples of docs/diagnose.md are right."""

import re
from pathlib import Path
from typing import Any

import keras
import pytest

from loops.case.loading import Case
from loops.case.names import COMPILE_ARGS, FIT_ARGS, FORMAT
from loops.case.settings import problems
from tests.case.sources import run_steps, write

TEXT = (Path(__file__).parents[2] / "docs" / "diagnose.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
CASE = BLOCKS[0]


def block_with(text: str) -> str:
    (found,) = [block for block in BLOCKS if text in block]
    return found


def test_whole_script_is_a_case_by_its_line_and_from_a_file_beside_it(tmp_path: Path) -> None:
    script = block_with("__main__")
    run_steps(write(tmp_path, script, "my_script.py"))
    run_steps(write(tmp_path, block_with("from my_script import")))


def test_case_file_with_weights_and_with_hooks_runs(tmp_path: Path) -> None:
    weighted = write(tmp_path, CASE + block_with("a weight for each row"))
    assert len(Case(weighted).epoch(1)[0].data()) == 3
    hooks = block_with("def on_epoch_begin").replace("running_mean", "keras.metrics.Mean()")
    case, model = run_steps(write(tmp_path, CASE + hooks))
    optimizer = case.optimizer()
    case.on_epoch_begin(model, optimizer, 0)
    case.on_epoch_end(model, optimizer, 0)
    assert float(optimizer.learning_rate) == pytest.approx(0.9e-3)


def test_model_that_overrides_train_step_runs(tmp_path: Path) -> None:
    head, _, tail = CASE.partition("def make_model")
    optimizer = "def make_optimizer" + tail.partition("def make_optimizer")[2].partition("def train_step")[0]
    override = head + block_with("class Autoencoder") + optimizer + "\nbatches = [(np.ones((4, 8)),)]\n"
    case, _ = run_steps(write(tmp_path, override), 0)
    assert not case.has_step


@pytest.mark.parametrize(
    "line",
    [line for block in BLOCKS for line in block.splitlines() if re.match("(compile|fit)_args = ", line)],
)
def test_example_of_a_setting_is_accepted(line: str) -> None:
    given: dict[str, Any] = {"batches": []}
    exec(line, {"keras": keras}, given)
    assert list(problems(given)) == []


def test_every_name_is_in_the_documentation() -> None:
    assert [name for name in (*FORMAT, *COMPILE_ARGS, *FIT_ARGS) if f"`{name}`" not in TEXT] == []
