"""What a processor that is not here could do at best for a case's step: a bound, not a measurement."""

from collections.abc import Sequence
from dataclasses import dataclass

from loops.measure.counting import Work
from loops.measure.floor import Processor

NO_GPU = "TensorFlow sees no GPU on this machine, so what one buys cannot be measured here."


@dataclass(frozen=True)
class Bounds:
    """The counted work of a step, the rates of the processor that it was timed on, and those assumed."""

    work: Work
    here: Processor
    assumed: Sequence[Processor] = ()

    @property
    def floor_ms(self) -> float:
        """Milliseconds below which the processor that is here cannot take a step."""
        return 1000 * self.here.floor(self.work.flops, self.work.bytes)

    def lines(self, ms_per_step: float) -> list[str]:
        """What can be known of other processors from a step that takes `ms_per_step` here."""
        work, here = self.work, self.here
        told = [
            f"counted in the graph of your step: {_amount(work.flops, 'FLOP')} in matrix products and "
            f"convolutions, {_amount(work.bytes, 'B')} to be moved at least",
            f"{here.name}, measured: {_amount(here.flops_per_second, 'FLOP/s')} in a product of matrices, "
            f"{_amount(here.bytes_per_second, 'B/s')} in a copy. Its floor is {_time(self.floor_ms)}; "
            f"your step takes {_times(ms_per_step / self.floor_ms)} that",
        ]
        for each in self.assumed:
            least = 1000 * each.floor(work.flops, work.bytes)
            told.append(
                f"{each.name}, assumed {_amount(each.flops_per_second, 'FLOP/s')} and "
                f"{_amount(each.bytes_per_second, 'B/s')}: a bound, not a measurement: no step whose "
                f"variables leave the cache can take less than {_time(least)} there: at most "
                f"{_times(ms_per_step / least)} as fast as here"
            )
        if self.assumed:
            told.append("A GPU's step also takes the time to start each kernel, which this bound leaves out.")
        if work.uncounted:
            told.append(f"not counted, so that floors and bounds are too low: {', '.join(work.uncounted)}")
        return told


def _time(ms: float) -> str:
    """Milliseconds, or microseconds where they are few."""
    return f"{ms:.3g} ms" if ms >= 0.1 else f"{1000 * ms:.2g} µs"


def _times(factor: float) -> str:
    """A factor in words."""
    return f"{factor:,.0f} times" if factor >= 100 else f"{factor:.3g} times"


def _amount(value: float, unit: str) -> str:
    """A quantity with a prefix, as in "3.71 GFLOP"."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
