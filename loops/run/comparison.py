"""Two run folders side by side as text: settings, scores, classes, time, and where they first part."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loops.data import CLASS_NAMES
from loops.errors import UserError
from loops.files import CONFIG, RESULT, read_json
from loops.run.environment import different, word

SCORES = ("test_accuracy", "test_loss", "f1_micro", "f1_macro")
Result = Mapping[str, Any]


class ComparisonError(UserError):
    """A folder that holds no finished run."""


def compare_runs(one: Path, two: Path) -> str:
    """What differs between two finished runs.

    Raises:
        ComparisonError: one of them is no folder of a finished run.
    """
    results = [_finished(folder) for folder in (one, two)]
    configs = [read_json(folder / CONFIG) for folder in (one, two)]
    rows = [("", one.name, two.name, "difference"), *_scores(*results), *_times(*results)]
    parts = [
        _settings("config", *configs),
        _settings("environment", *(result["environment"] for result in results)),
        _aligned(rows),
        "F1 by class\n" + _aligned(_classes(*results)),
        _first_divergence(*results),
    ]
    return "\n\n".join(parts)


def _finished(folder: Path) -> Result:
    result = read_json(folder / RESULT)
    if result.get("status") == "done":
        return result
    if not (folder / CONFIG).is_file():
        raise ComparisonError(f"{folder}: is not a run's folder. Name two finished runs, as in runs/NAME.")
    state = result.get("status", "unfinished: running or killed")
    raise ComparisonError(
        f"{folder}: this run is {state}. Finish it with --resume {folder.name}, then compare."
    )


def _settings(title: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    facts = [key for key in {**a, **b} if key != "variables"]  # whose rows are by their own names
    odd = [(f"  {key}", *(word(key, each) for each in pair)) for key, pair in different(a, b, facts).items()]
    return f"{title}: the same" if not odd else f"{title} differs\n" + _aligned(odd)


def _scores(a: Result, b: Result) -> list[tuple[str, ...]]:
    return [(key, f"{a[key]:.4f}", f"{b[key]:.4f}", f"{b[key] - a[key]:+.4f}") for key in SCORES]


def _times(a: Result, b: Result) -> list[tuple[str, ...]]:
    names = ("train_seconds", "images_per_second")
    return [(key, f"{a[key]:,.1f}", f"{b[key]:,.1f}", f"{b[key] / a[key]:.3f} times") for key in names]


def _classes(a: Result, b: Result) -> list[tuple[str, ...]]:
    pairs = zip(CLASS_NAMES, class_f1(a["confusion"]), class_f1(b["confusion"]), strict=True)
    return [(f"  {name}", f"{one:.4f}", f"{two:.4f}", f"{two - one:+.4f}") for name, one, two in pairs]


def class_f1(confusion: Sequence[Sequence[int]]) -> list[float]:
    """F1 of each class from its confusion matrix: 2·hits / (row sum + column sum)."""
    columns = [sum(row[index] for row in confusion) for index in range(len(confusion))]
    totals = [sum(row) + column for row, column in zip(confusion, columns, strict=True)]
    return [2 * confusion[index][index] / max(total, 1) for index, total in enumerate(totals)]


def _first_divergence(a: Result, b: Result) -> str:
    """The first epoch whose metrics differ; weights are compared at the end, by their hash."""
    if a["weights_sha256"] == b["weights_sha256"]:
        return "weights: bit-identical (SHA-256 " + a["weights_sha256"][:16] + "…)"
    for one, two in zip(a["history"], b["history"], strict=False):
        odd = [name for name in one["metrics"] if one["metrics"][name] != two["metrics"].get(name)]
        if odd:
            name = odd[0]
            where = (
                f"epoch {one['epoch'] + 1}, {name}: {one['metrics'][name]!r} and {two['metrics'].get(name)!r}"
            )
            return f"weights: differ; metrics first differ in {where}"
    return "weights: differ, though all epochs' metrics that both have agree"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
