"""Two arms in alternating blocks, each made anew several times: drift and an arm's own constant both show."""

import gc
from collections.abc import Callable

from loops.measure.clock import timed
from loops.measure.warm import Warm


class Pairing:
    """Interleaves timed blocks A with blocks of a reference B: A B, B A, A B and so on, make after make.

    pytest-benchmark times A and calls `after_round` off its clock, which runs B once for each
    pair, two at a time, so that each pair's order is the other way round than the last one's. After the
    last pair of a make, both arms are made anew: `arm` and `reference` give those of a make, by its number.
    """

    def __init__(
        self,
        arm: Callable[[int], Warm],
        reference: Callable[[int], Warm],
        *,
        makes: int,
        rounds: int,
    ) -> None:
        self._arm, self._reference = arm, reference
        self._makes, self._rounds = makes, rounds
        self._calls = self._round = 0
        self.reference_seconds: list[list[float]] = []
        self._begin()

    @property
    def steps(self) -> int:
        """Steps of a block of A, the same in every make."""
        return self._own.steps

    def step(self) -> None:
        """Called once a step; the round's first call runs the whole block with its one sync."""
        if self._calls % self.steps == 0 and self._calls < self._makes * self._rounds * self.steps:
            self._own.block()
        self._calls += 1

    def after_round(self) -> None:
        """The reference blocks between this timed block and the next, and the next make after the last."""
        self._round += 1
        wanted = min(self._round + self._round % 2, self._rounds)
        seconds = self.reference_seconds[-1]
        while len(seconds) < wanted:
            seconds.append(timed(self._other.block) / self._other.steps)
        if self._round == self._rounds and len(self.reference_seconds) < self._makes:
            self._begin()

    def _begin(self) -> None:
        make = len(self.reference_seconds)
        self._own, self._other = self._arm(make), self._reference(make)
        gc.collect()  # where a function is dropped, TensorFlow empties its cache of kernels
        for warm in (self._own, self._other):
            warm.block()  # warm again
        self._round = 0
        self.reference_seconds.append([])
