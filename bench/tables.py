"""From measured rows to tables: pure functions on the `extra_info` of each benchmark."""

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.floor import floor_seconds
from bench.timing import FEWEST_PAIRS, NOISY, Ratio, independent_ratio, verdict

Row = Mapping[str, Any]
KIB, MIB = 2**10, 2**20
HALTING = 1.5  # the slowest epoch of a training over the fastest; beyond it, seconds say little


@dataclass(frozen=True)
class Table:
    """A titled table of strings."""

    title: str
    header: Sequence[str]
    body: Sequence[Sequence[str]]

    def as_text(self) -> str:
        """Aligned columns for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.body, strict=True)]
        lines = [self.header, ["─" * width for width in widths], *self.body]
        return "\n".join([self.title, *("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)])

    def as_markdown(self) -> str:
        """A Markdown table under its title in bold."""
        lines = [self.header, ["---"] * len(self.header), *self.body]
        return "\n".join([f"**{self.title}**", "", *(f"| {' | '.join(line)} |" for line in lines)])


def all_tables(rows: Sequence[Row]) -> list[Table]:
    """Every table that has a row; of several machines, each row's device is named with its machine."""
    if several_machines(rows):
        rows = [{**row, "where": f"{row['device']}, {row['machine']}"} for row in rows]
    tables = [
        training_table(rows),
        claim_table(rows),
        step_table(rows),
        batch_table(rows),
        epoch_table(rows),
        ladder_table(rows),
        scale_table(rows),
        memory_table(rows),
        keeping_table(rows),
        part_table(rows),
        floor_table(rows),
        device_table(rows),
        drift_table(rows),
    ]
    return [table for table in tables if table.body]


def closing_table(rows: Sequence[Row], *, load_at_start: float) -> str:
    """All that a run of the bench found, and each reason to doubt it."""
    noise = noise_lines(rows, load_at_start=load_at_start, cores=os.cpu_count() or 1)
    parts = [table.as_text() for table in all_tables(rows)] + noise
    if of_kind(rows, "step"):
        parts.append(
            "ms/step of two rows were taken minutes apart: compare loops by the ratio, which is paired."
        )
    return "\n\n".join(parts)


def training_table(rows: Sequence[Row]) -> Table:
    """Full trainings: loop × device with parity, scores, time and memory."""
    parities = {place(row): row["verdict"] for row in of_kind(rows, "parity")}
    header = [
        "loop",
        "device",
        "params",
        "test accuracy",
        "F1 micro",
        "F1 macro",
        "seconds",
        "images/s",
        "peak MiB, session",
        "parity",
    ]
    body = [
        [
            row["loop"],
            where(row),
            f"{row['params']:,}",
            f"{row['test_accuracy']:.2%}",
            f"{row['f1_micro']:.4f}",
            f"{row['f1_macro']:.4f}",
            f"{row['train_seconds']:.1f}",
            f"{row['images_per_second']:,.0f}",
            _mebibytes(row),
            parities.get(place(row), "") if row["loop"] in ("fit", "tape") else "",
        ]
        for row in of_kind(rows, "training")
    ]
    return Table("Full training", header, body)


def claim_table(rows: Sequence[Row]) -> Table:
    """Under which settings the two loops agree to the bit."""
    header = ["setting", "CPU", "TensorFlow", "trainings compared", "steps compared", "bit-identical"]
    body = [
        [
            row["arm"],
            row["device_name"],
            row["environment"]["tensorflow"],
            str(row["trained"]),
            str(row.get("steps", "")),
            f"{row['identical']} of {row['trained']}",
        ]
        for row in of_kind(rows, "claim")
    ]
    return Table("Where the claim holds: a few seeds each, with a partial last batch", header, body)


def step_table(rows: Sequence[Row]) -> Table:
    """Each loop variant's step at the post's batch size, against fit()'s."""
    steps = [row for row in of_kind(rows, "step") if row["batch_size"] == 300]
    header = ["step", "device", "ms/step", "images/s", "ratio to fit [95 %]", "verdict", "first call s"]
    body = [
        [
            row["arm"],
            where(row),
            f"{row['ms_per_step']:.2f}",
            f"{row['images_per_second']:,.0f}",
            str(ratio_of(row)),
            "A/A control" if row["control"] else verdict(ratio_of(row), _control_of(rows, row)),
            f"{row['first_call_seconds']:.2f}",
        ]
        for row in steps
    ]
    return Table("Step time at batch size 300", header, body)


