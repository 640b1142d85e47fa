"""From measured rows to pictures: ratios, where a step goes, distance to the floor, GPU against CPU."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from bench.report.costs import step_shares
from bench.report.floor import times_the_floor
from bench.report.rows import Row, fastest_rungs, of_kind, place, ratio_of, several_machines
from bench.sweep import BATCH_SIZE

Draw = Callable[[Any, Sequence[Row]], None]


def write_plots(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw every plot that `rows` hold data for, as PNG files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = [row for row in of_kind(rows, "step") if not row["control"]]
    measured_floor = any(times_the_floor(row, rows) for row in steps)
    drawings: dict[str, tuple[Draw, bool]] = {
        "ratio-by-batch-size": (draw_ratios, bool(steps)),
        "step-breakdown": (draw_breakdown, bool(of_kind(rows, "part"))),
        "times-the-floor": (draw_floor, measured_floor),
        "gpu-against-cpu": (draw_devices, any(row["device"] == "gpu" for row in steps)),
    }
    written = []
    for name, (draw, has_data) in drawings.items():
        if has_data:
            figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
            draw(axes, rows)
            written.append(folder / f"{name}.png")
            figure.savefig(written[-1], dpi=110)
            plt.close(figure)
    return written


def draw_ratios(axes: Any, rows: Sequence[Row]) -> None:
    """Step time over fit()'s with its interval, by batch size, a line for each loop and device."""
    steps = [row for row in of_kind(rows, "step") if not row["control"]] + picked_rungs(rows)
    for (arm, *where), own in shown(steps).items():
        sizes, ratios = zip(*[(row["batch_size"], ratio_of(row)) for row in own], strict=True)
        medians = [ratio.median for ratio in ratios]
        below = [ratio.median - ratio.low for ratio in ratios]
        above = [ratio.high - ratio.median for ratio in ratios]
        axes.errorbar(sizes, medians, (below, above), marker="o", capsize=4, label=label_of(arm, where, rows))
    axes.axhline(1, color="black", linewidth=1, label="fit()")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="batch size",
        ylabel="step time / fit() step time",
        title="Step time against fit(), median of pairs with 95 % interval",
    )
    ticks_x = sorted({row["batch_size"] for row in steps})
    axes.set_xticks(ticks_x, [str(size) for size in ticks_x])
    axes.minorticks_off()
    ticks = [0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.grid(alpha=0.3)
    legend_below(axes, rows)


def picked_rungs(rows: Sequence[Row]) -> list[Row]:
    """The rungs that `--fast` picks, under that one name."""
    return [{**row, "arm": "tape --fast"} for row in fastest_rungs(rows)]


def by_line(steps: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Rows by arm and place, each line's in the order of batch sizes."""
    lines = sorted({(row["arm"], *place(row)) for row in steps})
    ordered = sorted(steps, key=lambda row: int(row["batch_size"]))
    return {line: [row for row in ordered if (row["arm"], *place(row)) == line] for line in lines}


def shown(steps: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """The lines that are drawn: of several machines those over several batch sizes only."""
    lines = by_line(steps)
    several = {line: own for line, own in lines.items() if len(own) > 1}
    return several if several_machines(steps) and several else lines


def legend_below(axes: Any, rows: Sequence[Row]) -> None:
    """A legend under the axes; a line for each entry where these name machines, and room for it."""
    entries = len(axes.get_legend_handles_labels()[1])
    several = several_machines(rows)
    if several:
        axes.figure.set_figheight(axes.figure.get_figheight() + 0.2 * entries)
    axes.figure.legend(ncols=1 if several else 3, loc="outside lower center", frameon=False)


def label_of(arm: str, where: Sequence[str], rows: Sequence[Row]) -> str:
    """The arm and its device, and the machine where there are several."""
    machine, device, _ = where
    return f"{arm}, {device}{f' ({machine})' if several_machines(rows) else ''}"


def draw_breakdown(axes: Any, rows: Sequence[Row]) -> None:
    """Stacked shares of a step, a bar for each device."""
    parts = of_kind(rows, "part")
    places = list(dict.fromkeys(place(row) for row in parts))
    for where in places:
        device, left = label_of(where[2], where, rows).replace(", ", "\n"), 0.0
        shares = step_shares([row for row in parts if place(row) == where])
        for index, (part, share) in enumerate(shares.items()):
            label = part if where == places[0] else None
            axes.barh(device, share, left=left, color=f"C{index}", label=label)
            if share > 0.05:
                axes.text(
                    left + share / 2, device, f"{part}\n{share:.0%}", ha="center", va="center", color="white"
                )
            left += share
    axes.set(
        xlabel="share of the whole step", title=f"Where a step of the tape goes, batch size {BATCH_SIZE}"
    )
    axes.axvline(1, color="black", linewidth=1)
    axes.figure.legend(ncols=5, loc="outside lower center", frameon=False)


def draw_floor(axes: Any, rows: Sequence[Row]) -> None:
    """Times the floor at the post's batch size, a bar for each loop and device."""
    steps = [row for row in of_kind(rows, "step") + picked_rungs(rows) if row["batch_size"] == BATCH_SIZE]
    found = [(f"{row['arm']}, {row['device']}", times_the_floor(row, rows)) for row in steps]
    found = [(name, times) for name, times in found if times]
    for name, times in found:
        axes.barh(name, times, color="C0")
        axes.text(times, name, f" {times:.1f}", va="center")
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=1)
    axes.margins(x=0.1)
    axes.set(
        xlabel="times the floor (1 = the machine's own rates)",
        title=f"Distance to the floor, batch size {BATCH_SIZE}",
    )


def draw_devices(axes: Any, rows: Sequence[Row]) -> None:
    """Images a second by batch size, a line for each loop and device; only where a GPU was measured."""
    steps = [row for row in of_kind(rows, "step") if not row["control"]]
    for (arm, *where), own in shown(steps).items():
        points = [(row["batch_size"], row["images_per_second"]) for row in own]
        axes.plot(*zip(*points, strict=True), marker="o", label=label_of(arm, where, rows))
    axes.set(xscale="log", yscale="log", xlabel="batch size", ylabel="images/s", title="GPU against CPU")
    axes.grid(alpha=0.3)
    legend_below(axes, rows)
