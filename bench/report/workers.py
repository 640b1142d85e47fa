"""What it costs to share a batch among workers: measured on one machine, and a model of several."""

from collections.abc import Iterator, Sequence

from bench.report.columns import arm, milliseconds, ratio
from bench.report.rows import Row, of_kind, where
from bench.report.table import Columns, Table, table_of

WORKERS, MODEL = (
    "Workers that share the cores of one machine",
    "A model of several machines, not a measurement",
)
STEP, SENDING = "step", "sending"
MIB = 2**20
NETWORKS = (10, 100)  # Gbit/s
MACHINES = (2, 4, 8)
BITS, MS = 8, 1000  # of a byte, of a second


def workers_table(rows: Sequence[Row]) -> Table:
    """The step on some workers, and what they send and add in it."""
    columns: Columns = {
        "what": arm,
        "workers": lambda row: str(row["workers"]),
        "shards": lambda row: str(row["shards"]),
        "device": where,
        "ms/step": milliseconds,
        "ratio [95 %]": ratio,
        "to": lambda row: str(row["against"]),
        "efficiency": _efficiency,
        "MiB sent a worker": lambda row: f"{row['bytes_sent'] / MIB:.2f}" if "bytes_sent" in row else "",
    }
    return table_of(WORKERS, columns, of_kind(rows, "workers"))


def _efficiency(row: Row) -> str:
    """One worker's time over N workers' time and N: 100 % would be a step N times as fast."""
    return f"{1 / (row['workers'] * row['ratio']):.0%}" if row["arm"] == STEP and row["workers"] > 1 else ""


def model_table(rows: Sequence[Row]) -> Table:
    """Milliseconds a step by T(N) = C / N + (N - 1) (s + B / W), from the measured rows of each device.

    C is the step of one worker, s what sending and adding one gradient of B bytes takes by software, W the
    network's rate.
    """
    found = of_kind(rows, "workers")
    body = []
    for device in dict.fromkeys(map(where, found)):
        body += list(_modelled([row for row in found if where(row) == device], device))
    head = ["machines", "device", *(f"ms/step at {rate} Gbit/s" for rate in NETWORKS), "efficiency at each"]
    return Table(MODEL, head, body)


def _modelled(rows: Sequence[Row], device: str) -> Iterator[list[str]]:
    of = {(row["arm"], row["workers"]): row for row in rows}
    if (STEP, 1) not in of or (SENDING, 2) not in of:
        return
    alone, software = of[STEP, 1]["ms_per_step"], of[SENDING, 2]["ms_per_step"]
    sent = of[STEP, 2]["bytes_sent"]
    yield ["1", device, *(f"{alone:.1f}" for _ in NETWORKS), "100 %"]
    for machines in MACHINES:
        times = [step_on(machines, alone, software, sent, rate) for rate in NETWORKS]
        shares = ", ".join(f"{alone / (machines * time):.0%}" for time in times)
        yield [str(machines), device, *(f"{time:.1f}" for time in times), shares]


def step_on(machines: int, alone: float, software: float, sent: float, gbits: float) -> float:
    """The model's milliseconds a step; `alone` and `software` in milliseconds, `sent` in bytes."""
    network = MS * BITS * sent / (gbits * 1e9)
    return alone / machines + (machines - 1) * (software + network)
