"""The summary of many A/A rows counts what it says."""

from typing import Any

from bench.controls import summary


def row(arms: list[int], low: float, high: float, *, planted: bool = False) -> dict[str, Any]:
    return {"arm": "fit", "batch_size": 8, "arms": arms, "low": low, "high": high, "planted": planted}


def test_intervals_that_exclude_1_and_planted_ones_that_show_are_counted() -> None:
    rows = [
        row([0, 1], 0.96, 1.04),
        row([0, 2], 1.01, 1.05),
        row([2, 3], 0.90, 0.98),
        row([0, 1], 1.02, 1.08, planted=True),
        row([0, 2], 0.99, 1.08, planted=True),
    ]
    head, _, of_kind, whole, apart = summary(rows)
    assert head.startswith("| arm, batch size |")
    assert of_kind == "| fit, 8 | 2 of 3 | 4.0% | 1 of 2 |"
    assert whole == "| all | 2 of 3 | 4.0% | 1 of 2 |"
    assert apart == "| all that share no arm | 1 of 2 | 4.0% | 1 of 1 |"
