"""Groups of worker processes for the bench, each started once in a session."""

import contextlib

from bench.report.workers import SENDING, STEP
from loops.config import SHARDS
from loops.distribute.cluster import TF_CONFIG, tf_config
from loops.distribute.launch import free_ports
from loops.measure.case_process import CaseProcess, ProcessArm


class WorkerGroups:
    """Processes by their number, which share batches in SHARDS parts."""

    def __init__(self) -> None:
        self._groups: dict[int, list[CaseProcess]] = {}
        self._stack = contextlib.ExitStack()

    def step(self, workers: int) -> ProcessArm:
        """The tape's step on some workers."""
        return ProcessArm(self._of(workers), make=STEP)

    def sending(self, workers: int) -> ProcessArm:
        """What they send and add in a step, alone."""
        return ProcessArm(self._of(workers), make=SENDING)

    def close(self) -> None:
        """End all processes."""
        self._stack.close()

    def _of(self, workers: int) -> list[CaseProcess]:
        if workers not in self._groups:
            ports = free_ports(workers)
            self._groups[workers] = []
            for rank in range(workers):
                config = tf_config(workers, rank, ports) if workers > 1 else ""
                process = CaseProcess(
                    SHARDS, f"worker {rank} of {workers}", {TF_CONFIG: config}, "bench.worker_child"
                )
                self._groups[workers].append(process)
                self._stack.callback(process.close)
        return self._groups[workers]
