"""Two arms in alternating blocks: drift of the machine hits both, and neither always comes first."""

from collections.abc import Callable

from loops.measure.clock import timed


class Pairing:
    """Interleaves timed blocks A with blocks of a reference B: A B, B A, A B and so on.

    pytest-benchmark times A and calls `after_round` off its clock, which runs B once for each
    pair, two at a time, so that each pair's order is the other way round than the last one's.
    """

    def __init__(
        self, block: Callable[[], object], reference: Callable[[], object], pairs: int, steps: int
    ) -> None:
        self.reference_seconds: list[float] = []
        self._block, self._reference = block, reference
        self._pairs, self._steps = pairs, steps
        self._calls = self._rounds = 0

    def step(self) -> None:
        """Called once a step; the round's first call runs the whole block with its one sync."""
        if self._calls % self._steps == 0 and self._calls < self._pairs * self._steps:
            self._block()
        self._calls += 1

    def after_round(self) -> None:
        """The reference blocks between this timed block and the next."""
        self._rounds += 1
        wanted = min(self._rounds + self._rounds % 2, self._pairs)
        while len(self.reference_seconds) < wanted:
            self.reference_seconds.append(timed(self._reference))
