"""Where a step goes: input, forward, backward, optimizer and metrics as shares of the whole."""

from typing import Any

import pytest

from bench.arms import make_arm
from bench.harness import References, fewest, measure
from bench.parts import make_parts
from bench.rows import start_row
from bench.sweep import TAPE
from loops.batches import training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from model import new_model


@pytest.mark.parametrize("part", ["input", "forward", "forward and backward", "optimizer", "metrics"])
def test_part(
    benchmark: Any, device: Device, part: str, fashion: FashionMnist, references: References, pairs: int
) -> None:
    """One part alone, against the tape's whole step with its input: the ratio is the share."""
    config = TrainConfig(epochs=10**6)
    stream = training_stream(fashion.train, config)
    start_row(benchmark, device, "parts", kind="part", arm=part)
    whole = references.get("tape with input", lambda: make_arm(TAPE, stream))
    make = make_parts(new_model(0), stream)[part]
    measure(benchmark, make, whole, pairs=fewest(pairs), batch_size=config.batch_size)
