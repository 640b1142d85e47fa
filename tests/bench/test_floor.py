"""The floor of a step: numbers worked out by hand."""

from bench import counts
from loops.measure import floor
from model import FashionCNN


def test_operations_and_bytes_of_a_step_worked_out_by_hand() -> None:
    model = FashionCNN()
    # output positions × kernel entries: 28·28·2·2·1·32, 14·14·2·2·32·64, 3136·128, 128·10
    macs = {"conv1": 100_352, "conv2": 1_605_632, "hidden": 401_408, "classifier": 1_280}
    assert counts.forward_macs(model) == macs
    assert counts.step_flops(model, 300) == 2 * 300 * (3 * 2_108_672 - 100_352)  # 3.7 GFLOP
    assert counts.step_bytes(model, 300) == 4 * (300 * 784 + 8 * 411_242)
    assert floor.floor_seconds(10, 1, flops_per_second=2, bytes_per_second=1) == 5
    assert floor.floor_seconds(1, 10, flops_per_second=2, bytes_per_second=1) == 10
