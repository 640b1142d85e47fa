"""All workers come before TensorFlow waits for them, which has no end and in which Python hears nothing.

Each worker listens on its own port until it has reached all others once.
"""

import contextlib
import faulthandler
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from loops.distribute.cluster import Cluster, ClusterError, split

EVERY = 0.3  # seconds from one call to the next
CALL = 2.0  # seconds that one call waits for an answer
JOINING = 30.0  # seconds at least that TensorFlow has to join workers that have all come


def meet(cluster: Cluster, wait: float) -> None:
    """Wait until all other workers have come, `wait` seconds at most.

    Raises:
        ClusterError: this worker's port is taken, or a worker does not come; the text names it.
    """
    last = time.monotonic() + wait
    missing = [rank for rank in range(cluster.size) if rank != cluster.rank]
    with _listening(cluster):
        while missing and time.monotonic() < last:
            missing = [rank for rank in missing if not _listens(cluster.tasks[rank].address)]
            time.sleep(EVERY)
        if missing:
            raise ClusterError(_told(cluster, missing, wait))
        time.sleep(2 * EVERY)  # those that called a moment too early call again


def _told(cluster: Cluster, missing: Sequence[int], wait: float) -> str:
    names = ", ".join(cluster.name(rank) for rank in missing)
    return (
        f"{names} did not come within {wait:g} seconds. Start it, check that its host and port can be "
        "reached from here, or give --wait SECONDS. Nothing was trained or changed."
    )


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[None]:
    """Answer calls on this worker's own port, which TensorFlow takes over afterwards."""
    host, port = split(cluster.tasks[cluster.rank].address)
    try:
        server = _server(host, port, backlog=max(128, 4 * cluster.size))
    except OSError as error:
        raise ClusterError(
            f"{cluster.name(cluster.rank)}: this worker cannot listen on port {port} "
            f"({error.strerror or error}). Is a worker of this number running already?"
        ) from None
    ended = threading.Event()
    server.settimeout(EVERY)

    def answer() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                server.accept()[0].close()

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        server.close()


def _listens(address: str) -> bool:
    try:
        with socket.create_connection(split(address), timeout=CALL):
            return True
    except (OSError, ValueError):
        return False


def _server(host: str, port: int, backlog: int) -> socket.socket:
    """A server on all addresses, as TensorFlow's is, unless the host is the loopback's own address.

    A host's name may stand for its loopback there, where the others would not find it.
    """
    if host.startswith("127."):
        return socket.create_server((host, port), backlog=backlog)
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog
            )
    return socket.create_server(("", port), backlog=backlog)


@contextlib.contextmanager
def joining(cluster: Cluster, seconds: float) -> Iterator[None]:
    """A context that must end within some seconds; else the process ends with exit code 1.

    TensorFlow holds Python's lock while it joins, so that no thread of Python could do it: faulthandler's is
    none, and another process says why.
    """
    told = f"error: {cluster.name(cluster.rank)}: one of the others does not join; see their messages"
    command = [sys.executable, "-c", _SAY, str(seconds), told]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as guard, Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds + 1, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            assert guard.stdin
            guard.stdin.close()


_SAY = """
import select, sys
if not select.select([0], [], [], float(sys.argv[1]))[0]:
    sys.stderr.write(sys.argv[2] + "\\n")
"""
