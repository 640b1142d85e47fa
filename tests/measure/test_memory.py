"""The bench's instruments for memory."""

import numpy as np
import pytest

from loops.measure.memory import allocated_bytes

BYTES = 2**24


def test_what_is_held_counts_and_what_is_freed_does_not() -> None:
    before = allocated_bytes()
    if before is None:
        pytest.skip("no glibc of 2.33 or later")
    held = np.ones(BYTES, np.uint8)
    after = allocated_bytes()
    assert after is not None
    assert after - before == pytest.approx(BYTES, rel=0.05)
    del held
    freed = allocated_bytes()
    assert freed is not None
    assert freed - before == pytest.approx(0, abs=BYTES / 20)
