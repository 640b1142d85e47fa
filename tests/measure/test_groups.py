"""The interval of a ratio whose arms were made several times."""

import math

import numpy as np
import pytest

from loops.measure.groups import ratio_of_makes


def test_interval_is_students_over_the_medians_of_the_makes() -> None:
    ratio = ratio_of_makes([[1.0, 1.0, 9.0], [1.21, 1.21, 1.21], [1.1, 1.1, 1.1]])
    assert ratio.median == pytest.approx(1.1)
    half = 4.302653 * math.log(1.1) / math.sqrt(3)  # t of 2 degrees of freedom at 97.5 %
    assert ratio.high == pytest.approx(1.1 * math.exp(half), rel=1e-5)
    assert ratio.low == pytest.approx(1.1 / math.exp(half), rel=1e-5)
    assert ratio.pairs == 9


def test_two_makes_are_too_few() -> None:
    with pytest.raises(ValueError, match="need 3 or more makes, got 2"):
        ratio_of_makes([[1.0], [1.0]])


@pytest.mark.parametrize("makes", [4, 6])
def test_interval_covers_the_truth_though_each_make_has_a_constant_of_its_own(makes: int) -> None:
    random = np.random.default_rng(0)
    trials, covered = 600, 0
    for _ in range(trials):
        constants = random.normal(0, 0.05, (makes, 1))
        ratio = ratio_of_makes(np.exp(constants + random.normal(0, 0.03, (makes, 5))).tolist())
        covered += not ratio.excludes(1)
    assert covered / trials == pytest.approx(0.95, abs=0.03)
