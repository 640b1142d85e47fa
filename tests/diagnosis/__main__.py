"""Prints how often `diagnose` names the right cause of generated mistakes."""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.diagnosis.generate import Generated, right_cases, wrong_cases
from tests.diagnosis.outcome import Outcome, score, table
from tests.diagnosis.running import outcomes

WRONG, RIGHT, PAIRS = 320, 70, 60  # cases


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate, diagnose, print; 0 where no right loop was accused."""
    options = _options().parse_args(arguments)
    with _folder(options.keep) as folder:
        found: list[Outcome] = []
        cases = _chosen(options)
        for each in outcomes(cases, folder, options.steps, options.jobs):
            found.append(each)
            if each.what != "right":
                print(f"{each.what}: {each.case.name}: {each.error or each.verdict}", flush=True)
            print(f"{len(found)} of {len(cases)}", end="\r", file=sys.stderr, flush=True)
    wrong = [each for each in found if not each.case.right]
    right = [each for each in found if each.case.right]
    print(f"\n{table(wrong)}\n")
    alarms = score(right).counts["alarm"]
    print(f"right loops: {len(right)}, false alarms: {alarms}, errors: {score(right).counts['error']}")
    print(f"longest: {max((each.seconds for each in found), default=0):.1f} s")
    if options.json:
        rows = [{**asdict(each), "what": each.what} for each in found]
        options.json.write_text(
            json.dumps({"seed": options.seed, "steps": options.steps, "cases": rows}, indent=1)
        )
    return 1 if alarms else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.diagnosis", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wrong", type=int, default=WRONG, help=f"cases with a mistake (default {WRONG})")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"of these, with two (default {PAIRS})")
    parser.add_argument("--right", type=int, default=RIGHT, help=f"right loops (default {RIGHT})")
    parser.add_argument("--family", help="only this family of mistakes")
    parser.add_argument("--kind", help="only this kind of model")
    parser.add_argument("--steps", type=int, default=20, help="that each diagnosis compares (default 20)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--keep", type=Path, help="write the case files into this folder")
    parser.add_argument("--json", type=Path, help="write all outcomes into this file")
    return parser


def _chosen(options: argparse.Namespace) -> list[Generated]:
    cases = [
        *wrong_cases(options.seed, options.wrong, min(options.pairs, options.wrong)),
        *right_cases(options.seed, options.right),
    ]
    return [
        each for each in cases if options.family in (None, each.family) and options.kind in (None, each.kind)
    ]


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
