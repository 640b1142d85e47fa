"""The verdict of two trainings: judged to the bit, and worded."""

import numpy as np

from loops.parity.differences import Difference
from loops.parity.verdict import Verdict, judge

ONE = {"weight a": np.array([1, 2], np.float32), "weight b": np.array([3], np.float32)}


def test_equal_states_are_judged_bit_identical() -> None:
    verdict = judge(ONE, {name: array.copy() for name, array in ONE.items()})
    assert verdict == Verdict(2, ())
    assert verdict.identical


def test_one_bit_is_judged_a_difference() -> None:
    verdict = judge(ONE, ONE | {"weight b": np.nextafter(ONE["weight b"], np.float32(9))})
    assert not verdict.identical
    assert [(found.name, found.ulps) for found in verdict.differences] == [("weight b", 1)]


def test_identical_verdict_counts_what_was_compared_and_names_the_place() -> None:
    assert Verdict(34, ()).worded("a CPU") == (
        "bit-identical: 34 weights, optimizer slots and metrics agree to the last bit on a CPU"
    )


def test_verdict_names_the_largest_difference() -> None:
    two = (Difference("weight a", 1e-7, 1e-6, 9), Difference("weight b", 2e-7, 2e-6, 3))
    assert Verdict(34, two).worded("a CPU") == (
        "not bit-identical on a CPU: 2 of 34 differ, the largest in weight b: 2e-07 (relative 2e-06, 3 ULP)"
    )
