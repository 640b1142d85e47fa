"""Diagnosis: each known mistake is named, right loops are not accused, bad cases get a message."""

import re
from pathlib import Path

import numpy as np
import pytest

from loops import cli, device
from loops.case.loading import CaseError
from loops.device import Device
from loops.diagnose import engine, reports
from loops.diagnose.engine import diagnose
from loops.parity.states import State

NOT_CASES = {Path(__file__).parents[1] / "cases" / name for name in ("__init__.py", "common.py")}
CASES = sorted(set((Path(__file__).parents[1] / "cases").glob("*.py")) - NOT_CASES)
QUICK = {"correct_everything", "training_flag", "epsilon", "metrics_not_reset"}
STEPS = 12


def expected(case: Path) -> str:
    found = re.match(r'"""Expected verdict: (.*)\.(?:"""|\n\n)', case.read_text())
    assert found
    return found[1]


def marked(case: Path) -> object:
    marks = () if case.stem in QUICK else pytest.mark.slow
    return pytest.param(case, id=case.stem, marks=marks)


@pytest.mark.filterwarnings("ignore:.* received `from_logits=True`:UserWarning")  # a case's own mistake
@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_case_gets_its_verdict(case: Path) -> None:
    verdict = diagnose(case, STEPS).verdict
    assert verdict.partition(" (compared")[0].partition(" (the step")[0] in expected(case).split(" | ")


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
    "trains nothing": (GOOD, "trains nothing"),
    "empty batches": (GOOD.replace("yield ONES", "return []"), "batches() is empty"),
    "triples": (GOOD.replace("yield ONES", "yield 1, 2, 3"), "must yield (x, y) pairs"),
    "no model": (GOOD.replace("return keras.Sequential", "return str"), "not a Keras model"),
    "no optimizer": (GOOD.replace(SGD, "return 'sgd'"), "not a Keras optimizer"),
    "step raises": (GOOD.replace(": pass", ": raise ValueError('no')"), "ValueError (line 8): no"),
    "nan": (GOOD.replace(": pass", ":" + NAN), "train_step gives NaN or Inf in"),
}


@pytest.mark.parametrize("name", BAD)
def test_case_that_cannot_be_compared_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    source, reason = BAD[name]
    case = tmp_path / "case.py"
    case.write_text(source.lstrip())
    with pytest.raises(CaseError) as refusal:
        diagnose(case, 3)
    assert reason in str(refusal.value)
    assert str(refusal.value).startswith(str(case))


def test_command_line_ends_with_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "start", lambda choice: Device("cpu", "Test CPU"))
    case = Path(__file__).parents[1] / "cases" / "correct_everything.py"
    assert cli.main(["diagnose", str(case), "--steps", "6"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "verdict: identical"
    assert cli.main(["diagnose", "missing.py"]) == 1
    assert "missing.py: is no file" in capsys.readouterr().err


def reported(values: list[float]) -> list[State]:
    return [State({}, {}, {}, {"loss": value}) for value in values]


@pytest.mark.parametrize(
    ("mine", "verdict"),
    [
        ([1.0, 1.4, 3.0, 3.4], None),  # fit()'s own: (4·1 + 1·3) / 5 = 1.4
        ([1.0, 3.0, 3.0, 5.0], None),  # each batch's own
        ([1.0, 2.0, 3.0, 4.0], "metrics not weighted by image"),
        ([1.0, 1.4, 19 / 9, 2.4], "metrics not reset"),
        ([1.0, 2.0, 7 / 3, 3.0], "more than one: metrics not reset, metrics not weighted by image"),
    ],
)
def test_reported_loss_worked_out_by_hand(mine: list[float], verdict: str | None) -> None:
    """Batches of 4 and 1 rows, two epochs; batch losses 1, 3 and 3, 5."""
    fit = reported([1.0, 1.4, 3.0, 3.4])
    assert reports.unlike(reported(mine), fit, [4, 1]) == verdict
    assert np.isclose(1.4, (4 * 1 + 1 * 3) / 5)


DOCS = Path(__file__).parents[2] / "docs" / "diagnose.md"


def test_every_mistake_that_can_be_named_is_in_the_documentation() -> None:
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    source = "".join(path.read_text(encoding="utf-8") for path in Path(engine.__file__).parent.glob("*.py"))
    names = set(re.findall(r'(?:Mistake|_other_setting|Diagnosis)\(\s*"([^"]+)"', source)) - {"none"}
    assert len(names) > 25
    assert not [name for name in names if name.partition(" (")[0] not in text]


def test_case_of_the_documentation_runs_and_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert source
    (tmp_path / "case.py").write_text(source[1])
    monkeypatch.chdir(tmp_path)
    assert diagnose(Path("case.py"), 8).verdict == "identical"
    (tmp_path / "case.py").write_text(source[1].replace("sum(model.losses)", "sum(model.lost)"))
    with pytest.raises(CaseError, match=r"case.py: train_step .* raised AttributeError \(line 27\)"):
        diagnose(Path("case.py"), 8)


def test_step_that_cannot_be_traced_says_so_in_the_verdict() -> None:
    case = Path(__file__).parents[1] / "cases" / "optimizer_each_step.py"
    assert diagnose(case, 3).verdict.endswith("(compared within rounding: the step could not be traced)")
