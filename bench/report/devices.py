"""Tables of a GPU against a CPU: how much faster it is, and how far its weights end from the CPU's."""

import itertools
from collections.abc import Iterator, Sequence

from bench.report.columns import milliseconds, rate
from bench.report.rows import Row, of_kind
from bench.report.table import Columns, Table, table_of
from loops.measure.ratios import Ratio, independent_ratio


def device_table(rows: Sequence[Row]) -> Table:
    """GPU against CPU, for steps, epochs and inference that both ran; the two are not paired."""
    columns: Columns = {
        "what": lambda pair: f"{pair['cpu']['kind']}, {pair['cpu']['arm']}",
        "batch": lambda pair: str(pair["cpu"]["batch_size"]),
        "CPU ms": lambda pair: milliseconds(pair["cpu"]),
        "GPU ms": lambda pair: milliseconds(pair["gpu"]),
        "CPU images/s": lambda pair: rate(pair["cpu"]),
        "GPU images/s": lambda pair: rate(pair["gpu"]),
        "CPU/GPU time [95 %]": lambda pair: str(cpu_over_gpu(**pair)),
        "machines": lambda pair: f"{pair['cpu']['device_name']} / {pair['gpu']['device_name']}",
    }
    return table_of("GPU against CPU", columns, on_both(rows))


def on_both(rows: Sequence[Row]) -> Iterator[dict[str, Row]]:
    """The rows that a CPU and a GPU have in common, as pairs of the two."""
    timed = [row for kind in ("step", "epoch", "inference") for row in of_kind(rows, kind)]
    for cpu, gpu in itertools.product(timed, timed):
        devices = (cpu["device"], gpu["device"])
        if devices == ("cpu", "gpu") and all(cpu[key] == gpu[key] for key in ("kind", "arm", "batch_size")):
            yield {"cpu": cpu, "gpu": gpu}


def cpu_over_gpu(cpu: Row, gpu: Row) -> Ratio:
    """The CPU's time over the GPU's: above 1 where the GPU is the faster."""
    return independent_ratio(cpu["samples_ms"], gpu["samples_ms"])


def drift_table(rows: Sequence[Row]) -> Table:
    """How far a training on a GPU ends from the same training on a CPU."""
    columns: Columns = {
        "arithmetic": lambda row: "TF32" if row["tf32"] else "float32",
        "device": lambda row: row["device_name"],
        "largest relative weight difference": lambda row: f"{row['largest_relative']:.2g}",
        "accuracy CPU": lambda row: f"{row['accuracy_cpu']:.2%}",
        "accuracy GPU": lambda row: f"{row['accuracy_device']:.2%}",
    }
    return table_of("Parity across devices, one epoch of the tape", columns, of_kind(rows, "drift"))


def deterministic_table(rows: Sequence[Row]) -> Table:
    """How fit() and the tape agree on a GPU whose ops are deterministic."""
    columns: Columns = {
        "device": lambda row: row["device_name"],
        "fit against tape": lambda row: row["verdict"],
    }
    return table_of("With deterministic ops", columns, of_kind(rows, "deterministic parity"))
