"""The least that a training step can cost on this machine: operations and bytes over measured rates."""

FLOAT_BYTES = 4
MATRIX = 2048  # side of the square matrices behind the multiply rate
COPY_FLOATS = 2**25  # 128 MiB, beyond any cache of these machines


def floor_seconds(flops: int, moved_bytes: int, flops_per_second: float, bytes_per_second: float) -> float:
    """The larger of the two bounds (the roofline of Williams, Waterman and Patterson, 2009)."""
    return max(flops / flops_per_second, moved_bytes / bytes_per_second)
