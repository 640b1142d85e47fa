"""Times several arms side by side: each made anew several times, their blocks in an order drawn by round."""

import contextlib
import gc
import random
import statistics
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from loops.case.errors import CaseError
from loops.measure.arms import Arm, DelayedArm
from loops.measure.clock import timed
from loops.measure.groups import ratio_of_makes
from loops.measure.ratios import Ratio
from loops.measure.warm import BLOCK_SECONDS, Warm, warm_up

Say = Callable[[str], None]
Make = Callable[[], Arm]


@dataclass(frozen=True)
class Contestant:
    """How an arm is made; `multiple` is the steps of one call. An `optional` one that raises is left out."""

    make: Make
    multiple: int = 1
    optional: bool = False


@dataclass(frozen=True)
class Planted:
    """An arm that is another one with a share of its step's time slept after each block."""

    name: str
    of: str
    share: float


@dataclass
class Samples:
    """What was timed of one arm: first calls in seconds, and a make's blocks in seconds a step."""

    first_calls: list[float] = field(default_factory=list)
    makes: list[list[float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median time of a step over all blocks."""
        return statistics.median(value for make in self.makes for value in make)

    @property
    def first_call(self) -> float:
        """The median time of the first call, in seconds."""
        return statistics.median(self.first_calls)

    def pairs(self, reference: "Samples") -> list[list[float]]:
        """The ratios to the reference's block of the same round, for each make."""
        return [
            [one / two for one, two in zip(own, other, strict=True)]
            for own, other in zip(self.makes, reference.makes, strict=True)
        ]

    def ratio(self, reference: "Samples") -> Ratio:
        """The ratio to the reference with its interval."""
        return ratio_of_makes(self.pairs(reference))


class Makes:
    """The arms of one table, timed make by make. `refused` says why an optional arm is missing.

    `seed` decides in which orders arms are made and blocks are timed, each block of at least
    `block_seconds`, by default BLOCK_SECONDS.
    """

    def __init__(
        self,
        contestants: Mapping[str, Contestant],
        planted: Planted | None = None,
        seed: int = 0,
        block_seconds: float | None = None,
    ) -> None:
        self._contestants = dict(contestants)
        self._planted, self._seed, self._block_seconds = planted, seed, block_seconds or BLOCK_SECONDS
        self._done = 0
        self.samples: dict[str, Samples] = {}
        self.refused: dict[str, str] = {}

    def time(self, rounds: int) -> None:
        """Make all arms anew and time `rounds` blocks of each.

        Raises:
            CaseError: an arm that is not optional raises.
        """
        self._done += 1
        gc.collect()  # of arms that are gone: with their functions, TensorFlow empties its cache of kernels
        with contextlib.ExitStack() as stack:
            self._blocks(self._all_warm(stack), rounds)

    def _all_warm(self, stack: contextlib.ExitStack) -> dict[str, Warm]:
        warm: dict[str, Warm] = {}
        # which arm is made first decides where its memory lies
        for name in _shuffled(self._contestants, f"{self._seed} {self._done}"):
            contestant = self._contestants[name]
            try:
                arm = contestant.make()
                stack.callback(arm.close)
                warm[name] = warm_up(arm, contestant.multiple, self._block_seconds)
            except CaseError as error:
                if not contestant.optional:
                    raise
                self.refused[name] = str(error)
                del self._contestants[name]
                self.samples.pop(name, None)
        if self._planted:
            warm[self._planted.name] = _slowed(warm[self._planted.of], self._planted.share)
        return warm

    def _blocks(self, warm: dict[str, Warm], rounds: int) -> None:
        gc.collect()  # else the garbage of one arm's making is collected on another's clock
        for each in warm.values():
            each.block()  # warm again, whatever that has emptied
        times: dict[str, list[float]] = {name: [] for name in warm}
        for number in range(rounds):
            # no arm always follows another
            for name in _shuffled(warm, f"{self._seed} {self._done} {number}"):
                times[name].append(timed(warm[name].block) / warm[name].steps)
        for name, each in warm.items():
            own = self.samples.setdefault(name, Samples())
            own.first_calls.append(each.first_call_seconds)
            own.makes.append(times[name])


def _shuffled(names: Collection[str], seed: str) -> list[str]:
    return random.Random(seed).sample(list(names), len(names))


def _slowed(warm: Warm, share: float) -> Warm:
    pause = share * statistics.median(timed(warm.block) for _ in range(3)) / warm.steps
    return Warm(DelayedArm(warm.arm, pause), warm.first_call_seconds, warm.steps)
