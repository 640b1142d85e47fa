"""Why the timings of one machine may be doubted, a line for each reason."""

from collections.abc import Iterator, Sequence

from bench.report.rows import Row, of_kind, ratio_of
from loops.measure.ratios import FEWEST_PAIRS, NOISY

HALTING = 1.5  # the slowest epoch of a training over the fastest; beyond it, seconds say little
SWEPT = ("step", "epoch", "rung", "peer")  # kinds whose rows are told apart by batch size


def noise_lines(rows: Sequence[Row], *, load_at_start: float, cores: int) -> list[str]:
    """What the positive control showed, then each reason to doubt; `load_at_start` is the load average."""
    timed = [row for row in rows if "relative_iqr" in row]
    lines = [_planted(row) for row in of_kind(rows, "planted")]
    lines += [
        f"noise: {reason}" for reason in (*_of_samples(timed), *_of_trainings(rows), *_of_controls(timed))
    ]
    if load_at_start > cores:
        lines.append(f"noise: load average {load_at_start:.1f} at the start on {cores} cores")
    return lines


def _planted(row: Row) -> str:
    found = ratio_of(row).low > 1
    return (
        f"positive control: {row['slowdown']:.0%} planted in the tape's step show as {ratio_of(row)}: "
        f"{'detected' if found else 'NOT detected, this machine is too noisy now'}"
    )


def _of_samples(timed: Sequence[Row]) -> Iterator[str]:
    noisy = [row for row in timed if row["relative_iqr"] > NOISY]
    if noisy:
        yield f"interquartile range over {NOISY:.0%} of the median: {_by_kind(noisy)}"


def _of_trainings(rows: Sequence[Row]) -> Iterator[str]:
    trainings = [
        (row["loop"], min(row["epoch_seconds"]), max(row["epoch_seconds"]))
        for row in of_kind(rows, "training")
    ]
    halting = [f"{loop} {low:.1f} to {high:.1f} s" for loop, low, high in trainings if high > HALTING * low]
    if halting:
        yield f"epochs of one training differ, the machine halted: {', '.join(halting)}"


def _of_controls(timed: Sequence[Row]) -> Iterator[str]:
    controls = [ratio_of(row) for row in timed if row.get("control")]
    off = [str(ratio) for ratio in controls if ratio.excludes(1)]
    if off:
        yield f"the A/A control (fit against fit) excludes 1: {', '.join(off)}"
    if any(row["pairs"] < FEWEST_PAIRS for row in timed):
        yield f"intervals of fewer than {FEWEST_PAIRS} pairs cover the truth less often than they say"
    if timed and not controls:
        yield "no A/A control was measured; faster and slower rest on the interval alone"


def _by_kind(rows: Sequence[Row]) -> str:
    """The rows' names, kind by kind."""
    kinds = dict.fromkeys(row["kind"] for row in rows)
    return "; ".join(f"{kind}: {', '.join(map(_name, of_kind(rows, kind)))}" for kind in kinds)


def _name(row: Row) -> str:
    return f"{row['arm']} at {row['batch_size']}" if row["kind"] in SWEPT else str(row["arm"])
