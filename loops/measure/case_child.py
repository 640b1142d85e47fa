"""Makes and runs arms of a case as it is told, a request a line of input: what `case_process` starts.

python -m loops.measure.case_child CASE.py   (FIT_VS_TAPE_SHARED=1: as one of the workers of TF_CONFIG)
"""

import json
import os
import sys
from pathlib import Path

from loops import device
from loops.case.errors import CaseError
from loops.measure import sharing


def main() -> int:
    """Answer until standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the case prints is no answer
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what the case reads is no request
    if os.environ.get(sharing.SHARED):
        device.start("cpu", runtime=False)
        sharing.join()
    else:
        device.start("cpu")
    from loops.measure.case_server import Server

    server = Server(Path(sys.argv[1]))
    for line in requests:
        error = ""
        try:
            server.answer(json.loads(line))
        except CaseError as raised:
            error = str(raised)
        print(json.dumps({"error": error}), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
