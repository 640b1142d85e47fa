"""Saved JSON to tables and plots: `python -m bench.report FILE.json [FILE.json …]`.

Two files, one from a machine with a GPU and one without, give the GPU-against-CPU table.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.plots import write_plots
from bench.tables import Row, all_tables, noise_lines

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
README = ROOT / "README.md"
LADDER = "The ladder of the fast loop, with its input"
# The pages that show committed figures, and which tables; None is all of them, with the remarks on noise
PAGES: dict[Path, tuple[str, ...] | None] = {
    README: ("Full training", "Step time at batch size 300", LADDER),
    ROOT / "docs" / "speed.md": (LADDER,),
    ROOT / "docs" / "figures.md": None,
}
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->"


class ReportError(Exception):
    """A file that is no saved benchmark of this suite."""


@dataclass(frozen=True)
class Saved:
    """What one file holds: its rows, and what the suite noted of the machine."""

    path: Path
    rows: list[Row]
    facts: dict[str, Any]

    def described(self) -> str:
        """One line on where it was measured."""
        facts = self.facts
        gpu = f", {facts['gpu']}" if facts["gpu"] else ""
        return (
            f"{self.path.stem}: {facts['cpu']}{gpu}, {facts['cores']} cores, "
            f"TensorFlow {facts['tensorflow']}, Keras {facts['keras']}, "
            f"oneDNN {'on' if facts['onednn'] else 'off'}, load {facts['load_at_start']:.1f} at the start"
        )

    def noise(self) -> list[str]:
        """A line for each reason to doubt its timings."""
        return noise_lines(self.rows, load_at_start=self.facts["load_at_start"], cores=self.facts["cores"])


def load(path: Path) -> Saved:
    """What `pytest bench --benchmark-json` saved in `path`.

    Raises:
        ReportError: the file is missing, is no JSON or holds no row of this suite.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        found = [row["extra_info"] for row in saved["benchmarks"] if "kind" in row["extra_info"]]
        rows = [row | {"machine": path.stem} for row in found]
        facts = machine_facts(saved)
    except FileNotFoundError:
        raise ReportError(
            f"{path}: no such file. Make one with `pytest bench --benchmark-json {path}`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ReportError(f"{path}: not JSON that `pytest bench --benchmark-json` has written.") from None
    if not rows:
        raise ReportError(f"{path}: holds no row of this suite. Was it written by `pytest bench`?")
    return Saved(path, rows, facts)


def machine_facts(saved: dict[str, Any]) -> dict[str, Any]:
    """What a file says of its machine, the GPU too where a process of its own measured it."""
    info = saved["machine_info"]
    return {**info["fit_vs_tape"], "gpu": info.get("fit_vs_tape_gpu", info["fit_vs_tape"])["gpu"]}


def keep(path: Path, folder: Path) -> Path:
    """Copy a saved benchmark into `folder` under its machine's name, without the host's own name."""
    saved = json.loads(path.read_text(encoding="utf-8"))
    saved["machine_info"].pop("node", None)
    facts = machine_facts(saved)
    words = re.sub(r"\((R|TM)\)", "", f"{facts['cpu']} {facts['cores']} cores {facts['gpu'] or ''}").lower()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{'-'.join(re.findall('[a-z0-9]+', words))}.json"
    kept.write_text(json.dumps(saved, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return kept


def all_rows(files: Sequence[Saved]) -> list[Row]:
    """The rows of all files together."""
    return [row for file in files for row in file.rows]


def remarks(files: Sequence[Saved]) -> list[str]:
    """Where each file was measured, and each reason to doubt it, named by file where there are several."""
    lines = [file.described() for file in files]
    for file in files:
        lines += [f"{file.path.stem}: {line}" if len(files) > 1 else line for line in file.noise()]
    return lines


def markdown(files: Sequence[Saved], titles: Sequence[str] | None = None) -> str:
    """The tables of all `files` together, those of `titles` or all, with machines and noise said."""
    tables = [table for table in all_tables(all_rows(files)) if titles is None or table.title in titles]
    lines = [f"- {line}" for line in remarks(files)]
    return "\n\n".join([table.as_markdown() for table in tables] + ["\n".join(lines)]) + "\n"


def with_figures(text: str, figures: str) -> str:
    """`text` with what stands between its two markers replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + figures + END + after


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; with --write, put them in the README and draw the plots."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__.splitlines()[0])
    parser.add_argument(
        "files", nargs="*", type=Path, help="JSON of `pytest bench`; default: bench/results/*.json"
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw the plots there")
    parser.add_argument(
        "--keep", action="store_true", help="first copy the files to bench/results, named by machine"
    )
    parser.add_argument("--write", action="store_true", help="update README.md, docs/*.md and docs/plots")
    options = parser.parse_args(arguments)
    try:
        files = [load(path) for path in options.files or sorted(RESULTS.glob("*.json"))]
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        _report(files, options)
    except OSError as error:
        print(f"error: {error.filename}: cannot be written ({error.strerror})", file=sys.stderr)
        return 1
    return 0


def _report(files: Sequence[Saved], options: argparse.Namespace) -> None:
    if options.keep:
        for file in files:
            print(f"kept: {keep(file.path, RESULTS)}")
        files = [load(path) for path in sorted(RESULTS.glob("*.json"))]
    rows = all_rows(files)
    print("\n\n".join([table.as_text() for table in all_tables(rows)] + ["\n".join(remarks(files))]))
    if options.write:
        for page, titles in PAGES.items():
            text = with_figures(page.read_text(encoding="utf-8"), markdown(files, titles))
            page.write_text(text, encoding="utf-8")
    folder = options.plots or (ROOT / "docs" / "plots" if options.write else None)
    if folder:
        print("\n" + "\n".join(f"drawn: {path}" for path in write_plots(rows, folder)))


if __name__ == "__main__":
    sys.exit(main())
