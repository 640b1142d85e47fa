"""Makes and runs arms of a case as it is told: what `case_process` starts.

python -m loops.measure.case_child CASE.py   (FIT_VS_TAPE_SHARED=1: as one of the workers of TF_CONFIG)
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loops import device
from loops.measure import sharing
from loops.measure.answering import answer_requests


def main() -> int:
    """Answer until standard input ends."""
    answer_requests(_start)
    return 0


def _start() -> Callable[[dict[str, Any]], None]:
    shared = bool(os.environ.get(sharing.SHARED))
    device.start("cpu", runtime=not shared)
    if shared:
        sharing.join()
    from loops.measure.case_server import Server

    return Server(Path(sys.argv[1])).answer


if __name__ == "__main__":
    sys.exit(main())
