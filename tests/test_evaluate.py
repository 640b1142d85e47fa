"""The evaluator, on numbers worked out by hand and against NumPy."""

import numpy as np
import pytest

from loops.data import FashionMnist
from loops.evaluate import evaluate, score
from model import new_model
from tests import numpy_reference


def test_scores_worked_out_by_hand() -> None:
    """Classes 0 and 1 alone are there: 0 is hit 2 of 3 times, 1 once of 1."""
    scores = score(
        np.array([0, 0, 0, 1]), np.eye(10, dtype=np.float32)[[0, 0, 1, 1]], np.array([0.5, 0.5, 2.0, 1.0])
    )
    assert scores.loss == 1.0
    assert scores.accuracy == scores.f1_micro == 0.75
    # F1 of class 0: 2·2/(2·2+0+1) = 0.8; of class 1: 2·1/(2·1+1+0) = 2/3; of the eight others: 0
    assert scores.f1_macro == pytest.approx((0.8 + 2 / 3) / 10)
    assert scores.confusion[:2, :2].tolist() == [[2, 1], [0, 1]]
    assert scores.confusion.sum() == 4
    assert scores.confusion.shape == (10, 10)


def test_evaluation_of_a_model_agrees_with_numpy(small: FashionMnist) -> None:
    model = new_model(3)
    losses, guesses = numpy_reference.losses(model.get_weights(), small.test.images, small.test.labels)
    result = evaluate(model, small.test)
    assert result.loss == pytest.approx(losses.mean(), rel=1e-6)
    assert result.accuracy == (guesses == small.test.labels).mean()
    assert result.confusion.sum() == 70
