"""Verdicts on public threads follow from the measured interval, and every thread has what its page needs."""

from pathlib import Path

import pytest

from bench.claims import measures, page
from bench.claims.finding import Finding, verdict_on
from bench.claims.threads import THREADS
from loops.case.loading import Case
from loops.measure.ratios import Ratio


@pytest.mark.parametrize(
    ("ratio", "reported", "verdict"),
    [
        ((5.0, 4.8, 5.2), 4.0, "still so"),
        ((2.0, 1.9, 2.1), 4.0, "still so, but less"),
        ((1.0, 0.9, 1.1), 4.0, "no longer: no difference shown"),
        ((2.0, 0.9, 4.5), 4.0, "undecided: the interval holds both 1 and the reported factor"),
        ((1.0, 0.9, 1.1), 1.0001, "no longer: no difference shown"),  # a direction, no factor
        ((0.8, 0.7, 0.9), 4.0, "no longer: it is the other way round"),
        ((0.4, 0.3, 0.5), 0.5, "still so"),
        ((0.8, 0.7, 0.9), 0.5, "still so, but less"),
    ],
)
def test_verdict_follows_from_the_interval(
    ratio: tuple[float, float, float], reported: float, verdict: str
) -> None:
    assert verdict_on(Ratio(*ratio, 96), reported) == verdict


def test_ten_threads_or_more_are_replayed_each_with_its_address() -> None:
    assert len(THREADS) >= 10
    assert len({thread.address for thread in THREADS}) == len(THREADS)
    assert all(thread.factor or thread.verdict for thread in THREADS)


@pytest.mark.parametrize("path", sorted(measures.CASES.glob("*.py")), ids=lambda path: path.stem)
def test_every_case_of_a_thread_can_be_loaded(path: Path) -> None:
    case = Case(path)
    assert case.model(case.epoch(1)[0]).count_params() > 0


def test_page_gets_a_table_between_its_marks(tmp_path: Path) -> None:
    target = tmp_path / "claims.md"
    target.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")
    thread = {
        "name": "t 1",
        "address": "https://example.org",
        "year": 2020,
        "reported": "slow",
        "measured": [Finding("a over b", Ratio(1.5, 1.25, 1.75, 9)).text()],
        "verdict": "still so",
    }
    page.write_page([{"machine": "M", "threads": [thread]}], target)
    text = target.read_text(encoding="utf-8")
    assert "| [t 1](https://example.org) | 2020 | slow | a over b: 1.5 [1.25, 1.75] | still so |" in text
    assert "old" not in text
    assert text.endswith("after\n")
