"""What a diagnosis made of a generated case, and the tables of how often it was right."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.diagnosis.generate import Generated

SILENT = ("unexplained", "not comparable")
SAME = "identical"
HEADS = ("family", "cases", "right", "silent", "wrong", "missed", "recall", "precision", "median s")


@dataclass(frozen=True)
class Outcome:
    """The verdict with its details, and how long it took; `error` where there is none."""

    case: Generated
    verdict: str
    told: str
    seconds: float
    error: str = ""

    @property
    def what(self) -> str:
        """right, silent (no cause is named), missed (identical, though wrong), wrong, error or alarm."""
        if self.error:
            return "error"
        if self.case.right:
            return "right" if self.verdict.startswith(SAME) else "alarm"
        if self.verdict.startswith(SILENT):
            return "silent"
        if self.verdict.startswith(SAME):
            return "missed"
        return (
            "right" if re.search(self.case.expect, f"{self.verdict}\n{self.told}", re.IGNORECASE) else "wrong"
        )


@dataclass(frozen=True)
class Score:
    """Counts of outcomes by what they are."""

    counts: Mapping[str, int]
    seconds: float

    @property
    def cases(self) -> int:
        return sum(self.counts.values())

    @property
    def recall(self) -> float:
        """Of the wrong loops, the share whose cause was named."""
        return self.counts["right"] / self.cases if self.cases else 1.0

    @property
    def precision(self) -> float:
        """Of the causes that were named, the share that was right."""
        named = self.counts["right"] + self.counts["wrong"]
        return self.counts["right"] / named if named else 1.0


def score(outcomes: Sequence[Outcome]) -> Score:
    """The counts of some outcomes."""
    kinds = ("right", "silent", "wrong", "missed", "error", "alarm")
    counts = {kind: sum(each.what == kind for each in outcomes) for kind in kinds}
    return Score(counts, median(each.seconds for each in outcomes) if outcomes else 0.0)


def table(outcomes: Iterable[Outcome]) -> str:
    """A Markdown table by family, pairs in one row, the total last."""
    by_family: dict[str, list[Outcome]] = {}
    for each in outcomes:
        family = "two mistakes at once" if " + " in each.case.family else each.case.family
        by_family.setdefault(family, []).append(each)
    rows = [_row(family, score(own)) for family, own in by_family.items()]
    total = score([each for own in by_family.values() for each in own])
    lines = [HEADS, ("---",) + ("---:",) * (len(HEADS) - 1), *rows, _row("**all**", total)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(family: str, own: Score) -> tuple[str, ...]:
    counts = own.counts
    return (
        family.replace("_", " "),
        str(own.cases),
        *(str(counts[kind]) for kind in ("right", "silent", "wrong")),
        str(counts["missed"] + counts["error"]),
        f"{own.recall:.2f}",
        f"{own.precision:.2f}",
        f"{own.seconds:.1f}",
    )
