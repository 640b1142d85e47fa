"""Rows of a reader's own case: their names, their control, their table."""

from pathlib import Path
from typing import Any

from bench.cases import rows_of
from bench.report.cases import case_table
from bench.report.rows import control_of
from loops.measure.ratios import Ratio


def test_rows_of_a_case_keep_their_names_so_that_runs_can_be_compared() -> None:
    names = [row.name for row in rows_of([Path("here/mine.py")])]
    assert names == [
        "mine, fit() again, without input",
        "mine, your step, without input",
        "mine, fit() again, with input",
        "mine, your step, with input",
    ]


def row(case: str, arm: str, ratio: float, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "case",
        "case": case,
        "arm": arm,
        "with_input": False,
        "control": arm == "fit() again",
        "device": "cpu",
        "device_name": "C",
        "batch_size": 4,
        "ms_per_step": 1.0,
        "images_per_second": 4000.0,
        "ratio": ratio,
        "ratio_low": ratio - 0.01,
        "ratio_high": ratio + 0.01,
        "pairs": 18,
        "verdict": "identical",
        **fields,
    }


def test_each_case_is_held_against_its_own_control() -> None:
    rows = [row("a", "fit() again", 1.0), row("b", "fit() again", 0.8), row("b", "your step", 0.81)]
    assert control_of(rows, rows[2]) == Ratio(0.8, 0.79, 0.81, 18)
    table = case_table(rows).as_text()
    assert "no difference shown" in table
    assert "identical" in table
