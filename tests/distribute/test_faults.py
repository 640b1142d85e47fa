"""Workers that are killed, stopped and signalled: the others end and name them, and the run goes on."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from loops.files import CHECKPOINTS
from loops.run import checkpoint
from tests.distribute.processes import (
    cluster,
    finish,
    is_running,
    result_of,
    tape,
    the_run,
    trained,
    wait_for,
    workers_of,
)
from tests.fault_counts import count

pytestmark = pytest.mark.faults

SETTINGS = ["--epochs", "20", "--batch-size", "60", "--seed", "5", "--checkpoint-every", "1"]
NUMBERS = (1, 2, 4)  # of workers
IN_TIME = 30  # seconds within which the others end


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of a run that nothing disturbs, on one process."""
    found = trained(tmp_path_factory.mktemp("whole"), *SETTINGS, "--workers", "1")
    return str(found["weights_sha256"])


def resumed(runs: Path, workers: int) -> str:
    """The weights of the run once it was gone on with by this many workers."""
    code, errors = finish(tape(runs, "--resume", the_run(runs).name, "--workers", str(workers)))
    assert code == 0, errors
    return str(result_of(the_run(runs))["weights_sha256"])


def training(runs: Path, workers: int) -> "tuple[subprocess.Popen[str], list[int]]":
    """A launcher whose workers train, and their process numbers."""
    process = tape(runs, *SETTINGS, "--workers", str(workers))
    wait_for(runs, f"*/{CHECKPOINTS}/{checkpoint.PREFIX}*", process)
    return process, workers_of(process)


def test_killed_at_random_moments_other_workers_end_at_the_same_bits(
    expected: str, tmp_path: Path, kills: int
) -> None:
    dice = random.Random("workers")
    kills = max(2, kills)
    exact = 0
    for number in range(kills):
        runs, before, after = tmp_path / str(number), dice.choice((2, 4)), dice.choice(NUMBERS)
        process = tape(runs, *SETTINGS, "--workers", str(before))
        wait_for(runs, "*/config.json", process)
        time.sleep(dice.uniform(0, 8))  # from the first step's tracing to the last epochs
        workers = workers_of(process)
        if workers:
            os.kill(dice.choice(workers), signal.SIGKILL)
        code, errors = finish(process)
        assert code == 1 or result_of(the_run(runs))["status"] == "done", errors
        assert "Traceback" not in errors
        assert not any(is_running(pid) for pid in workers)
        exact += resumed(runs, after) == expected
    count(**{"kills tried": kills, "bit-exact resumes": exact})
    assert exact == kills


@pytest.mark.parametrize("rank", [0, 1])
def test_a_worker_that_hangs_is_named_in_time_and_none_is_left_behind(
    rank: int, expected: str, tmp_path: Path
) -> None:
    process, workers = training(tmp_path, 2)
    os.kill(workers[rank], signal.SIGSTOP)
    began = time.monotonic()
    code, errors = finish(process)
    assert time.monotonic() - began < IN_TIME
    assert code == 1
    assert f"worker {rank} (127.0.0.1:" in errors
    assert "has not answered for" in errors
    assert "Traceback" not in errors
    assert not any(is_running(pid) for pid in workers)
    assert resumed(tmp_path, 1) == expected
    count(**{"faults injected": 1})


def test_a_killed_launcher_leaves_no_worker_behind(expected: str, tmp_path: Path) -> None:
    process, workers = training(tmp_path, 2)
    os.kill(process.pid, signal.SIGKILL)
    finish(process)
    last = time.monotonic() + IN_TIME
    while any(is_running(pid) for pid in workers) and time.monotonic() < last:
        time.sleep(0.1)
    assert not any(is_running(pid) for pid in workers)
    assert resumed(tmp_path, 4) == expected
    count(**{"faults injected": 1})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_workers_and_the_run_goes_on(
    number: signal.Signals, expected: str, tmp_path: Path
) -> None:
    process, _ = training(tmp_path, 2)
    process.send_signal(number)
    code, errors = finish(process)
    assert code == 128 + number, errors
    assert "Traceback" not in errors
    assert result_of(the_run(tmp_path))["status"] == "interrupted"
    assert resumed(tmp_path, 4) == expected
    count(**{"faults injected": 1})


def test_a_signal_to_a_worker_that_is_not_the_chief_stops_all(expected: str, tmp_path: Path) -> None:
    with cluster(tmp_path, SETTINGS, SETTINGS) as processes:
        wait_for(tmp_path, f"*/{CHECKPOINTS}/{checkpoint.PREFIX}*", processes[0])
        processes[1].send_signal(signal.SIGTERM)
        ends = [finish(process) for process in processes]
    assert [code for code, _ in ends] == [143, 143], ends
    assert "go on with: python -m loops tape" in ends[0][1]
    assert resumed(tmp_path, 2) == expected
    count(**{"faults injected": 1})


def test_a_second_job_on_a_run_is_refused_by_all_its_workers(expected: str, tmp_path: Path) -> None:
    first, workers = training(tmp_path, 2)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)  # at work, but not done before the second has looked
    try:
        code, errors = finish(tape(tmp_path, "--resume", the_run(tmp_path).name, "--workers", "2"))
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    assert code == 1
    assert f"error: {the_run(tmp_path)}: belongs to process {workers[0]}" in errors
    assert "refuses: " in errors
    finish(first)  # it may have lost its workers while they were stopped
    assert resumed(tmp_path, 1) == expected
    count(**{"faults injected": 1})
