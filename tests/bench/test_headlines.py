"""The README's three answers: what they say of the rows that there are, and of those that are not."""

from pathlib import Path
from typing import Any

from bench.report.headlines import NO_GPU, NO_PAIR, NOT_MEASURED, faster, gpu_gain, headlines, same_result
from bench.report.rows import fastest_rungs
from bench.report.saved import load
from tests.bench.rows import PARITY, ROWS, save, step, training

FAST: dict[str, Any] = step("compiled step", 8.0, 0.2, kind="rung", ulps=128)
BOTH = [training("fit"), training("tape")]


def test_headlines_are_three_bullets_and_the_machine(tmp_path: Path) -> None:
    save(tmp_path / "cpu.json", [*BOTH, PARITY, *ROWS[:2], FAST], load_at_start=1.0)
    assert headlines([load(tmp_path / "cpu.json")]).splitlines() == [
        "- **Does it compute the same?** `fit()` and the hand-written loop end bit-identical after 3 epochs: "
        "test accuracy 90.00%, micro-F1 0.9000.",
        "- **Is it faster?** At batch size 300 a step of the tape takes 0.500 times as long as a step of "
        "`fit()` (95 % interval 0.480 to 0.520, faster); a step of `tape --fast` takes 0.200 times as long "
        "(95 % interval 0.180 to 0.220, faster).",
        "- **What does a GPU buy?** Not measured yet: no GPU was available.",
        "",
        "Measured on C, 2 cores, TensorFlow 2, Keras 3, oneDNN off, load 1.0 at the start.",
    ]


def test_what_was_not_measured_is_said() -> None:
    assert same_result([]) == same_result(BOTH) == same_result([PARITY, BOTH[0]]) == NOT_MEASURED
    assert faster([]) == faster([FAST]) == NOT_MEASURED
    assert gpu_gain(ROWS[:2]) == NO_GPU
    assert gpu_gain(ROWS[2:]) == NO_PAIR


def test_loops_that_part_are_not_called_identical() -> None:
    trainings = [training("fit", config={"epochs": 1}), training("tape", test_accuracy=0.85, f1_micro=0.85)]
    said = same_result([*trainings, PARITY | {"verdict": "weights within 0.1"}])
    assert "identical" not in said
    assert "with weights within 0.1 after 1 epoch: " in said
    assert "test accuracy 90.00% and 85.00%, micro-F1 0.9000 and 0.8500." in said


def test_cpu_answers_where_both_devices_were_measured() -> None:
    gpu = {"device": "gpu", "device_name": "G"}
    parities = [PARITY | gpu | {"verdict": "weights within 0.1"}, PARITY]
    trainings = [row | gpu for row in BOTH] + BOTH
    assert "bit-identical" in same_result(parities + trainings)
    assert same_result([parities[0], *trainings]).startswith("On G: `fit()`")
    assert faster([ROWS[2], *ROWS[:2]]).startswith("At batch size 300 a step of the tape takes 0.500")
    assert faster([ROWS[2]]).startswith("On G: At batch size 300")


def test_only_the_rung_that_fast_picks_at_this_batch_size_is_quoted() -> None:
    assert "--fast" in faster([*ROWS, FAST])
    assert "--fast" not in faster([*ROWS, FAST | {"batch_size": 8}])


def test_fast_loop_is_quoted_for_each_machine_and_named_where_it_is_not_the_tapes() -> None:
    other = FAST | {"device_name": "D", "machine": "d", "ratio": 0.1}
    again = other | {"machine": "e", "ratio": 0.15}  # another machine with that processor
    assert "takes 0.100 times as long on D (95 %" in faster([*ROWS, other])
    said = faster([*ROWS, FAST, again, other])
    for part in ("takes 0.100 times as long on D (d) (95 %", "0.150 times as long on D (e) (95 %"):
        assert part in said
    assert "faster), 0.200 times as long on C (95 %" in said


def test_gpu_is_held_against_the_cpu_of_its_own_machine_where_that_was_measured() -> None:
    here, there = {"machine": "here"}, {"machine": "there"}
    cpus = [ROWS[1] | here, step("tape", 30.0, 0.5, device_name="D", **there)]
    gpu = ROWS[2] | there  # 2 ms
    for rows in ([*cpus, gpu], [gpu, *reversed(cpus)]):
        assert gpu_gain(rows) == (
            "At batch size 300 a step of the tape takes 15.000 times as long on the CPU (D) "
            "as on the GPU (G), 95 % interval 15.000 to 15.000."
        )
    assert "10.000 times as long on the CPU (C)" in gpu_gain([cpus[0], gpu])


def test_gpu_is_held_against_the_cpu_beside_it_where_files_are_named_alike() -> None:
    beside, other = {"machine": "c-16-cores"}, {"machine": "c-2-cores"}
    rows = [
        step("tape", 30.0, 1.0, **beside),
        step("tape", 90.0, 1.0, **other),
        step("tape", 3.0, 1.0, device="gpu", device_name="G", machine="c-16-cores-g"),
    ]
    assert "10.000 times as long" in gpu_gain(rows)
    assert "10.000 times as long" in gpu_gain(rows[::-1])


def test_the_rung_of_the_headline_is_the_one_that_was_fastest() -> None:
    slower = FAST | {"arm": "parts", "ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6}
    assert fastest_rungs([slower, FAST]) == fastest_rungs([FAST, slower]) == [FAST]
    elsewhere = slower | {"device_name": "another"}
    assert fastest_rungs([elsewhere, FAST]) == [elsewhere, FAST]