def batch_table(rows: Sequence[Row]) -> Table:
    """The sweep over batch sizes: everything but the control."""
    steps = [row for row in of_kind(rows, "step") if not row["control"]]
    sizes = {row["batch_size"] for row in steps}
    header = ["step", "device", "batch", "ms/step", "images/s", "ratio to fit [95 %]", "verdict"]
    body = [
        [
            row["arm"],
            where(row),
            str(row["batch_size"]),
            f"{row['ms_per_step']:.2f}",
            f"{row['images_per_second']:,.0f}",
            str(ratio_of(row)),
            verdict(ratio_of(row), _control_of(rows, row)),
        ]
        for row in sorted(steps, key=lambda row: (where(row), row["arm"], row["batch_size"]))
        if len({other["batch_size"] for other in steps if other["arm"] == row["arm"]}) > 1
    ]
    return Table("Step time by batch size", header, body if len(sizes) > 1 else [])


def epoch_table(rows: Sequence[Row]) -> Table:
    """An epoch with its input pipeline, and inference."""
    header = ["what", "device", "batch", "ms/step", "seconds/epoch", "images/s"]
    header += ["against", "ratio [95 %]", "verdict"]
    body = [
        [
            f"{row['arm']} with input pipeline",
            where(row),
            str(row["batch_size"]),
            f"{row['ms_per_step']:.2f}",
            f"{row['ms_per_step'] * row['steps_per_epoch'] / 1000:.2f}",
            f"{row['images_per_second']:,.0f}",
            "fit",
            str(ratio_of(row)),
            "A/A control" if row.get("control") else verdict(ratio_of(row), _control_of(rows, row)),
        ]
        for row in of_kind(rows, "epoch")
    ]
    body += [
        [
            f"inference, {row['arm']}",
            where(row),
            str(row["batch_size"]),
            f"{row['ms_per_step']:.2f}",
            "",
            f"{row['images_per_second']:,.0f}",
            "predict_on_batch",
            str(ratio_of(row)),
            verdict(ratio_of(row), _control_of(rows, row)),
        ]
        for row in of_kind(rows, "inference")
    ]
    return Table("Epoch time with its input, and inference", header, body)


def ladder_table(rows: Sequence[Row]) -> Table:
    """The rungs of the fast loop against fit(), both with their input."""
    header = ["rung", "device", "batch", "ms/step", "images/s", "ratio to fit [95 %]", "verdict"]
    header += ["times the floor", "against fit's bits", "picked by --fast"]
    body = []
    for row in sorted(of_kind(rows, "rung"), key=lambda row: row["batch_size"] != 300):
        times = times_the_floor(row, rows)
        body.append(
            [
                row["arm"],
                where(row),
                str(row["batch_size"]),
                f"{row['ms_per_step']:.2f}",
                f"{row['images_per_second']:,.0f}",
                str(ratio_of(row)),
                verdict(ratio_of(row), _control_of(rows, row)),
                f"{times:.1f}" if times else "",
                f"first gradients within {row['ulps']} ULP" if row["ulps"] else "bit-identical",
                "yes" if row["chosen"] else "",
            ]
        )
    return Table("The ladder of the fast loop, with its input", header, body)


def scale_table(rows: Sequence[Row]) -> Table:
    """How much dearer a step gets, against what images drawn or operations counted would say."""
    body = [
        [row["arm"], where(row), f"{row['ms_per_step']:.2f}", str(ratio_of(row)), f"{row['expected']:.2f}"]
        for row in of_kind(rows, "scale")
    ]
    header = ["what", "device", "ms/step", "ratio to the plain step [95 %]", "by operations"]
    return Table("Cost against scale, batch size 300", header, body)


def memory_table(rows: Sequence[Row]) -> Table:
    """What a training holds of memory as steps go on."""
    body = [
        [
            row["arm"],
            where(row),
            f"{row['first_steps']} to {row['steps']}",
            f"{row['grown_bytes'] / KIB:+,.0f}",
        ]
        for row in of_kind(rows, "memory")
    ]
    return Table("Memory over steps", ["loop", "device", "steps", "growth KiB"], body)


