"""The statistics of the bench: numbers worked out by hand, and simulated noise."""

import numpy as np
import pytest

from loops.measure.ratios import Ratio, independent_ratio, paired_ratio, relative_iqr, verdict


def test_ratio_is_the_median_of_pairwise_ratios() -> None:
    ratio = paired_ratio([1.0, 4.0, 9.0], [2.0, 4.0, 6.0])  # 0.5, 1.0, 1.5
    assert (ratio.median, ratio.low, ratio.high, ratio.pairs) == (1.0, 0.5, 1.5, 3)


def test_drift_that_hits_both_arms_cancels() -> None:
    drift = [1.0, 2.0, 4.0, 8.0]
    ratio = paired_ratio([0.9 * value for value in drift], drift)
    assert ratio.low == pytest.approx(0.9)
    assert ratio.high == pytest.approx(0.9)


@pytest.mark.parametrize("samples", [([1.0], [1.0]), ([1.0, 2.0], [1.0])])
def test_fewer_than_two_pairs_are_refused(samples: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="two or more pairs"):
        paired_ratio(*samples)


@pytest.mark.parametrize(
    ("ratio", "control", "expected"),
    [
        (Ratio(0.90, 0.88, 0.92, 20), Ratio(1.00, 0.98, 1.02, 20), "faster"),
        (Ratio(1.10, 1.05, 1.12, 20), Ratio(1.00, 0.98, 1.02, 20), "slower"),
        (Ratio(0.99, 0.97, 1.01, 20), Ratio(1.00, 0.98, 1.02, 20), "no difference shown"),
        (
            Ratio(0.97, 0.96, 0.98, 20),
            Ratio(1.00, 0.97, 1.03, 20),
            "no difference shown",
        ),  # inside A/A's band
        (Ratio(0.97, 0.96, 0.98, 20), None, "faster"),
    ],
)
def test_difference_counts_only_beyond_one_and_beyond_the_control(
    ratio: Ratio, control: Ratio | None, expected: str
) -> None:
    assert verdict(ratio, control) == expected


def test_relative_iqr_worked_out_by_hand() -> None:
    assert relative_iqr([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)


def test_interval_covers_the_true_ratio_as_often_as_it_says() -> None:
    """1,000 simulated runs of 20 pairs: shared drift, and noise with the long tail that timings have."""
    rng = np.random.default_rng(1)
    covered = 0
    for run in range(1000):
        drift = np.exp(np.cumsum(rng.normal(0, 0.1, 20)))
        noise = np.exp(rng.gumbel(0, 0.03, (2, 20)))
        ratio = paired_ratio(0.9 * drift * noise[0], drift * noise[1], seed=run)
        covered += not ratio.excludes(0.9)
    assert 930 <= covered <= 970


def test_planted_slowdown_of_five_percent_is_detected() -> None:
    rng = np.random.default_rng(2)
    drift = np.exp(np.cumsum(rng.normal(0, 0.1, 20)))
    base = drift * np.exp(rng.normal(0, 0.02, (3, 20)))
    control = paired_ratio(base[0], base[1])
    assert verdict(control, None) == "no difference shown"
    assert verdict(paired_ratio(1.05 * base[2], base[1]), control) == "slower"


def test_unpaired_ratio_is_that_of_the_medians() -> None:
    ratio = independent_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0, 2.0])
    assert ratio.median == 2.0
    assert (ratio.low, ratio.high) == pytest.approx((2 / 3, 6.0), rel=0.5)
    assert ratio.low < 2 < ratio.high
