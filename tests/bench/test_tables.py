"""Rows to tables: numbers worked out by hand."""

import pytest

from bench.report.closing import closing_table
from bench.report.costs import step_shares
from bench.report.saved import load_results
from tests.bench.rows import RATES, ROWS, step

KINDS = {"training", "parity", "claim", "rung", "step", "epoch", "inference", "part", "rate", "planted"}
TITLES = ("Full training", "Step time by", "Epoch time with", "Where a step goes", "Distance to the floor")


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
    files = load_results()
    whole = [file for file in files if {row["kind"] for row in file.rows} >= KINDS]  # others hold a part
    assert whole
    for file in whole:
        text = closing_table(file.rows, load_at_start=0.0)
        for title in TITLES:
            assert title in text
        assert "bit-identical" in text
    for file in files:
        assert "positive control: 5% planted" in closing_table(file.rows, load_at_start=0.0)


def test_parity_under_deterministic_ops_has_a_table_of_its_own() -> None:
    row = {
        "kind": "deterministic parity",
        "device": "gpu",
        "device_name": "G",
        "verdict": "bit-identical: 30",
    }
    text = closing_table([row], load_at_start=0.0)
    assert "With deterministic ops" in text
    assert "bit-identical: 30" in text


def test_sweep_shows_variants_measured_at_several_batch_sizes_in_their_order() -> None:
    more = [step("tape", 200.0, 0.5, batch_size=1000), step("tape", 1.0, 0.5, batch_size=8)]
    text = closing_table([*ROWS[:2], *more, step("eager tape", 90.0, 2.0)], load_at_start=0.0)
    _, sweep = text.split("Step time by batch size")
    assert [line.split()[2] for line in sweep.splitlines() if line.startswith("tape")] == ["8", "300", "1000"]
    assert "eager" not in sweep


def test_epoch_is_held_against_the_control_of_its_own_kind() -> None:
    wide = {"ratio_low": 0.4, "ratio_high": 1.1}
    steps = [step("fit", 40.0, 1.0)]
    epochs = [step(arm, 40.0, 0.5, kind="epoch", steps_per_epoch=200) for arm in ("tape", "fit")]
    assert "0.500 [0.480, 0.520]  faster" in closing_table(steps + epochs[:1], load_at_start=0.0)
    text = closing_table([*steps, epochs[0], epochs[1] | wide], load_at_start=0.0)
    assert "0.500 [0.480, 0.520]  no difference shown" in text


def test_epoch_seconds_are_its_steps_and_inference_has_none() -> None:
    epoch = step("tape", 40.0, 0.5, kind="epoch", steps_per_epoch=200)
    inference = step("tf.function", 40.0, 0.5, kind="inference")
    lines = closing_table([epoch, inference], load_at_start=0.0).splitlines()
    said = [" ".join(line.split()) for line in lines]
    assert any(line.startswith("tape with input pipeline cpu 300 40.00 8.00 7,500 fit") for line in said)
    assert any(line.startswith("inference, tf.function cpu 300 40.00 7,500 predict_") for line in said)


def test_keeping_is_a_share_of_all_the_steps_of_an_epoch() -> None:
    row = step("checkpoint", 80.0, 2.0, kind="keeping", steps_per_epoch=200)
    assert "1.00% [0.99%, 1.01%]" in closing_table([row], load_at_start=0.0)


def test_backward_is_what_forward_leaves_of_both() -> None:
    parts = [{"arm": "forward and backward", "ratio": 0.8}, {"arm": "forward", "ratio": 0.3}]
    assert step_shares(parts) == pytest.approx({"forward": 0.3, "backward": 0.5})