def keeping_table(rows: Sequence[Row]) -> Table:
    """A save and an epoch's curves, as shares of an epoch's time."""
    body = []
    for row in of_kind(rows, "keeping"):
        low, middle, high = (
            row[key] / row["steps_per_epoch"] for key in ("ratio_low", "ratio", "ratio_high")
        )
        share = f"{middle:.2%} [{low:.2%}, {high:.2%}]"
        body.append([row["arm"], where(row), f"{row['ms_per_step']:.1f}", share])
    return Table(
        "Cost of keeping a training", ["what", "device", "ms an epoch", "share of an epoch [95 %]"], body
    )


def part_table(rows: Sequence[Row]) -> Table:
    """Where the tape's step goes, as shares of the whole step."""
    body = []
    parts = of_kind(rows, "part")
    for device in dict.fromkeys(map(where, parts)):
        shares = step_shares([row for row in parts if where(row) == device])
        body += [[part, device, f"{share:.1%}"] for part, share in shares.items()]
        body += [["sum", device, f"{sum(shares.values()):.1%}"]]
    return Table("Where a step goes (tape, batch size 300)", ["part", "device", "share of the step"], body)


def step_shares(parts: Sequence[Row]) -> dict[str, float]:
    """Shares by part; backward is "forward and backward" less "forward"."""
    ratios = {row["arm"]: row["ratio"] for row in parts}
    if "forward" in ratios and "forward and backward" in ratios:
        ratios["backward"] = ratios.pop("forward and backward") - ratios["forward"]
    order = ("input", "forward", "backward", "optimizer", "metrics")
    return {part: ratios[part] for part in order if part in ratios}


def floor_table(rows: Sequence[Row]) -> Table:
    """How many times the least possible each step takes, by this machine's own measured rates."""
    header = ["step", "device", "batch", "GFLOP", "floor ms", "times the floor"]
    body = []
    for row in of_kind(rows, "step"):
        times = times_the_floor(row, rows)
        if times:
            floor_ms = row["ms_per_step"] / times
            cells = [f"{row['flops'] / 1e9:.2f}", f"{floor_ms:.2f}", f"{times:.1f}"]
            body.append([row["arm"], where(row), str(row["batch_size"]), *cells])
    rates = "; ".join(
        f"{where(row)}: {row['arm']} {row['per_second'] / 1e9:,.0f} "
        f"{'GFLOP/s' if row['arm'] == 'matrix multiply' else 'GB/s'}"
        for row in of_kind(rows, "rate")
    )
    return Table(f"Distance to the floor ({rates})", header, body)


def times_the_floor(row: Row, rows: Sequence[Row]) -> float | None:
    """A step's time over its floor; None where the machine's rates were not measured."""
    rates = {rate["arm"]: rate["per_second"] for rate in of_kind(rows, "rate") if place(rate) == place(row)}
    if len(rates) < 2:
        return None
    floor = floor_seconds(row["flops"], row["bytes"], rates["matrix multiply"], rates["copy"])
    return float(row["ms_per_step"] / 1000 / floor)


def device_table(rows: Sequence[Row]) -> Table:
    """GPU against CPU, for steps, epochs and inference that both ran; the two are not paired."""
    measured = [row for kind in ("step", "epoch", "inference") for row in of_kind(rows, kind)]
    gpus = [row for row in measured if row["device"] == "gpu"]
    header = [
        "what",
        "batch",
        "CPU ms",
        "GPU ms",
        "CPU images/s",
        "GPU images/s",
        "CPU/GPU time [95 %]",
        "machines",
    ]
    body = []
    for row, other in itertools.product(measured, gpus):
        same = all(row[key] == other[key] for key in ("kind", "arm", "batch_size"))
        if row["device"] == "cpu" and same:
            ratio = independent_ratio(row["samples_ms"], other["samples_ms"])
            body.append(
                [
                    f"{row['kind']}, {row['arm']}",
                    str(row["batch_size"]),
                    *(f"{each['ms_per_step']:.2f}" for each in (row, other)),
                    *(f"{each['images_per_second']:,.0f}" for each in (row, other)),
                    str(ratio),
                    f"{row['device_name']} / {other['device_name']}",
                ]
            )
    return Table("GPU against CPU", header, body)


