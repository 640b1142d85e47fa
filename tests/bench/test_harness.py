"""How arms are timed: blocks that alternate, warm-up, references, and one clock."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

import bench
from bench.harness import References, measure, measure_alone
from bench.pairing import Pairing
from loops.measure.warm import steps_for, warm_up


@pytest.mark.parametrize("pairs", [4, 5])
@pytest.mark.parametrize("steps", [1, 3])
def test_blocks_alternate_their_order_and_pair_up(pairs: int, steps: int) -> None:
    order: list[str] = []
    pairing = Pairing(lambda: order.append("A"), lambda: order.append("B"), pairs, steps)
    for _ in range(pairs + 1):  # pytest-benchmark calls once more than it times; that must be free
        for _ in range(steps):
            pairing.step()
        pairing.after_round()
    assert "".join(order) == "ABBAABBAAB"[: 2 * pairs]
    assert len(pairing.reference_seconds) == pairs


class CountingArm:
    """An arm whose steps cost nothing but are counted."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.closed = False

    def run(self, steps: int) -> None:
        self.calls.append(steps)

    def close(self) -> None:
        self.closed = True


def test_reference_is_made_once_for_all_its_rows() -> None:
    references = References()
    made: list[CountingArm] = []

    def make() -> CountingArm:
        made.append(CountingArm())
        return made[-1]

    first = references.get("fit", make)
    assert references.get("fit", make) is first
    assert references.get("tape", make) is not first
    references.close()
    assert [arm.closed for arm in made] == [True, True]


def test_blocks_of_steps_in_one_call_are_whole_calls() -> None:
    arm = CountingArm()
    assert warm_up(arm, multiple=8).steps % 8 == 0
    assert len(arm.calls) == 4  # the first call, the pilot, two warm-up blocks
    assert arm.calls[:2] == [8, 8]
    assert not any(steps % 8 for steps in arm.calls)


class Refusing:
    """A `benchmark` that fails when it is asked to time something."""

    extra_info: ClassVar[dict[str, Any]] = {}

    def pedantic(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("no")


def test_arm_is_closed_where_its_timing_fails() -> None:
    alone, paired = CountingArm(), CountingArm()
    with pytest.raises(RuntimeError):
        measure_alone(Refusing(), alone, blocks=2)
    with pytest.raises(RuntimeError):
        measure(Refusing(), paired, warm_up(CountingArm()), pairs=2)
    assert alone.closed
    assert paired.closed


def test_block_lasts_long_enough_in_whole_calls() -> None:
    assert steps_for(0.1, 0.25) == 3
    assert steps_for(5.0, 0.25) == 1
    assert steps_for(0.1, 0.25, multiple=8) == 8
    assert steps_for(0.01, 0.25, multiple=8) == 32


def test_no_file_of_the_bench_has_a_clock_of_its_own() -> None:
    files = [path for path in Path(bench.__file__).parent.rglob("*.py") if path.name != "clock.py"]
    assert len(files) > 40
    words = ("perf_counter", "time.time", "monotonic", "timeit", "process_time")
    assert not [path.name for path in files for word in words if word in path.read_text(encoding="utf-8")]
