"""What the fault tests of this session have tried, for the line that closes the run."""

from collections import Counter

COUNTS: Counter[str] = Counter()


def count(**more: int) -> None:
    """Add to the counts by name; a name with 0 is shown too."""
    for name, number in more.items():
        COUNTS[name] += number
