"""What a diagnosis consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

IDENTICAL = "identical"
STEPS = 50  # that are compared unless another number is given


@dataclass(frozen=True)
class Diagnosis:
    """The verdict in one line, the evidence for it, the mended code, and the figures behind it.

    `cause` is the name of the mistake, None where the verdict is "identical" or no cause was proved.
    `figures` hold the steps compared, the departure from fit() at the end over the distance travelled,
    and the largest departure that counts as rounding, where those were measured.
    """

    verdict: str
    evidence: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    cause: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def identical(self) -> bool:
        """Whether the user's training is fit()'s, to the bit or within rounding."""
        return self.verdict.startswith(IDENTICAL)
