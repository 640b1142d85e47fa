"""A process that makes and runs a framework's arms as it is told: python -m bench.peers.child FRAMEWORK."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.peers.frameworks import STEPS
from bench.peers.problem import PeerArm, load
from loops.errors import UserError
from loops.measure.answering import answer_requests


def main() -> int:
    """Answer until standard input ends."""
    answer_requests(_start)
    return 0


def _start() -> Callable[[dict[str, Any]], None]:
    own = importlib.import_module(STEPS[sys.argv[1]])
    arms: dict[int, PeerArm] = {}

    def answer(request: dict[str, Any]) -> None:
        try:
            if "run" in request:
                arms[request["arm"]].run(request["run"])
            elif "make" in request:
                arms[request["arm"]] = own.make(request["make"], load(Path(request["problem"])))
            else:
                del arms[request["drop"]]
        except UserError:
            raise
        except Exception as error:  # whatever the framework raises, such as torch.compile without a compiler
            words = " ".join(str(error).split())[:200]
            raise UserError(f"{type(error).__name__}: {words}") from None

    return answer


if __name__ == "__main__":
    sys.exit(main())
