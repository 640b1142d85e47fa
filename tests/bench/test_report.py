"""Rows to tables and the floor: numbers worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bench import counts, floor, report
from bench.board import write_board
from bench.tables import all_tables, closing_table, noise_lines, step_shares
from model import FashionCNN


def step(arm: str, ms: float, ratio: float, **more: Any) -> dict[str, Any]:
    row = {"kind": "step", "arm": arm, "device": "cpu", "device_name": "C", "control": arm == "fit"}
    row |= {"batch_size": 300, "ms_per_step": ms, "samples_ms": [ms] * 3, "images_per_second": 300_000 / ms}
    row |= {"ratio": ratio, "ratio_low": ratio - 0.02, "ratio_high": ratio + 0.02, "pairs": 20}
    return row | {"first_call_seconds": 1.5, "relative_iqr": 0.05, "flops": 10**9, "bytes": 10**6} | more


ROWS = [
    step("fit", 40.0, 1.0),
    step("tape", 20.0, 0.5),
    step("tape", 2.0, 0.5, device="gpu", device_name="G"),
]
RATES = [
    {"kind": "rate", "arm": "matrix multiply", "device": "cpu", "device_name": "C", "per_second": 1e11},
    {"kind": "rate", "arm": "copy", "device": "cpu", "device_name": "C", "per_second": 1e10},
]


def test_closing_table_holds_ratio_verdict_floor_and_gpu_against_cpu() -> None:
    text = closing_table(ROWS + RATES, load_at_start=0.0)
    assert "0.500 [0.480, 0.520]  faster" in text
    assert "A/A control" in text
    assert "15,000" in text  # images a second
    assert "10.000 [10.000, 10.000]" in text  # 20 ms on the CPU, 2 ms on the GPU
    assert "C / G" in text
    # 1 GFLOP at 100 GFLOP/s is 10 ms: 20 ms is twice the floor
    assert any(line.split() == ["tape", "cpu", "300", "1.00", "10.00", "2.0"] for line in text.splitlines())
    assert "noise" not in text


def test_every_kind_of_row_that_is_committed_finds_its_table() -> None:
    for path in sorted(report.RESULTS.glob("*.json")):
        rows = report.load(path).rows
        text = closing_table(rows, load_at_start=0.0)
        kinds = {row["kind"] for row in rows}
        assert kinds >= {
            "training",
            "parity",
            "claim",
            "rung",
            "step",
            "epoch",
            "inference",
            "part",
            "rate",
            "planted",
        }
        for title in (
            "Full training",
            "Step time by",
            "Epoch time with",
            "Where a step goes",
            "Distance to the floor",
        ):
            assert title in text
        assert "bit-identical" in text
        assert "positive control: 5% planted" in text


def test_noise_is_said() -> None:
    rows = [step("fit", 40.0, 1.05), step("tape", 20.0, 0.5, relative_iqr=0.2)]
    text = closing_table(rows, load_at_start=1e6)
    assert "interquartile range over 10% of the median: step: tape at 300" in text
    assert "the A/A control (fit against fit) excludes 1: 1.050 [1.030, 1.070]" in text
    assert "load average 1000000.0 at the start" in text


def test_epochs_of_one_training_that_differ_are_noise() -> None:
    row = {"kind": "training", "loop": "tape", "device": "cpu", "device_name": "C", "params": 1}
    row |= {"test_accuracy": 0.9, "f1_micro": 0.9, "f1_macro": 0.9, "train_seconds": 20.0}
    row |= {"images_per_second": 1.0, "peak_host_bytes": None, "peak_device_bytes": None}
    steady, halted = row | {"epoch_seconds": [7.0, 6.5]}, row | {"epoch_seconds": [6.5, 13.0]}
    assert "halted" not in closing_table([steady], load_at_start=0.0)
    assert "the machine halted: tape 6.5 to 13.0 s" in closing_table([halted], load_at_start=0.0)


def test_kept_file_is_named_by_machine_and_drops_the_host(tmp_path: Path) -> None:
    facts = {"cpu": "Intel(R) Xeon(R) Processor", "cores": 2, "gpu": None}
    saved = {"benchmarks": [], "machine_info": {"node": "secret", "fit_vs_tape": facts}}
    (tmp_path / "out.json").write_text(json.dumps(saved))
    kept = report.keep(tmp_path / "out.json", tmp_path / "results")
    assert kept.name == "intel-xeon-processor-2-cores.json"
    assert "secret" not in kept.read_text()


def test_backward_is_what_forward_leaves_of_both() -> None:
    parts = [{"arm": "forward and backward", "ratio": 0.8}, {"arm": "forward", "ratio": 0.3}]
    assert step_shares(parts) == {"forward": 0.3, "backward": 0.5}


def test_operations_and_bytes_of_a_step_worked_out_by_hand() -> None:
    model = FashionCNN()
    # output positions × kernel entries: 28·28·2·2·1·32, 14·14·2·2·32·64, 3136·128, 128·10
    macs = {"conv1": 100_352, "conv2": 1_605_632, "hidden": 401_408, "classifier": 1_280}
    assert counts.forward_macs(model) == macs
    assert counts.step_flops(model, 300) == 2 * 300 * (3 * 2_108_672 - 100_352)  # 3.7 GFLOP
    assert counts.step_bytes(model, 300) == 4 * (300 * 784 + 8 * 411_242)
    assert floor.floor_seconds(10, 1, flops_per_second=2, bytes_per_second=1) == 5
    assert floor.floor_seconds(1, 10, flops_per_second=2, bytes_per_second=1) == 10


def save(path: Path, rows: list[dict[str, Any]], **facts: Any) -> None:
    """A file like those of `pytest bench --benchmark-json`."""
    machine = {"cpu": "C", "gpu": None, "cores": 2, "tensorflow": "2", "keras": "3", "onednn": False}
    saved = {
        "benchmarks": [{"extra_info": row} for row in rows],
        "machine_info": {"fit_vs_tape": {**machine, "load_at_start": 0.5, **facts}},
    }
    path.write_text(json.dumps(saved))


def test_two_files_give_one_report_that_names_both_machines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "cpu.json", ROWS[:2], load_at_start=3.0)
    save(tmp_path / "gpu.json", ROWS, cpu="D", gpu="G", cores=8, load_at_start=3.0)
    plots = ["--plots", str(tmp_path / "plots")]
    assert report.main([str(tmp_path / "cpu.json"), str(tmp_path / "gpu.json"), *plots]) == 0
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
    assert report.main([str(tmp_path / "cpu.json"), "--plots", str(tmp_path / "file" / "plots")]) == 1
    assert (
        capsys.readouterr().err
        == f"error: {tmp_path / 'file' / 'plots'}: cannot be written (Not a directory)\n"
    )


def test_noise_is_named_by_kind() -> None:
    noisy = {"relative_iqr": 0.2, "batch_size": 300}
    rows = [step("tape", 20.0, 0.5, **noisy, kind=kind) for kind in ("step", "part", "step")]
    (line,) = (line for line in noise_lines(rows, load_at_start=0.0, cores=2) if "quartile" in line)
    assert line.endswith(" of the median: step: tape at 300, tape at 300; part: tape")


def test_epoch_is_held_against_the_control_of_its_own_kind() -> None:
    wide = {"ratio_low": 0.4, "ratio_high": 1.1}
    steps = [step("fit", 40.0, 1.0)]
    epochs = [step(arm, 40.0, 0.5, kind="epoch", steps_per_epoch=200) for arm in ("tape", "fit")]
    assert "0.500 [0.480, 0.520]  faster" in closing_table(steps + epochs[:1], load_at_start=0.0)
    text = closing_table([*steps, epochs[0], epochs[1] | wide], load_at_start=0.0)
    assert "0.500 [0.480, 0.520]  no difference shown" in text


NO_ROW = '{"benchmarks": [], "machine_info": {"fit_vs_tape": {"gpu": null}}}'


@pytest.mark.parametrize("content", [None, "<html>", "[]", '{"benchmarks": [], "machine_info": {}}', NO_ROW])
def test_file_that_is_no_result_is_refused(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    assert report.main([str(path)]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {path}: ")
    assert "Traceback" not in message


@pytest.mark.parametrize("page", report.PAGES, ids=lambda page: page.name)
def test_page_shows_the_committed_figures(page: Path) -> None:
    files = [report.load(path) for path in sorted(report.RESULTS.glob("*.json"))]
    text = page.read_text(encoding="utf-8")
    assert report.with_figures(text, report.markdown(files, report.PAGES[page])) == text
    titles = {table.title for table in all_tables(files[0].rows)}
    assert titles >= set(report.PAGES[page] or ())


def test_few_pairs_and_a_missing_control_are_said() -> None:
    few = [row | {"pairs": 4} for row in ROWS if row.get("kind") == "step" and not row["control"]]
    said = "\n".join(noise_lines(few, load_at_start=0.0, cores=2))
    assert "fewer than 5 pairs" in said
    assert "no A/A control" in said
    said = "\n".join(noise_lines(ROWS, load_at_start=0.0, cores=2))
    assert "fewer than 5" not in said
    assert "no A/A" not in said


def test_board_holds_a_row_of_hparams_for_each_ratio_and_the_plots(tmp_path: Path) -> None:
    board = write_board([dict(row) for row in ROWS], tmp_path)
    assert board
    assert sorted(path.name for path in board.iterdir() if path.is_dir()) == [
        "step-fit-cpu-300",
        "step-tape-cpu-300",
        "step-tape-gpu-300",
    ]
    events = EventAccumulator(str(board / "step-tape-cpu-300")).Reload()
    assert tf.make_ndarray(events.Tensors("ratio_to_reference")[0].tensor_proto).item() == 0.5
    assert "_hparams_/session_start_info" in events.Tags()["tensors"]
    images = EventAccumulator(str(board)).Reload().Tags()["tensors"]
    assert {"ratio-by-batch-size", "gpu-against-cpu"} <= set(images)
