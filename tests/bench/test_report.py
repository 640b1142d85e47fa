"""`python -m bench.report` over files of one and of several machines."""

from pathlib import Path

import pytest

from bench.report.__main__ import main
from tests.bench.rows import ROWS, save


def test_two_files_give_one_report_that_names_both_machines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "cpu.json", ROWS[:2], load_at_start=3.0)
    save(tmp_path / "gpu.json", ROWS, cpu="D", gpu="G", cores=8, load_at_start=3.0)
    plots = ["--plots", str(tmp_path / "plots")]
    assert main([str(tmp_path / "cpu.json"), str(tmp_path / "gpu.json"), *plots]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "GPU against CPU" in lines
    assert any(line.startswith("cpu: C, 2 cores, ") for line in lines)
    assert any(line.startswith("gpu: D, G, 8 cores, ") for line in lines)
    assert "cpu: noise: load average 3.0 at the start on 2 cores" in lines
    assert not any("on 8 cores" in line for line in lines if "load average" in line)
    assert any(line.split()[:3] == ["tape", "cpu,", "gpu"] for line in lines)  # the CPU of gpu.json
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "ratio-by-batch-size.png",
        "gpu-against-cpu.png",
    }


def test_folder_that_cannot_be_written_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "cpu.json", ROWS[:2])
    (tmp_path / "file").touch()
    plots = tmp_path / "file" / "plots"
    assert main([str(tmp_path / "cpu.json"), "--plots", str(plots)]) == 1
    assert capsys.readouterr().err == f"error: {plots}: cannot be written (Not a directory)\n"
