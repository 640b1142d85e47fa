"""Equivalence within a margin, on numbers worked out by hand."""

import pytest

from loops.parity.accuracy_margin import tost


def test_interval_worked_out_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, std 1, t(0.95, 2) = 2.91999; reach 2.91999 / √3."""
    test = tost([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], margin=4.0)
    assert test.difference == pytest.approx(2.0)
    assert test.high - test.difference == pytest.approx(2.919986 / 3**0.5, rel=1e-6)
    assert test.shown


def test_equivalence_needs_the_whole_interval_inside_the_margin() -> None:
    assert not tost([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], margin=3.6).shown
    assert not tost([0.0, 1.0, -1.0], [0.0, 0.0, 0.0], margin=1.0).shown  # mean 0, too few to tell


def test_one_pair_shows_nothing() -> None:
    with pytest.raises(ValueError, match="two or more pairs"):
        tost([1.0], [1.0], margin=1.0)
