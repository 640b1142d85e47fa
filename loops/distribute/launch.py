"""Several workers on this machine: started, followed and ended together."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from loops.distribute.cluster import TF_CONFIG, ClusterError, tf_config

MODULE = "loops"  # what `python -m` starts
PARENT = "FIT_VS_TAPE_PARENT"  # names the pipe that ends with the process that started the workers
SHELL = 128  # a shell's exit code for a signal is this and its number
PATIENCE = 30.0  # seconds that the others have to end by themselves once one has failed


def run(
    workers: int, arguments: Sequence[str], *, gpus: Sequence[str] = (), stopped: Callable[[], int | None]
) -> int:
    """Start `workers` processes with these arguments of the command line, wait for them, return an exit code.

    The first is the chief: what it prints is printed. Of the others only their messages are, with their
    names. When one fails the others have PATIENCE seconds to say why they end; none is left behind.
    `stopped` gives the signal that asked this process for the end.
    """
    ports = free_ports(workers)
    reading, writing = os.pipe()  # `writing` closes when this process ends, however it ends
    os.set_inheritable(reading, True)
    with ExitStack() as stack:
        stack.callback(os.close, writing)
        started: list[subprocess.Popen[str]] = []
        stack.callback(_end, started)
        for rank in range(workers):
            environment = {**os.environ, TF_CONFIG: tf_config(workers, rank, ports), PARENT: str(reading)}
            if gpus:
                environment["CUDA_VISIBLE_DEVICES"] = gpus[rank]
            started.append(_start(rank, arguments, environment, reading))
        os.close(reading)
        printing = [_print_messages(rank, process) for rank, process in enumerate(started) if rank]
        code = _wait(started, stopped)
        for thread in printing:
            thread.join(timeout=2)
        return code


def _start(
    rank: int, arguments: Sequence[str], environment: dict[str, str], pipe: int
) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", MODULE, *arguments, "--cluster", "auto"]
    return subprocess.Popen(
        command,
        env=environment,
        pass_fds=[pipe],
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # a Ctrl-C reaches them through this process, once
        stdout=subprocess.DEVNULL if rank else None,
        stderr=subprocess.PIPE if rank else None,
    )


def _print_messages(rank: int, process: "subprocess.Popen[str]") -> threading.Thread:
    def follow() -> None:
        assert process.stderr
        for line in process.stderr:
            if line.strip():
                print(f"worker {rank}: {line.rstrip()}", file=sys.stderr, flush=True)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    return thread


def _wait(processes: Sequence["subprocess.Popen[str]"], stopped: Callable[[], int | None]) -> int:
    """Until all have ended, or PATIENCE seconds after the first has failed; the exit code of that one."""
    failed, told = 0, None
    last = float("inf")
    while True:
        number = stopped()
        if number is not None and told is None:
            told = number
            for process in processes:
                process.send_signal(number)
        codes = [process.poll() for process in processes]
        rank, code = next(((rank, code) for rank, code in enumerate(codes) if code), (0, 0))
        if code and not failed:
            failed, last = code, time.monotonic() + PATIENCE
            if code < 0 and told is None:
                print(f"worker {rank} was ended by {signal.Signals(-code).name}", file=sys.stderr, flush=True)
        if codes[0] == 0:  # the chief has the result, and the others have nothing left to do
            last = min(last, time.monotonic() + PATIENCE)
        left = [process for process, code in zip(processes, codes, strict=True) if code is None]
        if not left or time.monotonic() > last or (failed and all(map(_is_stopped, left))):
            return SHELL + told if told and failed < 0 else _code(failed)
        time.sleep(0.05)


def _is_stopped(process: "subprocess.Popen[str]") -> bool:
    """Whether a signal holds the process (SIGSTOP), so that it will not end by itself."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return False
    return os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None


def _code(failed: int) -> int:
    """A worker that a signal ended is a failure of the whole."""
    return 1 if failed < 0 else failed


def _end(processes: Sequence["subprocess.Popen[str]"]) -> None:
    """End what is left, stopped processes too."""
    for process in processes:
        if process.poll() is None:
            process.kill()
    for process in processes:
        process.wait()


def end_with_parent() -> None:
    """End this worker when the process that started it has ended, however that was; does not wait."""
    pipe = os.environ.pop(PARENT, None)
    if pipe is None:
        return

    def wait() -> None:
        os.read(int(pipe), 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def gpus_for(workers: int, choice: str) -> Sequence[str]:
    """The GPU of each worker, by CUDA's name for it; nothing where there is none or `choice` is "cpu".

    Raises:
        ClusterError: there are some, but fewer than workers.
    """
    found = () if choice == "cpu" else _gpus_here()
    if found and len(found) < workers:
        raise ClusterError(
            f"--workers {workers}: there are {len(found)} GPUs, and a worker takes one. Use fewer workers, "
            "or --device cpu."
        )
    return found[:workers]


def _gpus_here() -> Sequence[str]:
    """The GPUs that a process started here would see; asks the driver, since TensorFlow takes seconds."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [each.strip() for each in chosen.split(",") if each.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return [str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
