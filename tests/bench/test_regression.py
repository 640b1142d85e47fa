"""README's commands for regressions, on one short row of the real bench."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = ["bench", "-k", "matrix_multiply", "--benchmark-only", "--device", "cpu", "--no-board"]


def bench(storage: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", *ROW, f"--benchmark-storage=file://{storage}", *more]
    # not as one of several processes of a pytest -n, which pytest-benchmark refuses to time
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the figures of one run."""
    folder = tmp_path_factory.mktemp("benchmarks")
    assert bench(folder, "--benchmark-save=base").returncode == 0
    return folder


def pretend(storage: Path, factor: float, without: tuple[str, ...] = (), **facts: object) -> None:
    """Change what was saved: all times by a factor, facts of the machine."""
    (path,) = storage.glob("*/*_base.json")
    saved = json.loads(path.read_text())
    saved["machine_info"]["fit_vs_tape"] |= facts
    for name in without:
        if not saved["machine_info"]["fit_vs_tape"][name]:  # what is set now would be named
            del saved["machine_info"]["fit_vs_tape"][name]
    for row in saved["benchmarks"]:
        row["stats"]["median"] *= factor
    path.write_text(json.dumps(saved))


def test_regression_fails_the_run_and_a_faster_one_does_not(storage: Path) -> None:
    compare = ("--benchmark-compare", "--benchmark-compare-fail=median:30%")
    older = ("variables", "cpu_quota")  # which files had not before
    pretend(storage, 100.0, older)  # 100 times as slow then
    done = bench(storage, *compare)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "another machine" not in done.stdout + done.stderr  # load and commit alone do not make one
    pretend(storage, 1e-4, threads_intra_op=99, cpu_quota=0.5, variables={"ONEDNN_MAX_CPU_ISA": "AVX2"})
    done = bench(storage, *compare)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Performance has regressed" in done.stdout + done.stderr
    (warning,) = re.findall(r"another machine or setting: (.*)\. What", done.stdout + done.stderr)
    threads, quota, variable = warning.split("; ")
    assert threads.startswith("threads_intra_op was 99, is ")
    assert quota.startswith("cpu_quota was 0.5, is ")
    assert variable.startswith("ONEDNN_MAX_CPU_ISA was AVX2, is ")


def test_nothing_to_compare_with_is_said_and_the_run_goes_on(tmp_path: Path) -> None:
    done = bench(tmp_path, "--benchmark-compare")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No benchmark files" in done.stdout + done.stderr
