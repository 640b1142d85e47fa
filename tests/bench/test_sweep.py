"""The sweep: which rows a run has, and what each notes of itself."""

import itertools
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import gpu_process, sweep, test_ladder
from bench.rows import start_row
from bench.sweep import BATCH_SIZE, BATCH_SIZES, FIT, TAPE, Variant, params
from loops.device import Device


def test_params_are_the_default_rows_then_those_of_the_grid() -> None:
    xla = Variant("fit", jit_compile=True)
    found = params([(TAPE, 300), (FIT, 300)], itertools.product([FIT, xla], [8, 300]))
    ids = ["tape, 300", "fit, 300", "fit, 8", "fit xla, 8", "fit xla, 300"]
    assert [each.id for each in found] == ids
    assert [bool(each.marks) for each in found] == [False, False, True, True, True]


def test_every_batch_size_reaches_the_steps_the_ladder_and_the_controls() -> None:
    sizes = set(BATCH_SIZES)
    assert BATCH_SIZE == 300
    for cases in (sweep.DEFAULT, test_ladder.DEFAULT, sweep.CONTROLS, sweep.GRID):
        assert {size for _, size in cases} == sizes


def test_fit_is_no_row_of_its_own_but_the_control() -> None:
    assert FIT not in {variant for variant, _ in sweep.GRID}
    assert {variant for variant, _ in sweep.CONTROLS} == {FIT}
    assert (FIT, BATCH_SIZE) in sweep.HEADLINES  # as many pairs as the row that it judges


def test_row_names_its_kind_and_device() -> None:
    benchmark: Any = SimpleNamespace(extra_info={})
    start_row(benchmark, Device("cpu", "C"), "parts", kind="part", arm="input")
    assert benchmark.group == "parts, cpu"
    assert benchmark.extra_info == {"kind": "part", "arm": "input", "device": "cpu", "device_name": "C"}


def test_gpu_is_measured_by_the_same_command_and_its_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        commands.append(command)
        if "-k" in command:
            Path(command[-1].removeprefix("--benchmark-json=")).write_text('{"benchmarks": []}')
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    assert gpu_process.measure_gpu(["bench", "-k", "x"], {}) == (3, {"benchmarks": []})
    assert gpu_process.measure_gpu(["bench"], {}) == (3, {})
    assert "bench -k x --device gpu --no-figures" in " ".join(commands[0])
