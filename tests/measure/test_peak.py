"""Peak memory of an arm, by a process of its own."""

from pathlib import Path

from loops.measure.peak import FIT, Peak, PeakProcess
from tests.case.sources import LINE, SCRIPT, write


def test_peak_of_fit_is_some_megabytes_and_a_broken_case_has_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError", encoding="utf-8")
    processes = [PeakProcess(path, FIT, "cpu") for path in (write(tmp_path, SCRIPT + LINE), broken)]
    peak, none = (process.result() for process in processes)
    assert peak.bytes
    assert 2**20 < peak.bytes < 2**30
    assert none == Peak(None)


def test_memory_of_a_gpu_is_the_one_that_counts() -> None:
    assert Peak(5, 7).bytes == 7
    assert Peak(5).bytes == 5
