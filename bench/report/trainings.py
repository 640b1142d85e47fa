"""Tables of whole trainings: what each loop reached, and under which settings the loops agree to the bit."""

from collections.abc import Sequence

from bench.report.columns import arm, rate
from bench.report.rows import Row, of_kind, place, where
from bench.report.table import Columns, Table, table_of

FULL_TRAINING = "Full training"
MIB = 2**20


def training_table(rows: Sequence[Row]) -> Table:
    """Full trainings: loop × device with parity, scores, time and memory."""
    parities = {place(row): row["verdict"] for row in of_kind(rows, "parity")}
    columns: Columns = {
        "loop": lambda row: row["loop"],
        "device": where,
        "params": lambda row: f"{row['params']:,}",
        "test accuracy": lambda row: f"{row['test_accuracy']:.2%}",
        "F1 micro": lambda row: f"{row['f1_micro']:.4f}",
        "F1 macro": lambda row: f"{row['f1_macro']:.4f}",
        "seconds": lambda row: f"{row['train_seconds']:.1f}",
        "images/s": rate,
        "peak MiB, session": _mebibytes,
        "parity": lambda row: parities.get(place(row), "") if row["loop"] in ("fit", "tape") else "",
    }
    return table_of(FULL_TRAINING, columns, of_kind(rows, "training"))


def claim_table(rows: Sequence[Row]) -> Table:
    """Under which settings the two loops agree to the bit."""
    columns: Columns = {
        "setting": arm,
        "CPU": lambda row: row["device_name"],
        "TensorFlow": lambda row: row["environment"]["tensorflow"],
        "trainings compared": lambda row: str(row["trained"]),
        "steps compared": lambda row: str(row.get("steps", "")),
        "bit-identical": lambda row: f"{row['identical']} of {row['trained']}",
    }
    title = "Where the claim holds: a few seeds each, with a partial last batch"
    return table_of(title, columns, of_kind(rows, "claim"))


def _mebibytes(row: Row) -> str:
    host, device = row["peak_host_bytes"], row["peak_device_bytes"]
    text = f"{host / MIB:,.0f}" if host else "?"
    return f"{text} + {device / MIB:,.0f} GPU" if device else text
