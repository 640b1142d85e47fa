"""What a replay of a public thread found, and the verdict that follows from it."""

from dataclasses import dataclass

from loops.measure.ratios import Ratio

STILL, SMALLER, NO_LONGER, NOT_SHOWN = "still so", "still so, but less", "no longer", "no difference shown"
UNDECIDED = "undecided: the interval holds both 1 and the reported factor"
DIRECTION = 0.01  # a factor that is this near to 1 stands for a direction alone


@dataclass(frozen=True)
class Finding:
    """One figure: what over what, its ratio with its interval where it is one, and words beside it."""

    what: str
    ratio: Ratio | None = None
    words: str = ""

    def text(self) -> str:
        """The figure as the page shows it."""
        told = f"{self.what}: {short(self.ratio)}" if self.ratio else self.what
        return f"{told}; {self.words}" if self.words else told


def short(ratio: Ratio) -> str:
    """A ratio with three significant digits."""
    return f"{ratio.median:.3g} [{ratio.low:.3g}, {ratio.high:.3g}]"


def verdict_on(ratio: Ratio, reported: float) -> str:
    """Whether a reported ratio still holds: in its direction, and in its size."""
    if not ratio.excludes(1):
        if abs(reported - 1) > DIRECTION and not ratio.excludes(reported):
            return UNDECIDED
        return f"{NO_LONGER}: {NOT_SHOWN}"
    if (ratio.median > 1) != (reported > 1):
        return f"{NO_LONGER}: it is the other way round"
    less = ratio.high < reported if reported > 1 else ratio.low > reported
    return SMALLER if less else STILL
