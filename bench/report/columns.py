"""The cells that several tables share: each from a row to a string."""

from collections.abc import Callable, Sequence

from bench.report.rows import Row, control_of, ratio_of, where
from loops.measure.ratios import verdict


def arm(row: Row) -> str:
    """What was timed."""
    return str(row["arm"])


def batch_size(row: Row) -> str:
    """Images in a batch."""
    return str(row["batch_size"])


def milliseconds(row: Row) -> str:
    """The median step's milliseconds."""
    return f"{row['ms_per_step']:.2f}"


def rate(row: Row) -> str:
    """Images a second."""
    return f"{row['images_per_second']:,.0f}"


def ratio(row: Row) -> str:
    """The ratio to the reference with its interval."""
    return str(ratio_of(row))


def verdict_among(rows: Sequence[Row]) -> Callable[[Row], str]:
    """The word for a row's ratio, held against the A/A control among `rows`."""

    def word(row: Row) -> str:
        return "A/A control" if row.get("control") else verdict(ratio_of(row), control_of(rows, row))

    return word


def measured(rows: Sequence[Row]) -> dict[str, Callable[[Row], str]]:
    """The columns of a step that was timed against fit()'s: where, at which batch size, and what came out."""
    return {
        "device": where,
        "batch": batch_size,
        "ms/step": milliseconds,
        "images/s": rate,
        "ratio to fit [95 %]": ratio,
        "verdict": verdict_among(rows),
    }