def drift_table(rows: Sequence[Row]) -> Table:
    """How far a training on a GPU ends from the same training on a CPU."""
    header = ["arithmetic", "device", "largest relative weight difference", "accuracy CPU", "accuracy GPU"]
    body = [
        [
            "TF32" if row["tf32"] else "float32",
            row["device_name"],
            f"{row['largest_relative']:.2g}",
            f"{row['accuracy_cpu']:.2%}",
            f"{row['accuracy_device']:.2%}",
        ]
        for row in of_kind(rows, "drift")
    ]
    return Table("Parity across devices, one epoch of the tape", header, body)


def noise_lines(rows: Sequence[Row], *, load_at_start: float, cores: int) -> list[str]:
    """A line for each reason to doubt the timings of one machine, whose load and cores these are."""
    timed = [row for row in rows if "relative_iqr" in row]
    noisy = _by_kind([row for row in timed if row["relative_iqr"] > NOISY])
    off = [str(ratio_of(row)) for row in timed if row.get("control") and ratio_of(row).excludes(1)]
    halting = [
        f"{row['loop']} {min(row['epoch_seconds']):.1f} to {max(row['epoch_seconds']):.1f} s"
        for row in of_kind(rows, "training")
        if max(row["epoch_seconds"]) > HALTING * min(row["epoch_seconds"])
    ]
    lines = [
        f"positive control: {row['slowdown']:.0%} planted in the tape's step show as {ratio_of(row)}: "
        f"{'detected' if ratio_of(row).low > 1 else 'NOT detected, this machine is too noisy now'}"
        for row in of_kind(rows, "planted")
    ]
    if noisy:
        lines.append(f"noise: interquartile range over {NOISY:.0%} of the median: {noisy}")
    if halting:
        lines.append(f"noise: epochs of one training differ, the machine halted: {', '.join(halting)}")
    if off:
        lines.append(f"noise: the A/A control (fit against fit) excludes 1: {', '.join(off)}")
    if any(row["pairs"] < FEWEST_PAIRS for row in timed):
        lines.append(
            f"noise: intervals of fewer than {FEWEST_PAIRS} pairs cover the truth less often than they say"
        )
    if timed and not any(row.get("control") for row in timed):
        lines.append("noise: no A/A control was measured; faster and slower rest on the interval alone")
    if load_at_start > cores:
        lines.append(f"noise: load average {load_at_start:.1f} at the start on {cores} cores")
    return lines


def _by_kind(rows: Sequence[Row]) -> str:
    """The rows' names: kind by kind, with their batch sizes where a kind has several."""
    kinds = dict.fromkeys(row["kind"] for row in rows)
    swept = ("step", "epoch", "rung")
    names = {
        kind: [
            f"{row['arm']} at {row['batch_size']}" if kind in swept else row["arm"]
            for row in of_kind(rows, kind)
        ]
        for kind in kinds
    }
    return "; ".join(f"{kind}: {', '.join(own)}" for kind, own in names.items())


def ratio_of(row: Row) -> Ratio:
    """The ratio that a row carries."""
    return Ratio(row["ratio"], row["ratio_low"], row["ratio_high"], row["pairs"])


def place(row: Row) -> tuple[str, str, str]:
    """Which machine (the file it came from), which kind of device, which model of it."""
    return row.get("machine", ""), row["device"], row["device_name"]


def several_machines(rows: Sequence[Row]) -> bool:
    """Whether a device's kind alone would not tell rows apart."""
    return len({row.get("machine") for row in rows}) > 1


def where(row: Row) -> str:
    """The device as the tables name it."""
    return str(row.get("where", row["device"]))


def of_kind(rows: Sequence[Row], kind: str) -> list[Row]:
    """The rows of one kind."""
    return [row for row in rows if row["kind"] == kind]


def _control_of(rows: Sequence[Row], row: Row) -> Ratio | None:
    """The A/A control of the row's device: of its kind and at its batch size if there is one, else any."""
    controls = [other for other in rows if other.get("control") and place(other) == place(row)]
    like = ("kind", "batch_size")
    controls.sort(key=lambda other: [other[key] != row[key] for key in like])
    return ratio_of(controls[0]) if controls else None


def _mebibytes(row: Row) -> str:
    host, device = row["peak_host_bytes"], row["peak_device_bytes"]
    text = f"{host / MIB:,.0f}" if host else "?"
    return f"{text} + {device / MIB:,.0f} GPU" if device else text
