"""How a signal to one worker stops all of them after the same step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

SIGNALS = 2  # SIGINT and SIGTERM: numbers behind the gradients that count the workers which got them


@dataclass(frozen=True)
class Stops:
    """Signals to one worker, which all obey after the same step.

    `asked` gives how many SIGINT and SIGTERM this worker has got, `agreed` is called on every worker with
    the sum over all, where it is not (0, 0).
    """

    asked: Callable[[], Sequence[int]] = lambda: (0,) * SIGNALS
    agreed: Callable[[Sequence[int]], object] = lambda _: None


NO_STOPS = Stops()
