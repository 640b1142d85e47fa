"""What a GPU is worth, from two measurements; and a measurement for TensorBoard."""

from pathlib import Path

import pytest

from loops.cli import main
from loops.measure.board import write_board
from loops.measure.both_devices import worth
from loops.measure.measurement import STEP, Measurement, Row
from loops.measure.ratios import Ratio
from loops.measure.ways.trying import FIT
from loops.tensorboard.events import event_files


def measurement() -> Measurement:
    times = [9.9, 10.0, 10.1, 10.0]
    rows = [
        Row(FIT, False, 10.0, 400.0, 1.0, None, makes_ms=times),
        Row(STEP, False, 5.0, 800.0, 1.0, Ratio(0.5, 0.4, 0.6, 8), makes_ms=[each / 2 for each in times]),
    ]
    return Measurement("case.py", 4, rows, eager=False, diagnosis="identical", identical=True)


def test_worth_of_a_gpu_is_a_ratio_for_each_arm_that_both_have() -> None:
    times = [1.0, 1.01, 0.99, 1.0]
    there = {
        "device_name": "G",
        "rows": [{"arm": FIT, "with_input": False, "ms_per_step": 1.0, "makes_ms": times}],
    }
    (line,) = worth(measurement(), there)
    assert line.startswith("fit(), without input: a step takes 10.0")
    assert "as on G (1.000 ms)" in line


def test_measurement_becomes_runs_of_tensorboard(tmp_path: Path) -> None:
    board = write_board(measurement(), tmp_path)
    assert board
    assert board.name.endswith("-measure-case")
    assert event_files(board, "")
    runs = [path.name for path in board.iterdir() if path.is_dir()]
    assert sorted(runs) == ["case-without-input-fit--cpu-4", "case-without-input-your-step-cpu-4"]


def test_peak_rates_of_another_form_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["measure", "case.py", "--assume", "H100"])
    assert stopped.value.code == 2
    assert "must be like 'H100: 495 TFLOP/s, 3.3 TB/s'" in capsys.readouterr().err
