"""What is said of timings that may be doubted."""

import pytest

from bench.report.closing import closing_table
from bench.report.noise import noise_lines
from tests.bench.rows import ROWS, step, training


def test_noise_is_said() -> None:
    rows = [step("fit", 40.0, 1.05), step("tape", 20.0, 0.5, relative_iqr=0.2)]
    text = closing_table(rows, load_at_start=1e6)
    assert "interquartile range over 10% of the median: step: tape at 300" in text
    assert "the A/A control (fit against fit) excludes 1: 1.050 [1.030, 1.070]" in text
    assert "load average 1000000.0 at the start" in text


def test_noise_is_named_by_kind() -> None:
    noisy = {"relative_iqr": 0.2, "batch_size": 300}
    rows = [step("tape", 20.0, 0.5, **noisy, kind=kind) for kind in ("step", "part", "step")]
    (line,) = (line for line in noise_lines(rows, load_at_start=0.0, cores=2) if "quartile" in line)
    assert line.endswith(" of the median: step: tape at 300, tape at 300; part: tape")


def test_epochs_of_one_training_that_differ_are_noise() -> None:
    steady, halted = training("tape"), training("tape", epoch_seconds=[6.5, 13.0])
    assert "halted" not in closing_table([steady], load_at_start=0.0)
    assert "the machine halted: tape 6.5 to 13.0 s" in closing_table([halted], load_at_start=0.0)
    on_another_device = training("tape", device="gpu")  # the same loop: it must not hide the halted one
    assert "the machine halted" in closing_table([halted, on_another_device], load_at_start=0.0)


def test_few_pairs_and_a_missing_control_are_said() -> None:
    few = [row | {"pairs": 4} for row in ROWS if not row["control"]]
    said = "\n".join(noise_lines(few, load_at_start=0.0, cores=2))
    assert "fewer than 5 pairs" in said
    assert "no A/A control" in said
    said = "\n".join(noise_lines(ROWS, load_at_start=0.0, cores=2))
    assert "fewer than 5" not in said
    assert "no A/A" not in said


@pytest.mark.parametrize(("ratio", "said"), [(1.05, ": detected"), (1.01, "NOT detected")])
def test_planted_slowdown_counts_as_detected_beyond_one_only(ratio: float, said: str) -> None:
    planted = step("tape, 5 % asleep", 21.0, ratio, kind="planted", slowdown=0.05)
    (line,) = (line for line in noise_lines([planted], load_at_start=0.0, cores=2) if "positive" in line)
    assert said in line
