"""From paired samples to a ratio with an interval and a verdict: pure functions on numbers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
RESAMPLES = 10_000
NOISY = 0.10  # an interquartile range over this share of the median is called noise
FEWEST_PAIRS = 5  # with 5 the interval covers the truth in 94 % of simulated runs, with 4 in 87, with 2 in 50


@dataclass(frozen=True)
class Ratio:
    """The median of pairwise ratios with its 95 % interval."""

    median: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside the interval."""
        return not self.low <= value <= self.high

    def overlaps(self, other: "Ratio") -> bool:
        """Whether the two intervals share a value."""
        return self.low <= other.high and other.low <= self.high


def paired_ratio(times: npt.ArrayLike, reference: npt.ArrayLike, *, seed: int = 0) -> Ratio:
    """The ratio of two arms timed in pairs: below 1, the first is the faster.

    The interval is the percentile bootstrap over pairs (Efron 1979); a pair is resampled as
    one, so drift that hits both of its blocks cancels.

    Raises:
        ValueError: the two differ in length or hold fewer than two pairs.
    """
    above, below = np.asarray(times, float), np.asarray(reference, float)
    if len(above) != len(below) or len(above) < 2:
        raise ValueError(f"need two or more pairs, got {len(above)} and {len(below)} samples")
    ratios = above / below
    draws = np.random.default_rng(seed).integers(len(ratios), size=(RESAMPLES, len(ratios)))
    medians = np.median(ratios[draws], axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    return Ratio(float(np.median(ratios)), float(low), float(high), len(ratios))


def verdict(ratio: Ratio, control: Ratio | None) -> str:
    """The word for a ratio: a difference counts only beyond 1 and beyond the A/A control's band."""
    if not ratio.excludes(1) or (control is not None and ratio.overlaps(control)):
        return "no difference shown"
    return "faster" if ratio.median < 1 else "slower"


def relative_iqr(samples: npt.ArrayLike) -> float:
    """Interquartile range over median: how noisy the samples are."""
    low, median, high = np.quantile(np.asarray(samples, float), [0.25, 0.5, 0.75])
    return float((high - low) / median)


def independent_ratio(times: npt.ArrayLike, reference: npt.ArrayLike, *, seed: int = 0) -> Ratio:
    """The ratio of two medians whose samples were not taken in pairs, as on two machines.

    Each side is resampled on its own; drift does not cancel, so the interval is wider.
    """
    rng = np.random.default_rng(seed)
    above, below = np.asarray(times, float), np.asarray(reference, float)
    medians = [
        np.median(side[rng.integers(len(side), size=(RESAMPLES, len(side)))], axis=1)
        for side in (above, below)
    ]
    ratios = medians[0] / medians[1]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Ratio(
        float(np.median(above) / np.median(below)), float(low), float(high), min(len(above), len(below))
    )
