"""Every table that rows fill, and what a run of the bench prints at its end."""

import os
from collections.abc import Sequence

from bench.report.cases import case_table
from bench.report.costs import keeping_table, memory_table, part_table, scale_table
from bench.report.devices import deterministic_table, device_table, drift_table
from bench.report.floor import floor_table, needed_table
from bench.report.noise import noise_lines
from bench.report.peers import peers_table
from bench.report.rows import Row, of_kind, several_machines
from bench.report.steps import batch_table, epoch_table, ladder_table, step_table
from bench.report.table import Table
from bench.report.trainings import claim_table, training_table
from bench.report.workers import workers_table

TABLES = (
    case_table,
    training_table,
    claim_table,
    step_table,
    batch_table,
    epoch_table,
    ladder_table,
    peers_table,
    scale_table,
    memory_table,
    keeping_table,
    part_table,
    workers_table,
    floor_table,
    needed_table,
    device_table,
    drift_table,
    deterministic_table,
)


def all_tables(rows: Sequence[Row]) -> list[Table]:
    """Every table that has a row; of several machines, each row's device is named with its machine."""
    if several_machines(rows):
        rows = [{**row, "where": f"{row['device']}, {row['machine']}"} for row in rows]
    tables = [table(rows) for table in TABLES]
    return [table for table in tables if table.body]


def closing_table(rows: Sequence[Row], *, load_at_start: float) -> str:
    """All that a run of the bench found, and each reason to doubt it."""
    noise = noise_lines(rows, load_at_start=load_at_start, cores=os.cpu_count() or 1)
    parts = [table.as_text() for table in all_tables(rows)] + noise
    if of_kind(rows, "step") or of_kind(rows, "case"):
        parts.append(
            "ms/step of two rows were taken minutes apart: compare loops by the ratio, which is paired."
        )
    return "\n\n".join(parts)
