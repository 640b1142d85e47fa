"""The least that a step can cost: operations and bytes over the rates of a processor, measured or assumed."""

import re
from dataclasses import dataclass

FLOAT_BYTES = 4
MATRIX = 2048  # side of the square matrices behind the multiply rate
COPY_FLOATS = 2**25  # 128 MiB, beyond any cache of these machines
PREFIXES = {"G": 1e9, "T": 1e12, "P": 1e15}
ASSUMED = re.compile(
    r"\s*(?P<name>[^:]+?)\s*:\s*(?P<flops>[\d.]+)\s*(?P<of_flops>[GTP])FLOP/?s\s*,"
    r"\s*(?P<bytes>[\d.]+)\s*(?P<of_bytes>[GTP])B/s\s*"
)


@dataclass(frozen=True)
class Processor:
    """What a processor does at best: operations and bytes a second."""

    name: str
    flops_per_second: float
    bytes_per_second: float

    def floor(self, flops: int, moved_bytes: int) -> float:
        """Seconds below which no step of that work can take."""
        return floor_seconds(flops, moved_bytes, self.flops_per_second, self.bytes_per_second)


def floor_seconds(flops: float, moved_bytes: int, flops_per_second: float, bytes_per_second: float) -> float:
    """The larger of the two bounds (the roofline of Williams, Waterman and Patterson, 2009)."""
    return max(flops / flops_per_second, moved_bytes / bytes_per_second)


def read_processor(text: str) -> Processor:
    """A processor as 'H100: 495 TFLOP/s, 3.3 TB/s' names it.

    Raises:
        ValueError: the text is not of that form, or a rate is 0.
    """
    found = ASSUMED.fullmatch(text)
    rates = (
        [
            float(found[amount]) * PREFIXES[found[prefix]]
            for amount, prefix in (("flops", "of_flops"), ("bytes", "of_bytes"))
        ]
        if found
        else []
    )
    if not found or min(rates) <= 0:
        raise ValueError(f"must be like 'H100: 495 TFLOP/s, 3.3 TB/s', not {text!r}")
    return Processor(found["name"], *rates)
