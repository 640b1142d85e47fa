"""What `pytest bench --benchmark-json` saved: its rows, its machine, and its archived copy."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report.noise import noise_lines
from bench.report.rows import Row

RESULTS = Path(__file__).parents[1] / "results"  # the committed files
WORKERS_FOLDER = "workers"  # of files that hold rows of workers alone


class ReportError(Exception):
    """A file that is no saved benchmark of this suite."""


@dataclass(frozen=True)
class Saved:
    """What one file holds: its rows, and what the suite noted of the machine."""

    path: Path
    rows: list[Row]
    facts: dict[str, Any]

    def machine(self) -> str:
        """Where it was measured: processor, versions, settings and load."""
        facts = self.facts
        gpu = f", {facts['gpu']}" if facts["gpu"] else ""
        quota = f" (by quota {facts['cpu_quota']:g})" if facts.get("cpu_quota") else ""
        variables = "".join(f", {name}={value}" for name, value in facts.get("variables", {}).items())
        return (
            f"{facts['cpu']}{gpu}, {facts['cores']} cores{quota}, "
            f"TensorFlow {facts['tensorflow']}, Keras {facts['keras']}, "
            f"oneDNN {'on' if facts['onednn'] else 'off'}{variables}, "
            f"load {facts['load_at_start']:.1f} at the start"
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


def load_results() -> list[Saved]:
    """All committed files."""
    return [load(path) for path in sorted(RESULTS.glob("*.json"))]


def machine_facts(saved: dict[str, Any]) -> dict[str, Any]:
    """What a file says of its machine, the GPU too where a process of its own measured it."""
    info = saved["machine_info"]
    return {**info["fit_vs_tape"], "gpu": info.get("fit_vs_tape_gpu", info["fit_vs_tape"])["gpu"]}


def archive(path: Path, folder: Path) -> Path:
    """Copy a saved benchmark into `folder` under its machine's name, without the host's own name."""
    saved = json.loads(path.read_text(encoding="utf-8"))
    saved["machine_info"].pop("node", None)
    facts = machine_facts(saved)
    words = re.sub(r"\((R|TM)\)", "", f"{facts['cpu']} {facts['cores']} cores {facts['gpu'] or ''}").lower()
    if {row["extra_info"].get("kind") for row in saved["benchmarks"]} == {"workers"}:
        folder = folder / WORKERS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{'-'.join(re.findall('[a-z0-9]+', words))}.json"
    copy.write_text(json.dumps(saved, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return copy


def all_rows(files: Sequence[Saved]) -> list[Row]:
    """The rows of all files together."""
    return [row for file in files for row in file.rows]


def remarks(files: Sequence[Saved]) -> list[str]:
    """Where each file was measured, and each reason to doubt it, named by file where there are several."""
    lines = [f"{file.path.stem}: {file.machine()}" for file in files]
    for file in files:
        lines += [f"{file.path.stem}: {line}" if len(files) > 1 else line for line in file.noise()]
    return lines
