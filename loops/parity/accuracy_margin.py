"""Are two paired sets of scores equivalent within a margin fixed beforehand: two one-sided tests."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

ALPHA = 0.05


@dataclass(frozen=True)
class Equivalence:
    """The mean paired difference, its 90 % interval, and whether that lies within ± margin."""

    difference: float
    low: float
    high: float
    margin: float

    @property
    def shown(self) -> bool:
        """Both one-sided tests reject at 5 % exactly when the 90 % interval lies within the margin."""
        return -self.margin < self.low and self.high < self.margin


def tost(a: npt.ArrayLike, b: npt.ArrayLike, margin: float) -> Equivalence:
    """Two one-sided paired t tests (Schuirmann 1987) of mean(a − b) within ± margin.

    Raises:
        ValueError: fewer than two pairs, or sets of different size.
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    if first.shape != second.shape or first.size < 2:
        raise ValueError(f"need two or more pairs, got {first.size} and {second.size} values")
    gaps = first - second
    reach = stats.t.ppf(1 - ALPHA, gaps.size - 1) * gaps.std(ddof=1) / np.sqrt(gaps.size)
    return Equivalence(float(gaps.mean()), float(gaps.mean() - reach), float(gaps.mean() + reach), margin)
