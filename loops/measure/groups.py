"""From several makes of the same arms to one ratio: the interval counts what differs from make to make.

Two arms of the same kind differ by a constant of their own, such as where their memory lies, which pairs of
blocks cannot cancel. So each arm is made anew several times, a *make*, and the makes are the samples.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from loops.measure.ratios import CONFIDENCE, Ratio

FEWEST_MAKES = 3  # with 2, Student's t is 12.7 and the interval says nothing


def ratio_of_makes(makes: Sequence[Sequence[float]]) -> Ratio:
    """The ratio of two arms from pairwise ratios, a sequence for each make.

    The logarithm of each make's median is one sample; the interval is Student's t over these (Student 1908),
    so that the pairs within a make only steady its median and are not taken for independent samples.

    Raises:
        ValueError: there are fewer than FEWEST_MAKES makes.
    """
    if len(makes) < FEWEST_MAKES:
        raise ValueError(f"need {FEWEST_MAKES} or more makes, got {len(makes)}")
    logs = np.log([np.median(np.asarray(pairs, float)) for pairs in makes])
    centre, spread = float(np.mean(logs)), float(np.std(logs, ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(makes) - 1)) * spread / math.sqrt(len(makes))
    pairs = sum(len(each) for each in makes)
    return Ratio(math.exp(centre), math.exp(centre - half), math.exp(centre + half), pairs)
