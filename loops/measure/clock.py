"""The one clock of this suite."""

import time
from collections.abc import Callable


def timed(block: Callable[[], object]) -> float:
    """Seconds that `block` takes, by the monotonic clock."""
    started = time.perf_counter()
    block()
    return time.perf_counter() - started
