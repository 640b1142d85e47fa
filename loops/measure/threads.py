"""A step under other numbers of threads, which TensorFlow takes when it starts: each in its own process."""

import contextlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from loops.case.errors import CaseError

if TYPE_CHECKING:
    from loops.measure.ways.trying import Way
    from loops.parity.states import State

INTRA, INTER = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
SETTINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"one thread an op": {INTRA: "1"}, "one thread in all": {INTRA: "1", INTER: "1"}}
)


class ThreadsProcess:
    """A process with its own thread settings that makes and runs arms of one case as it is told."""

    def __init__(self, path: Path, setting: str) -> None:
        """Start it; what it is asked first waits for its TensorFlow."""
        self._path, self._setting = path, setting
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loops.measure.threads_child", str(path)],
            env={**os.environ, **SETTINGS[setting]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **request: Any) -> None:
        """Let it do one thing, and wait until it is done.

        Raises:
            CaseError: the case raises there, or the process has ended.
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            error = json.loads(self._process.stdout.readline())["error"]
        except (OSError, ValueError):
            error = f"{self._path}: the process for {self._setting} ended"
        if error:
            raise CaseError(error)

    def states(self, code: str) -> "list[State]":
        """The states of a training by the case's step with `code` at the file's end."""
        with tempfile.TemporaryDirectory() as folder:
            saved = Path(folder) / "states"
            self.ask(states=str(saved), code=code)
            states: list[State] = pickle.loads(saved.read_bytes())
            return states

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        with contextlib.suppress(OSError):  # what was written and not read
            self._process.communicate()


class ThreadsArm:
    """An arm in such a process. A message there and back costs some 0.1 ms a block."""

    def __init__(self, process: ThreadsProcess, way: "Way", *, with_input: bool) -> None:
        """Make the arm there.

        Raises:
            CaseError: the case raises.
        """
        self._process = process
        process.ask(make=asdict(way), with_input=with_input)

    def run(self, steps: int) -> None:
        """Train `steps` steps there and wait for them.

        Raises:
            CaseError: the case raises.
        """
        self._process.ask(run=steps)

    def close(self) -> None:
        """The next arm that is made there takes its place."""
