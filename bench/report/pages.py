"""The pages that show committed figures: which figures each has between its two markers."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.report.closing import all_tables
from bench.report.floor import NEEDED
from bench.report.headlines import headlines
from bench.report.peers import PEERS
from bench.report.saved import RESULTS, WORKERS_FOLDER, Saved, all_rows, load, remarks
from bench.report.steps import LADDER, STEP_TIME
from bench.report.trainings import FULL_TRAINING
from bench.report.workers import model_table, workers_table

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->"

Renderer = Callable[[Sequence[Saved]], str]


def markdown(files: Sequence[Saved], titles: Sequence[str] | None = None) -> str:
    """The tables of all `files` together, those of `titles` or all, with machines and noise said."""
    tables = [table for table in all_tables(all_rows(files)) if titles is None or table.title in titles]
    lines = [f"- {line}" for line in remarks(files)]
    return "\n\n".join([table.as_markdown() for table in tables] + ["\n".join(lines)]) + "\n"


def only(*titles: str) -> Renderer:
    """Renders the tables of these titles."""
    return lambda files: markdown(files, titles)


def of_workers(files: Sequence[Saved]) -> str:
    """The rows of workers and the model made of them, from files of their own: most benches have two rows."""
    own = [load(path) for path in sorted((RESULTS / WORKERS_FOLDER).glob("*.json"))]
    rows = all_rows(own)
    tables = [workers_table(rows), model_table(rows)]
    lines = [f"- {line}" for line in remarks(own)]
    return "\n\n".join([table.as_markdown() for table in tables] + ["\n".join(lines)]) + "\n"


PAGES: dict[Path, Renderer] = {
    ROOT / "README.md": headlines,
    ROOT / "docs" / "bench.md": only(FULL_TRAINING, STEP_TIME, LADDER),
    ROOT / "docs" / "speed.md": only(LADDER, NEEDED, PEERS),
    ROOT / "docs" / "figures.md": markdown,
    ROOT / "docs" / "scaling.md": of_workers,
}


def write_pages(files: Sequence[Saved]) -> None:
    """Put the figures of `files` into every page."""
    for page, render in PAGES.items():
        text = with_figures(page.read_text(encoding="utf-8"), render(files))
        page.write_text(text, encoding="utf-8")


def with_figures(text: str, figures: str) -> str:
    """`text` with what stands between its two markers replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + figures + END + after
