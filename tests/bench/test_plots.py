"""Which lines a plot shows."""

from bench.report.plots import shown
from tests.bench.rows import step


def test_plot_of_several_machines_shows_only_lines_over_several_batch_sizes() -> None:
    rows = [step("tape", 20.0, 0.5), step("tape", 50.0, 0.5, batch_size=1000), step("eager tape", 90.0, 2.0)]
    assert [arm for arm, *_ in shown(rows)] == ["eager tape", "tape"]
    of_two = [{**row, "machine": machine} for row in rows for machine in ("a", "b")]
    assert [line[:2] for line in shown(of_two)] == [("tape", "a"), ("tape", "b")]
