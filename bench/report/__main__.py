"""Saved JSON to tables and plots: `python -m bench.report FILE.json [FILE.json …]`.

Two files, one from a machine with a GPU and one without, give the GPU-against-CPU table.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.report.closing import all_tables
from bench.report.pages import ROOT, write_pages
from bench.report.plots import write_plots
from bench.report.saved import RESULTS, ReportError, Saved, all_rows, archive, load, load_results, remarks


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; with --write, put them in the pages and draw the plots."""
    options = _parser().parse_args(arguments)
    try:
        files = [load(path) for path in options.files] or load_results()
        _report(files, options)
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename}: cannot be written ({error.strerror})", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.report", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "files", nargs="*", type=Path, help="JSON of `pytest bench`; default: bench/results/*.json"
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw the plots there")
    parser.add_argument(
        "--keep", action="store_true", help="first copy the files to bench/results, named by machine"
    )
    parser.add_argument("--write", action="store_true", help="update README.md, docs/*.md and docs/plots")
    return parser


def _report(files: Sequence[Saved], options: argparse.Namespace) -> None:
    if options.keep:
        for file in files:
            print(f"kept: {archive(file.path, RESULTS)}")
        files = load_results()
    rows = all_rows(files)
    print("\n\n".join([table.as_text() for table in all_tables(rows)] + ["\n".join(remarks(files))]))
    if options.write:
        write_pages(files)
    folder = options.plots or (ROOT / "docs" / "plots" if options.write else None)
    if folder:
        print("\n" + "\n".join(f"drawn: {path}" for path in write_plots(rows, folder)))


if __name__ == "__main__":
    sys.exit(main())
