"""What does it cost to share a batch among workers, all of them on this machine's cores?"""

from collections.abc import Iterator
from typing import Any

import pytest

from bench.arms import make_arm
from bench.harness import References, fewer, fewest, measure
from bench.report.workers import SENDING, STEP
from bench.rows import start_row
from bench.steps import fixed_batch
from bench.sweep import BATCH_SIZE, TAPE
from bench.workers import WorkerGroups
from loops.config import SHARDS
from loops.data import FashionMnist
from loops.device import Device
from loops.distribute.loop import numbers_sent
from model import new_model

COUNTS = (1, 2, pytest.param(4, marks=pytest.mark.grid))
BYTES = 4  # of a float32


@pytest.fixture(scope="module")
def processes() -> Iterator[WorkerGroups]:
    """The processes of this file's rows."""
    own = WorkerGroups()
    yield own
    own.close()


@pytest.fixture
def groups(device: Device, processes: WorkerGroups) -> WorkerGroups:
    """The same, for rows of the CPU: on a GPU each worker would need one of its own."""
    if device.kind != "cpu":
        pytest.skip("workers are measured on the CPU: on GPUs each needs one of its own")
    return processes


@pytest.mark.parametrize("workers", COUNTS)
def test_step(
    benchmark: Any,
    device: Device,
    workers: int,
    fashion: FashionMnist,
    references: References,
    groups: WorkerGroups,
    pairs: int,
) -> None:
    """A step in shards: of one worker against the tape's, of several against one worker's."""
    plain = references.get("tape", lambda: make_arm(TAPE, fixed_batch(fashion, BATCH_SIZE)))
    alone = references.get("1 worker", lambda: groups.step(1))
    start_row(
        benchmark,
        device,
        "workers",
        kind="workers",
        arm=STEP,
        workers=workers,
        shards=SHARDS,
        against="1 worker" if workers > 1 else "tape",
        bytes_sent=BYTES * numbers_sent(new_model(0)) * (workers > 1),
    )
    measure(
        benchmark,
        lambda: groups.step(workers),
        alone if workers > 1 else plain,
        pairs=fewer(pairs),
        batch_size=BATCH_SIZE,
    )


@pytest.mark.parametrize("workers", [each for each in COUNTS if each != 1])
def test_sending(
    benchmark: Any, device: Device, workers: int, references: References, groups: WorkerGroups, pairs: int
) -> None:
    """What several workers send and add in a step, alone, as a share of their step."""
    whole = references.get(f"{workers} workers", lambda: groups.step(workers))
    start_row(
        benchmark,
        device,
        "workers",
        kind="workers",
        arm=SENDING,
        workers=workers,
        shards=SHARDS,
        against="its step",
    )
    measure(benchmark, lambda: groups.sending(workers), whole, pairs=fewest(pairs), batch_size=BATCH_SIZE)
