"""Whether two trainings are bit-identical, and the words that say so."""

from collections.abc import Mapping
from dataclasses import dataclass

from loops.parity.differences import Difference, differences
from loops.parity.states import Array


@dataclass(frozen=True)
class Verdict:
    """How many weights, slots and metrics were compared, and those that differ."""

    compared: int
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether everything that was compared agrees to the last bit."""
        return not self.differences

    def worded(self, place: str) -> str:
        """The verdict in one line; `place` names the device that both trainings ran on."""
        if self.identical:
            return (
                f"bit-identical: {self.compared} weights, optimizer slots and metrics "
                f"agree to the last bit on {place}"
            )
        worst = max(self.differences, key=lambda difference: difference.relative)
        return (
            f"not bit-identical on {place}: {len(self.differences)} of {self.compared} differ, "
            f"the largest in {worst}"
        )


def judge(a: Mapping[str, Array], b: Mapping[str, Array]) -> Verdict:
    """Compare what two trainings ended with, each as given by `training_state`.

    Raises:
        ValueError: the two do not hold the same names, shapes and dtypes.
    """
    return Verdict(len(a), tuple(differences(a, b)))
