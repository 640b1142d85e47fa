"""The pages of the project: they show the figures that are committed."""

from pathlib import Path

import pytest

from bench.report import pages
from bench.report.pages import PAGES, ROOT, only, with_figures, write_pages
from bench.report.saved import load, load_results
from bench.report.steps import LADDER, STEP_TIME
from bench.report.trainings import FULL_TRAINING
from bench.report.workers import MODEL, WORKERS
from tests.bench.rows import ROWS, save

BOLD = {
    "README.md": ["Does it compute the same?", "Is it faster?", "What does a GPU buy?"],
    "bench.md": [FULL_TRAINING, STEP_TIME, LADDER],
    "speed.md": [LADDER],
    "scaling.md": [WORKERS, MODEL],
    "figures.md": [FULL_TRAINING, STEP_TIME, LADDER, "Memory over steps", "Cost of keeping a training"],
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_shows_the_committed_figures(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert with_figures(text, PAGES[page](load_results())) == text
    for title in BOLD[page.name]:
        assert f"**{title}**" in text


def test_pages_are_those_of_this_project() -> None:
    assert (ROOT / "pyproject.toml").exists()
    assert {page.name for page in PAGES} == set(BOLD)


def test_only_leaves_other_tables_out(tmp_path: Path) -> None:
    save(tmp_path / "cpu.json", [*ROWS, ROWS[1] | {"batch_size": 8}])
    files = [load(tmp_path / "cpu.json")]
    assert "Step time by batch size" in pages.markdown(files)
    assert "Step time by batch size" not in only(STEP_TIME)(files)
    assert f"**{STEP_TIME}**" in only(STEP_TIME)(files)


def test_text_around_the_markers_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{pages.BEGIN}old\n{pages.END}after\n")
    monkeypatch.setattr(pages, "PAGES", {page: lambda files: f"{len(files)} files\n"})
    write_pages([])
    assert page.read_text() == f"before\n{pages.BEGIN}0 files\n{pages.END}after\n"
