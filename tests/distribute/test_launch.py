"""What the process that starts the workers makes of their ends."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from loops.commands.workers import _without_workers
from loops.distribute import launch


def script(text: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", text], text=True)


def code_of(*scripts: str, stopped: Any = lambda: None) -> int:
    return launch._wait([script(text) for text in scripts], stopped)


def test_workers_that_end_in_one_moment_are_a_failure_if_one_failed() -> None:
    processes = [script("pass"), script("raise SystemExit(1)")]
    for process in processes:
        process.wait()
    assert launch._wait(processes, lambda: None) == 1


def test_all_well_is_0_and_the_first_failure_is_the_code() -> None:
    assert code_of("pass", "pass") == 0
    assert code_of("import time; time.sleep(0.5); raise SystemExit(1)", "raise SystemExit(143)") == 143


def test_a_worker_that_a_signal_ended_is_named_and_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("pass", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)") == 1
    assert "worker 1 was ended by SIGKILL" in capsys.readouterr().err


def test_nobody_waits_for_a_stopped_worker_once_the_others_failed() -> None:
    processes = [script("raise SystemExit(1)"), script("import time; time.sleep(60)")]
    os.kill(processes[1].pid, signal.SIGSTOP)
    began = time.monotonic()
    assert launch._wait(processes, lambda: None) == 1
    assert time.monotonic() - began < launch.PATIENCE / 2
    launch._end(processes)
    assert processes[1].returncode == -signal.SIGKILL


def test_a_signal_is_passed_on_to_the_chief_once() -> None:
    handler = (
        "import signal, time; signal.signal(15, lambda *_: exit(143)); print(flush=True); time.sleep(60)"
    )
    chief = subprocess.Popen([sys.executable, "-c", handler], stdout=subprocess.PIPE, text=True)
    assert chief.stdout
    chief.stdout.readline()
    assert launch._wait([chief], lambda: signal.SIGTERM) == 143
    chief.stdout.close()


@pytest.mark.parametrize("given", [["--workers", "2"], ["--workers=2"]])
def test_workers_do_not_start_workers(given: list[str]) -> None:
    assert _without_workers(["tape", *given, "--seed", "7"]) == ["tape", "--seed", "7"]
