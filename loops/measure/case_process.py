"""Arms in processes of their own: with other settings of TensorFlow's start, or as several workers."""

import contextlib
import itertools
import json
import os
import pickle
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from loops.case.errors import CaseError

if TYPE_CHECKING:
    from loops.measure.ways.trying import Way
    from loops.parity.states import State


CHILD = "loops.measure.case_child"
_NUMBERS = itertools.count()  # of arms


class CaseProcess:
    """A process with environment variables of its own that makes and runs arms, of one case or of ours."""

    def __init__(
        self,
        about: object,
        name: str,
        variables: Mapping[str, str],
        module: str = CHILD,
        interpreter: str = sys.executable,
    ) -> None:
        """Start `module` on `about`, a case's path, which stands in messages with the process's `name`.

        What it is asked first waits for its TensorFlow.
        """
        self._about, self._name = about, name
        self._process = subprocess.Popen(
            [interpreter, "-m", module, str(about)],
            env={**os.environ, **variables},
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
        ask_all([self], **request)

    def send(self, request: Mapping[str, Any]) -> None:
        """Let it do one thing."""
        assert self._process.stdin
        with contextlib.suppress(OSError, ValueError):  # it has ended, which `error` says
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    @property
    def answers(self) -> IO[str]:
        """What it answers, a line each."""
        assert self._process.stdout
        return self._process.stdout

    def error(self) -> str:
        """Wait until it is done, and say what went wrong; empty where nothing did."""
        try:
            return str(json.loads(self.answers.readline())["error"])
        except (OSError, ValueError):
            return f"{self._about}: the process for {self._name} ended"

    def states(self, code: str) -> "list[State]":
        """The states of a training by the case's step with `code` at the file's end."""
        return states_of([self], code)[0]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        with contextlib.suppress(OSError):  # what was written and not read
            self._process.communicate()


def ask_all(processes: Sequence[CaseProcess], **request: Any) -> None:
    """Let all processes do one thing at the same time, and wait for them.

    Raises:
        CaseError: the case raises in one of them, or one has ended.
    """
    for process in processes:
        process.send(request)
    _hear(processes)


def _hear(processes: Sequence[CaseProcess]) -> None:
    """Wait for the answers of all, in whatever order they come.

    Raises:
        CaseError: the first that is one; all processes are ended, since the others may wait for it.
    """
    with selectors.DefaultSelector() as ready:
        for process in processes:
            if process.answers.closed:
                raise CaseError(process.error())
            ready.register(process.answers, selectors.EVENT_READ, process)
        while ready.get_map():
            for key, _ in ready.select():
                ready.unregister(key.fileobj)
                if error := key.data.error():
                    if len(processes) > 1:
                        for process in processes:
                            process.close()
                    raise CaseError(error)


def states_of(processes: Sequence[CaseProcess], code: str) -> "list[list[State]]":
    """The states of a training by all processes together, as each of them has them.

    Raises:
        CaseError: the case raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, process in enumerate(processes):
            process.send({"states": f"{folder}/{number}", "code": code})
        _hear(processes)
        return [pickle.loads(Path(folder, str(number)).read_bytes()) for number in range(len(processes))]


def arm_of_way(processes: Sequence[CaseProcess], way: "Way", *, with_input: bool) -> "ProcessArm":
    """The arm of a case that all these processes run.

    Raises:
        CaseError: the case raises.
    """
    return ProcessArm(processes, make=asdict(way), with_input=with_input)


class ProcessArm:
    """An arm that all these processes run together. A message there and back costs some 0.1 ms a block."""

    def __init__(self, processes: Sequence[CaseProcess], **wanted: Any) -> None:
        """Make the arm there, as `wanted` says to the process's server.

        Raises:
            CaseError: the case raises.
        """
        self._processes, self._number = processes, next(_NUMBERS)
        ask_all(processes, arm=self._number, **wanted)

    def run(self, steps: int) -> None:
        """Train `steps` steps there and wait for them.

        Raises:
            CaseError: the case raises.
        """
        ask_all(self._processes, arm=self._number, run=steps)

    def close(self) -> None:
        """Let go of it there, if the processes are still there."""
        with contextlib.suppress(CaseError):
            ask_all(self._processes, drop=self._number)
