"""Diagnosis: the command, the Python call, what the evidence says, and the reported numbers."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from loops import cli, device
from loops.case.errors import CaseError
from loops.device import Device
from loops.diagnose import explain, reports
from loops.diagnose.engine import diagnose
from loops.diagnose.evidence import not_replayed
from loops.diagnose.mistake import Mistake
from loops.diagnose.reports import NEITHER, NOT_RESET, NOT_WEIGHTED, WrongAverage
from loops.diagnose.search import NotReplayed
from loops.parity.states import State

FOLDER = Path(__file__).parents[1] / "cases"


def test_step_that_trains_nothing_is_refused(tmp_path: Path) -> None:
    case = tmp_path / "case.py"
    case.write_text(
        "from tests.cases.common import adam as make_optimizer, classifier as make_model\n"
        "from tests.cases.common import cross_entropy as loss, one_hot_batches as batches\n"
        "def train_step(model, optimizer, x, y): pass\n"
    )
    with pytest.raises(CaseError, match=r"case\.py: train_step trains nothing"):
        diagnose(case, 3)


def broken(losses: Any, y: Any, predictions: Any) -> Any:
    raise RuntimeError("boom")


def test_replay_that_raises_is_named_in_the_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was neither confirmed nor ruled out; the verdict stays what the other replays say."""
    planted = Mistake("planted", "in the loss", loss=broken)
    monkeypatch.setattr(explain, "left_out", lambda scene, step: [planted])
    found = diagnose(FOLDER / "epsilon.py", 2)
    assert found.verdict == "other epsilon: epsilon=1e-08, fit() 1e-07"
    (line,) = [line for line in found.evidence if "planted" in line]
    assert line == "the replay of planted (in the loss) broke and does not rule it out: RuntimeError: boom"


def test_mistakes_that_do_not_apply_are_counted_and_named() -> None:
    found = [
        NotReplayed(Mistake("another loss", "hinge"), "ValueError: ranks differ", does_not_apply=True),
        NotReplayed(Mistake("broadcast"), "ValueError: only for (n, 1)", does_not_apply=True),
        NotReplayed(Mistake("another loss", "mse"), "ValueError: shapes differ", does_not_apply=True),
    ]
    assert not_replayed(found) == [
        "3 known mistakes do not apply to this model: another loss (2 ways), broadcast",
    ]
    assert not_replayed(found[1:2])[0] == "1 known mistake does not apply to this model: broadcast"
    assert not_replayed([]) == []


def test_command_line_ends_with_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "start", lambda choice, **_: Device("cpu", "Test CPU"))
    case = FOLDER / "correct_everything.py"
    assert cli.main(["diagnose", str(case), "--steps", "6"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "verdict: identical"
    assert cli.main(["diagnose", "missing.py"]) == 1
    assert "missing.py: there is no such file" in capsys.readouterr().err


def test_check_exits_with_3_where_the_training_is_not_fits_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "start", lambda choice, **_: Device("cpu", "Test CPU"))
    steps = ["--steps", "4", "--check", "--json", str(tmp_path / "found.json")]
    assert cli.main(["diagnose", str(FOLDER / "correct_everything.py"), *steps]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["verdict"], found["identical"], found["cause"]) == ("identical", True, None)
    assert cli.main(["diagnose", str(FOLDER / "training_flag.py"), *steps]) == 3
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["verdict"] == found["cause"] == "training=True missing"
    assert not found["identical"]
    assert found["figures"]["departure"] > found["figures"]["rounding"]
    assert any("first divergence: step 1" in line for line in found["evidence"])
    assert cli.main(["diagnose", str(FOLDER / "training_flag.py"), "--steps", "2"]) == 0  # a verdict
    missing = ["--json", str(tmp_path / "none" / "found.json")]
    assert cli.main(["diagnose", str(FOLDER / "correct_everything.py"), "--steps", "2", *missing]) == 1
    assert "found.json: cannot be written" in capsys.readouterr().err


def test_python_call_imports_tensorflow_only_when_it_is_called() -> None:
    """As in a pytest test of somebody's own, in a fresh process."""
    code = (
        "import sys\nfrom loops.diagnose import Diagnosis, diagnose\n"
        "assert 'tensorflow' not in sys.modules\n"
        f"found = diagnose({str(FOLDER / 'correct_everything.py')!r}, steps=3)\n"
        "assert isinstance(found, Diagnosis)\nassert found.identical, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, capture_output=True)


def test_policy_that_a_case_sets_ends_with_the_diagnosis() -> None:
    diagnose(FOLDER / "right_loss_scale_float16.py", 2)
    assert tf.keras.config.dtype_policy().name == "float32"


def reported(values: list[float]) -> list[State]:
    return [State({}, {}, {}, {"loss": value}) for value in values]


@pytest.mark.parametrize(
    ("mine", "verdict"),
    [
        ([1.0, 1.4, 3.0, 3.4], None),  # fit()'s own: (4·1 + 1·3) / 5 = 1.4
        ([1.0, 3.0, 3.0, 5.0], None),  # each batch's own
        ([1.0, 2.0, 3.0, 4.0], NOT_WEIGHTED),
        ([1.0, 1.4, 19 / 9, 2.4], NOT_RESET),
        ([1.0, 2.0, 7 / 3, 3.0], NEITHER),
    ],
)
def test_reported_loss_worked_out_by_hand(mine: list[float], verdict: WrongAverage | None) -> None:
    """Batches of 4 and 1 rows, two epochs; batch losses 1, 3 and 3, 5."""
    fit = reported([1.0, 1.4, 3.0, 3.4])
    assert reports.unlike(reported(mine), fit, [4, 1]) == verdict
    assert np.isclose(1.4, (4 * 1 + 1 * 3) / 5)


MAKERS = ("Mistake", "Other", "Diagnosis")
DOCS = Path(__file__).parents[2] / "docs" / "diagnose.md"


def heads() -> set[str]:
    """What the names of mistakes begin with, as the sources write them."""
    found = set()
    for path in Path(explain.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MAKERS:
                found.add(head_of(node.args[0] if node.args else None))
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "name":
                found.add(head_of(node.value))
    return {head for head in found if len(head) > 3} - {"none"}


def head_of(node: ast.expr | None) -> str:
    """The text up to the first number or colon."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    return re.split(r"[:(]", text)[0].strip()


def test_every_mistake_that_can_be_named_is_in_the_documentation() -> None:
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    names = heads() | {NOT_RESET.name, NOT_WEIGHTED.name}
    assert len(names) > 50
    assert not [name for name in sorted(names) if name.partition(" (")[0] not in text]


def test_case_of_the_documentation_runs_and_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert source
    (tmp_path / "case.py").write_text(source[1])
    monkeypatch.chdir(tmp_path)
    assert diagnose(Path("case.py"), 8).verdict == "identical"
    (tmp_path / "case.py").write_text(source[1].replace("sum(model.losses)", "sum(model.lost)"))
    with pytest.raises(CaseError, match=r"case.py: train_step .* raised AttributeError \(line 27\)"):
        diagnose(Path("case.py"), 8)
