"""The one clock of this suite."""

import time
from collections.abc import Callable


def timed(block: Callable[[], object]) -> float:
    """Seconds that `block` takes, by the monotonic clock."""
    started = time.perf_counter()
    block()
    return time.perf_counter() - started


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._started
