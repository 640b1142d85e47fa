"""Least squares for gradients, on numbers worked out by hand."""

import numpy as np
import pytest

from loops.diagnose.algebra import by_variable, groups, plain, solve
from loops.diagnose.observed import Gradients
from loops.diagnose.scene import Tolerance, apart_by


def gradients(*arrays: list[float]) -> Gradients:
    return {index: np.array(array, np.float32) for index, array in enumerate(arrays)}


ONE, TWO = gradients([1.0, 0.0], [2.0]), gradients([0.0, 1.0], [1.0])
MOST = {0: 1e-5, 1: 1e-5}


def test_coefficients_of_a_sum_are_found() -> None:
    found = solve(gradients([0.3, 2.0], [2.6]), [ONE, TWO], MOST)
    assert found
    assert found.values == pytest.approx((0.3, 2.0), abs=1e-6)
    assert max(found.errors) < 1e-5


def test_what_is_no_sum_of_the_columns_has_no_solution() -> None:
    assert solve(gradients([0.3, 2.0], [2.7]), [ONE, TWO], MOST) is None


def test_columns_that_cannot_be_told_apart_have_no_solution() -> None:
    assert solve(gradients([3.0, 0.0], [6.0]), [ONE, ONE], MOST) is None


def test_a_small_variable_must_fit_as_well_as_a_large_one() -> None:
    large = gradients([1e4, 0.0], [1e-3])
    assert solve(gradients([2e4, 0.0], [2e-3]), [large], {0: 1.0, 1: 1e-8})
    assert solve(gradients([2e4, 0.0], [2.1e-3]), [large], {0: 1.0, 1: 1e-8}) is None


def test_each_variable_may_have_a_factor_of_its_own() -> None:
    assert by_variable(gradients([0.5, 0.0], [4.0]), ONE, MOST) == pytest.approx({0: 0.5, 1: 2.0})
    assert by_variable(gradients([0.5, 0.1], [4.0]), ONE, MOST) is None


@pytest.mark.parametrize(
    ("value", "error", "meant"),
    [(0.20000001, 0.0, 0.2), (0.2374, 1e-9, 0.2374), (0.23741, 2e-5, 0.2374), (1 / 3, 1e-9, 1 / 3)],
)
def test_the_shortest_decimal_within_the_error_is_meant(value: float, error: float, meant: float) -> None:
    assert plain(value, error) == pytest.approx(meant, rel=1e-6)


def test_values_that_agree_are_one_group() -> None:
    assert sorted(map(sorted, groups({1: 0.1, 2: 0.10000001, 5: 3.0}).values())) == [[1, 2], [5]]


def test_gradients_agree_within_the_tolerance_of_each_variable() -> None:
    tolerance = Tolerance({0: 1e-3, 1: 1e-6})
    assert tolerance.same(ONE, gradients([1.0005, 0.0], [2.0]))
    assert tolerance.differing(ONE, gradients([1.0005, 0.0], [2.0005])) == [1]


def test_distance_is_relative_to_the_larger_one() -> None:
    assert apart_by(gradients([3.0, 4.0]), gradients([0.0, 0.0])) == 1.0
    assert apart_by({}, {}) == 0.0
