"""Real workers on small data: started as the README says, found by their process numbers, and ended."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from loops.distribute.cluster import tf_config
from loops.distribute.launch import free_ports

ROOT = Path(__file__).parents[2]
SMALL = [sys.executable, "-m", "tests.small_cli"]
WHOLE = [sys.executable, "-m", "loops"]
SECONDS = 240  # that a test waits for processes


NOTHING: Mapping[str, str] = MappingProxyType({})


def environment(more: Mapping[str, str] = NOTHING) -> dict[str, str]:
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **more}


def tape(
    runs: Path, *more: str, program: Sequence[str] = SMALL, variables: Mapping[str, str] = NOTHING
) -> "subprocess.Popen[str]":
    """`tape` on its way; its errors are piped."""
    return subprocess.Popen(
        [*program, "tape", "--runs", str(runs), *more],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(variables),
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, errors = process.communicate(timeout=SECONDS)
    return process.returncode, errors


def trained(runs: Path, *more: str, program: Sequence[str] = SMALL) -> dict[str, Any]:
    """The result of a run that ends well."""
    code, errors = finish(tape(runs, *more, program=program))
    assert code == 0, errors
    return result_of(the_run(runs))


def the_run(runs: Path) -> Path:
    (folder,) = runs.iterdir()
    return folder


def result_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def wait_for(runs: Path, pattern: str, process: "subprocess.Popen[str]") -> None:
    while process.poll() is None and not any(runs.glob(pattern)):
        time.sleep(0.01)


def workers_of(process: "subprocess.Popen[str]") -> list[int]:
    """The process numbers of the workers that a launcher has started, in their order."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(number) for number in children.split()]


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@contextlib.contextmanager
def cluster(
    runs: Path, *options: list[str], variables: Mapping[int, Mapping[str, str]] = MappingProxyType({})
) -> Iterator[list["subprocess.Popen[str]"]]:
    """One process a worker, each with options and variables of its own, as on a cluster."""
    ports, processes = free_ports(len(options)), []
    try:
        for rank, given in enumerate(options):
            described = {"TF_CONFIG": tf_config(len(options), rank, ports), **variables.get(rank, {})}
            processes.append(tape(runs, "--cluster", "auto", *given, variables=described))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            assert process.stderr
            process.stderr.close()
