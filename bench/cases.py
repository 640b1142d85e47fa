"""A reader's case for the bench: loaded once in a session, with what its rows are timed against."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Reference, References
from loops.case.batches import batch_size
from loops.device import Device
from loops.measure.arms import Arm
from loops.measure.engine import fit_of
from loops.measure.measurement import AGAIN, STEP
from loops.measure.verdict import judged
from loops.measure.ways.facts import Facts, read_facts
from loops.measure.ways.trying import make_arm

ARMS = (AGAIN, STEP)  # AGAIN is the A/A control


@dataclass(frozen=True)
class CaseRow:
    """One row of a case: which arm, and whether batches() is part of its step."""

    path: Path
    arm: str
    with_input: bool

    @property
    def name(self) -> str:
        """What the row is called, the same in each run, so that runs can be compared."""
        return f"{self.path.stem}, {self.arm}, {'with' if self.with_input else 'without'} input"


@dataclass(frozen=True)
class LoadedCase:
    """A case with its facts, its batch size and what diagnose says of its step."""

    facts: Facts
    batch_size: int
    verdict: str

    @property
    def multiple(self) -> int:
        """Steps of one call of fit()."""
        return self.facts.multiple

    def maker(self, row: CaseRow) -> Callable[[], Arm]:
        """Makes the row's arm."""
        if row.arm == AGAIN:
            return functools.partial(fit_of, self.facts, with_input=row.with_input)
        return functools.partial(make_arm, self.facts, None, with_input=row.with_input)

    def reference(self, row: CaseRow, references: References) -> Reference:
        """fit() of the case, with or without input."""
        make = functools.partial(fit_of, self.facts, with_input=row.with_input)
        return references.get((row.path, row.with_input), make, self.facts.multiple)


def rows_of(paths: list[Path]) -> list[CaseRow]:
    """The rows of some cases."""
    return [CaseRow(path, arm, with_input) for path in paths for with_input in (False, True) for arm in ARMS]


@functools.cache
def load_case(path: Path, device: Device) -> LoadedCase:
    """Load a case and judge its step, once in a session.

    Raises:
        CaseError: the case cannot be run.
    """
    facts = read_facts(path)
    return LoadedCase(facts, batch_size(facts.epoch[0]), judged(path, device).words)
