"""What is measured: the loop variants, the batch sizes, and which of their rows a default run has.

A new batch size goes into BATCH_SIZES, a new loop variant into VARIANTS; every file of rows reads them here.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from loops.config import TrainConfig


@dataclass(frozen=True)
class Variant:
    """A way to train: "fit", "tape", or "eager tape", which is the tape's step without tf.function.

    `jit_compile` is explicit so that every loop runs the same program.
    """

    loop: str
    jit_compile: bool = False
    steps_per_execution: int = 1

    @property
    def name(self) -> str:
        """The row's name, as in "fit", "fit spe=8", "tape xla"."""
        calls = f" spe={self.steps_per_execution}" if self.steps_per_execution > 1 else ""
        return f"{self.loop}{calls}{' xla' if self.jit_compile else ''}"


BATCH_SIZE = TrainConfig().batch_size  # the blog post's, at which the headlines are measured
BATCH_SIZES = (1, 8, 32, 128, BATCH_SIZE, 1000)
OTHER_SIZES = tuple(size for size in BATCH_SIZES if size != BATCH_SIZE)

FIT, TAPE = Variant("fit"), Variant("tape")  # FIT is the reference of every row, and the A/A control
VARIANTS = (
    TAPE,
    Variant("fit", steps_per_execution=8),
    Variant("eager tape"),
    Variant("tape", jit_compile=True),
)
GRID_VARIANTS = (Variant("fit", jit_compile=True),)  # measured only with --grid

Case = tuple[Variant, int]  # a loop variant and a batch size: one row
HEADLINES: Sequence[Case] = [(FIT, BATCH_SIZE), (TAPE, BATCH_SIZE)]  # all other rows get fewer pairs
DEFAULT: Sequence[Case] = [(variant, BATCH_SIZE) for variant in VARIANTS] + [
    (TAPE, size) for size in OTHER_SIZES
]
GRID: Sequence[Case] = list(itertools.product(VARIANTS + GRID_VARIANTS, BATCH_SIZES))
CONTROLS: Sequence[Case] = [(FIT, size) for size in BATCH_SIZES]


class Named(Protocol):
    """A variant, or a rung of the fast loop."""

    @property
    def name(self) -> str:
        """What the row is called."""


def params(default: Iterable[tuple[Named, int]], grid: Iterable[tuple[Named, int]]) -> list[Any]:
    """The pytest parameters of a file's rows: those of a default run, then those that `--grid` adds."""
    always = list(default)
    extra = [case for case in grid if case not in always]
    return [_param(case) for case in always] + [_param(case, pytest.mark.grid) for case in extra]


def _param(case: tuple[Named, int], *marks: pytest.MarkDecorator) -> Any:
    what, batch_size = case
    if batch_size != BATCH_SIZE:
        marks = (*marks, pytest.mark.sweep)
    return pytest.param(what, batch_size, marks=marks, id=f"{what.name}, {batch_size}")
