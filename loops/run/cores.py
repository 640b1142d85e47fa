"""How many cores this process may use: those that it may run on, and the time that a container grants it."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def usable_cores() -> int:
    """The cores that this process may run on: its affinity, where the system has one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota(root: Path = ROOT) -> float | None:
    """The cores' worth of time that Linux's control groups grant this process; None without a limit.

    A group has no more than those above it, so the least of their limits is in force. A group that is
    named by its path outside a container shows within it as the root.
    """
    limits = [words for words in _limits(root) if words and words[0].isdigit()]  # else "max", "-1"
    return min((int(quota) / int(period) for quota, period in limits), default=None)


def _limits(root: Path) -> Iterator[list[str]]:
    """Quota and period, in microseconds, of the process's group and of those above it, where there are."""
    tree = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        group = PurePosixPath(name.removeprefix("/"))
        for each in (group, *group.parents):
            if not controllers:  # version 2
                yield _read(tree / each / "cpu.max").split()
            elif "cpu" in controllers.split(","):
                files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                yield [_read(tree / "cpu" / each / file).strip() for file in files]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
