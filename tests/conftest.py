"""Small data and small configs for all tests; TensorFlow on the CPU, quiet."""

import pytest

from loops import device

CPU = device.start("cpu")

from loops import data  # noqa: E402  (TensorFlow must start on the CPU first)
from loops.data import FashionMnist  # noqa: E402


@pytest.fixture(scope="session")
def fashion() -> FashionMnist:
    """All 70,000 real images."""
    return data.load()


@pytest.fixture(scope="session")
def small(fashion: FashionMnist) -> FashionMnist:
    """250 images to train on and 70 to test: at batch size 60 both end with a partial batch."""
    return FashionMnist(fashion.train.first(250), fashion.test.first(70))
