"""Which frameworks there are, whether an interpreter has them, and the processes that run their arms."""

import contextlib
import subprocess
from pathlib import Path
from typing import NamedTuple

from bench.peers.problem import Problem
from loops.measure.case_process import CaseProcess, ProcessArm

STEPS = {"torch": "bench.peers.torch_step", "jax": "bench.peers.jax_step"}
PEERS = (("torch", "eager"), ("torch", "channels last"), ("torch", "compile"), ("jax", "jit"))
NAMES = {"torch": "PyTorch", "jax": "JAX"}
CHILD = "bench.peers.child"
CPU_ONLY = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


class Peer(NamedTuple):
    """A framework and one way to run its step."""

    framework: str
    variant: str

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """As the tables name it."""
        return f"{NAMES[self.framework]} {self.variant}"


def version_in(interpreter: Path, framework: str) -> str:
    """The framework's version there; empty where it cannot be imported."""
    code = f"import {framework}; print({framework}.__version__)"
    try:
        done = subprocess.run([interpreter, "-c", code], check=False, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class PeerProcesses:
    """A process for each framework, started when it is first asked for."""

    def __init__(self, interpreter: Path, folder: Path) -> None:
        self._interpreter, self._folder = interpreter, folder
        self._processes: dict[str, CaseProcess] = {}
        self._stack = contextlib.ExitStack()

    def arm(self, peer: Peer, problem: Problem) -> ProcessArm:
        """A step of the peer on the problem's batch.

        Raises:
            CaseError: the framework cannot run it, or computes something else.
        """
        path = self._folder / f"{len(problem.labels)}.npz"
        if not path.exists():
            problem.save(path)
        return ProcessArm([self._of(peer.framework)], make=peer.variant, problem=str(path))

    def close(self) -> None:
        """End all processes."""
        self._stack.close()

    def _of(self, framework: str) -> CaseProcess:
        if framework not in self._processes:
            process = CaseProcess(framework, NAMES[framework], CPU_ONLY, CHILD, str(self._interpreter))
            self._stack.callback(process.close)
            self._processes[framework] = process
        return self._processes[framework]
