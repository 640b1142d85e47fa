"""Saved JSON to tables and plots: `python -m bench.report FILE.json [FILE.json …]`.

Two files, one from a machine with a GPU and one without, give the GPU-against-CPU table.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
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


def load_rows(path: Path) -> list[Row]:
    """The rows that `pytest bench --benchmark-json` saved in `path`.

    Raises:
        ReportError: the file is missing, is no JSON or holds no row of this suite.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        found = [row["extra_info"] for row in saved["benchmarks"] if "kind" in row["extra_info"]]
        rows = [row | {"machine": path.stem} for row in found]
    except FileNotFoundError:
        raise ReportError(
            f"{path}: no such file. Make one with `pytest bench --benchmark-json {path}`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise ReportError(f"{path}: not JSON that `pytest bench --benchmark-json` has written.") from None
    if not rows:
        raise ReportError(f"{path}: holds no row of this suite. Was it written by `pytest bench`?")
    return rows


def machine_facts(saved: dict[str, Any]) -> dict[str, Any]:
    """What a file says of its machine, the GPU too where a process of its own measured it."""
    info = saved["machine_info"]
    return {**info["fit_vs_tape"], "gpu": info.get("fit_vs_tape_gpu", info["fit_vs_tape"])["gpu"]}


def describe_machine(path: Path) -> str:
    """One line on where a file was measured."""
    facts = machine_facts(json.loads(path.read_text(encoding="utf-8")))
    gpu = f", {facts['gpu']}" if facts["gpu"] else ""
    return (
        f"{path.stem}: {facts['cpu']}{gpu}, {facts['cores']} cores, TensorFlow {facts['tensorflow']}, "
        f"Keras {facts['keras']}, oneDNN {'on' if facts['onednn'] else 'off'}, "
        f"load {facts['load_at_start']:.1f} at the start"
    )


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


def markdown(paths: Sequence[Path], titles: Sequence[str] | None = None) -> str:
    """The tables of all `paths` together and their machines: those of `titles`, or all, with noise said."""
    rows = [row for path in paths for row in load_rows(path)]
    tables = [table for table in all_tables(rows) if titles is None or table.title in titles]
    machines = [f"- {describe_machine(path)}" for path in paths]
    remarks = [f"- {line}" for line in noise_lines(rows, load_at_start=0.0)]
    return "\n\n".join([table.as_markdown() for table in tables] + ["\n".join(machines + remarks)]) + "\n"


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
    paths = options.files or sorted(RESULTS.glob("*.json"))
    try:
        rows = [row for path in paths for row in load_rows(path)]
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.keep:
        for path in options.files:
            print(f"kept: {keep(path, RESULTS)}")
        paths = sorted(RESULTS.glob("*.json"))
        rows = [row for path in paths for row in load_rows(path)]
    print("\n\n".join(table.as_text() for table in all_tables(rows)))
    if options.write:
        for page, titles in PAGES.items():
            text = with_figures(page.read_text(encoding="utf-8"), markdown(paths, titles))
            page.write_text(text, encoding="utf-8")
    folder = options.plots or (ROOT / "docs" / "plots" if options.write else None)
    if folder:
        print("\n" + "\n".join(f"drawn: {path}" for path in write_plots(rows, folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
