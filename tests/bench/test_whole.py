"""Whole processes: the tables made of what was timed, and a process read as it speaks."""

from pathlib import Path

import pytest

from bench import whole
from bench.whole import ALONE, FAST, MARKS, POST, WITHOUT_PAGES, Process, commands_of, run, shares, totals


def of(seconds: float, peak: int) -> Process:
    marks = {text: seconds * number / 10 for number, (text, _) in enumerate(MARKS, start=1)}
    return Process(seconds, peak, marks)


def test_totals_are_ratios_to_the_post_and_memory_above_tensorflow() -> None:
    one = {POST: of(40, 1300), FAST: of(8, 900), WITHOUT_PAGES: of(6, 800), ALONE: of(3, 700)}
    two = {POST: of(20, 1300), FAST: of(4, 900), WITHOUT_PAGES: of(3, 800), ALONE: of(3, 700)}
    text = "\n".join(totals([one, two]))
    assert "| tape --fast | 4.0 to 8.0 | 0.200 [0.200, 0.200] | 1 | 0.33 |" in text
    assert "| tape --fast --no-pages | 3.0 to 6.0 | 0.150 [0.150, 0.150] | 1 | 0.17 |" in text
    assert "| TensorFlow alone |" in text


def test_shares_are_the_times_between_marks_and_add_up() -> None:
    lines = shares([of(10, 1), of(10, 1)])[2:]
    assert [line.split("|")[2].strip() for line in lines] == ["1.00"] * 5 + ["5.00"]


def test_a_process_is_read_as_it_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "MARKS", (("one", ""), ("two", "")))
    found = run(["-c", "import time; print('one'); time.sleep(0.3); print('two'); time.sleep(0.2)"])
    assert found.marks["two"] - found.marks["one"] >= 0.29
    assert found.seconds - found.marks["two"] >= 0.19
    assert found.peak > 1000


@pytest.mark.parametrize("rounds", ["0", "1", "x"])
def test_fewer_than_two_rounds_are_a_usage_error(
    rounds: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["whole", "--rounds", rounds])
    with pytest.raises(SystemExit) as end:
        whole.main()
    assert end.value.code == 2
    assert "--rounds" in capsys.readouterr().err


def test_a_process_that_fails_ends_the_measurement() -> None:
    with pytest.raises(SystemExit, match="ended with 3"):
        run(["-c", "raise SystemExit(3)"])


def test_commands_are_those_of_the_page(tmp_path: Path) -> None:
    found = commands_of(3, tmp_path)
    assert found[POST][-1] == "3"
    assert found[WITHOUT_PAGES] == [*found[FAST], "--no-pages"]
    assert found[FAST] == ["-m", "loops", "tape", "--fast", "--epochs", "3", "--runs", str(tmp_path)]
