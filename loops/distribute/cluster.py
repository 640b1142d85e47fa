"""Which workers train together, and which of them this process is: from TF_CONFIG or from Slurm."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loops.errors import UserError

TF_CONFIG = "TF_CONFIG"
SLURM_RANK = "SLURM_PROCID"
PORT = 8888  # of the first worker of a node under Slurm
CHIEF, WORKER = "chief", "worker"  # the jobs that train, as TensorFlow names them
EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


class ClusterError(UserError):
    """A cluster that is not described, or whose workers do not come, differ, or are lost."""


@dataclass(frozen=True)
class Task:
    """One worker: its job ("worker", or "chief" for one that is named so), its index there, its host:port."""

    job: str
    index: int
    address: str

    @property
    def device_name(self) -> str:
        """The worker as TensorFlow's runtime names it."""
        return f"/job:{self.job}/replica:0/task:{self.index}"


@dataclass(frozen=True)
class Cluster:
    """All workers in one order, the chief first, and this process's place among them."""

    tasks: tuple[Task, ...]
    rank: int

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self.tasks)

    def name(self, rank: int) -> str:
        """A worker in a message."""
        return f"worker {rank} ({self.tasks[rank].address})"


def find(environ: Mapping[str, str]) -> Cluster:
    """The cluster of this process: TF_CONFIG where it is set, else the Slurm step.

    Raises:
        ClusterError: neither is there, or what is there describes no cluster of workers.
    """
    if environ.get(TF_CONFIG):
        return _of_tf_config(environ[TF_CONFIG])
    if SLURM_RANK in environ:
        return _of_slurm(environ)
    raise ClusterError(
        f"--cluster auto: neither {TF_CONFIG} nor a Slurm step is set. Start each worker with {TF_CONFIG} "
        f"such as {EXAMPLE}, by srun, or use --workers N on one machine (docs/scaling.md)."
    )


def _of_tf_config(text: str) -> Cluster:
    try:
        described = json.loads(text)
        jobs, own = (_part(described, name) for name in ("cluster", "task"))
        job, index = own.get("type"), own.get("index")
        tasks = _tasks(jobs)
        known = [(task.job, task.index) for task in tasks]
        if (job, index) not in known:
            raise ValueError(f"there is no {job} {index} among its {len(tasks)} workers")
        return Cluster(tasks, known.index((str(job), int(index or 0))))
    except ValueError as error:
        raise ClusterError(
            f"{TF_CONFIG}: describes no worker of a cluster ({error}). It must look like {EXAMPLE}."
        ) from None


def _part(described: Any, name: str) -> dict[str, Any]:
    found = described.get(name) if isinstance(described, dict) else None
    if not isinstance(found, dict):
        raise ValueError(f'"{name}" is missing')
    return found


def _tasks(jobs: Mapping[str, list[str]]) -> tuple[Task, ...]:
    """All workers, the chief first."""
    odd = sorted(jobs.keys() - {CHIEF, WORKER})
    if odd:
        raise ValueError(f"a job {odd[0]}, where only chief and worker train")
    for job, addresses in jobs.items():
        if not isinstance(addresses, list):
            raise ValueError(f"the addresses of {job} are no list")
        for address in addresses:
            split(address)
    found = [address for job in (CHIEF, WORKER) for address in jobs.get(job, [])]
    if len(set(found)) < len(found):
        raise ValueError("an address stands there twice")
    return tuple(
        Task(job, index, address)
        for job in (CHIEF, WORKER)
        for index, address in enumerate(jobs.get(job, []))
    )


def split(address: str) -> tuple[str, int]:
    """Host and port of host:port, [::1]:port too.

    Raises:
        ValueError: it is no such text.
    """
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"{address!r} is no host:port")
    return host.strip("[]"), int(port)


def _of_slurm(environ: Mapping[str, str]) -> Cluster:
    """The tasks of the Slurm step, which srun numbers node by node; the first of a node listens on PORT.

    TensorFlow's SlurmClusterResolver gives up where there is no GPU, and sorts node10 before node2, which is
    not the order of the tasks' numbers; so only what it reads of the variables is used.
    """
    from tensorflow.python.distribute.cluster_resolver.slurm_cluster_resolver import (
        expand_hostlist,
        expand_tasks_per_node,
    )

    try:
        hosts = expand_hostlist(environ["SLURM_STEP_NODELIST"])
        counts = expand_tasks_per_node(environ["SLURM_STEP_TASKS_PER_NODE"])
        addresses = [
            f"{host}:{PORT + number}"
            for host, count in zip(hosts, counts, strict=True)
            for number in range(count)
        ]
        rank = int(environ[SLURM_RANK])
        addresses[rank]
    except (KeyError, ValueError, IndexError) as error:
        raise ClusterError(
            f"--cluster auto: the Slurm step cannot be read ({error!r}). Start the workers by srun, or set "
            f"{TF_CONFIG}."
        ) from None
    return Cluster(_tasks({WORKER: addresses}), rank)


def tf_config(tasks: int, index: int, ports: list[int]) -> str:
    """TF_CONFIG of one of `tasks` workers on this machine."""
    addresses = [f"127.0.0.1:{port}" for port in ports[:tasks]]
    return json.dumps({"cluster": {WORKER: addresses}, "task": {"type": WORKER, "index": index}})
