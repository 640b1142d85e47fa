"""The verdict beside a measurement: on a GPU it is the CPU's, by a process of its own."""

from pathlib import Path

import pytest

from loops.device import Device
from loops.measure import verdict
from loops.measure.verdict import ON_CPU, judged
from tests.case.sources import GOOD, LINE, SCRIPT, write

GPU = Device("gpu", "G")


def test_verdict_beside_a_gpu_is_diagnoses_own_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "STEPS_COMPARED", 2)
    found = judged(write(tmp_path, SCRIPT + LINE), GPU)
    assert found.words == f"identical ({ON_CPU})"
    assert found.identical
    assert found.trainings


def test_step_that_trains_nothing_has_no_verdict_on_a_gpu_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "STEPS_COMPARED", 2)
    found = judged(write(tmp_path, GOOD), GPU)
    assert "no verdict: " in found.words
    assert "trains nothing" in found.words
    assert not found.identical
