"""One of several workers of the tape, which makes and runs arms as it is told: what `workers` starts.

python -m bench.worker_child SHARDS
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from loops import device
from loops.config import THREADS_AN_OP
from loops.measure.answering import answer_requests


def main() -> int:
    """Join the workers of TF_CONFIG, if any, and answer until standard input ends."""
    answer_requests(_start)
    return 0


def _start() -> Callable[[dict[str, Any]], None]:
    device.start("cpu", threads_an_op=THREADS_AN_OP, runtime=False)
    from bench.worker_server import WorkerServer

    return WorkerServer(int(sys.argv[1]), os.environ).answer


if __name__ == "__main__":
    sys.exit(main())
