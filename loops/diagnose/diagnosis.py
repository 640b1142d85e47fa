"""What a diagnosis consists of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """The verdict, the evidence for it, and the mended code."""

    verdict: str
    evidence: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
