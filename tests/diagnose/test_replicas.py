"""Steps on several replicas, on logical CPUs: each case file gets the verdict of its docstring."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = sorted((ROOT / "tests" / "cases" / "replicas").glob("*.py"))
CASES = [path for path in CASES if path.stem != "common"]
FAST = ("summed_adam", "normalised_apart")  # the others are slow tests
PARAMS = [
    pytest.param(path, id=path.stem, marks=[] if path.stem in FAST else [pytest.mark.slow]) for path in CASES
]


@pytest.mark.parametrize("case", PARAMS)
def test_case_on_replicas_gets_its_verdict(case: Path, tmp_path: Path) -> None:
    expected = (ast.get_docstring(ast.parse(case.read_text())) or "").removeprefix("Expected verdict: ")
    saved = tmp_path / "found.json"
    command = [sys.executable, "-m", "loops", "diagnose", str(case), "--steps", "12", "--json", str(saved)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(saved.read_text())["verdict"] == expected
    assert "replicas; it was not watched from inside" in done.stdout
