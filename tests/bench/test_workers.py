"""The tables of workers, on numbers worked out by hand."""

from typing import Any

import pytest

from bench.report.workers import MODEL, model_table, step_on, workers_table


def row(arm: str, workers: int, ms: float, ratio: float, **more: Any) -> dict[str, Any]:
    return {
        "kind": "workers",
        "arm": arm,
        "workers": workers,
        "shards": 8,
        "device": "cpu",
        "device_name": "C",
        "ms_per_step": ms,
        "ratio": ratio,
        "ratio_low": ratio,
        "ratio_high": ratio,
        "pairs": 24,
        "against": "1 worker",
        **more,
    }


ROWS = [
    row("step", 1, 20.0, 0.7, bytes_sent=0),
    row("step", 2, 25.0, 1.25, bytes_sent=2**20),
    row("sending", 2, 5.0, 0.2),
]


def test_efficiency_is_one_workers_time_over_that_of_all() -> None:
    cells = workers_table(ROWS).body
    assert [line[7] for line in cells] == ["", "40%", ""]  # 1 / (2 · 1.25)
    assert [line[8] for line in cells] == ["0.00", "1.00", ""]


def test_model_adds_software_and_network_for_each_other_machine() -> None:
    # 1 MB at 8 Gbit/s takes 1 ms
    assert step_on(4, alone=20, software=5, sent=10**6, gbits=8) == pytest.approx(20 / 4 + 3 * (5 + 1))
    assert step_on(1, alone=20, software=5, sent=10**6, gbits=8) == 20


def test_model_says_that_it_is_none_of_the_measurements_and_needs_its_rows() -> None:
    assert "not a measurement" in MODEL
    assert [line[0] for line in model_table(ROWS).body] == ["1", "2", "4", "8"]
    assert not model_table(ROWS[:2]).body
