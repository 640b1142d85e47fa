"""How arms are timed: blocks that alternate, warm-up, references, and one clock."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

import bench
from bench.harness import References, measure, measure_alone, plan
from bench.pairing import Pairing
from loops.measure.warm import Warm, steps_for, warm_up


class Letter:
    """An arm that notes its letter and the number of its make."""

    def __init__(self, order: list[str], letter: str, make: int) -> None:
        self._order, self._told = order, f"{letter}{make}"

    def run(self, steps: int) -> None:
        self._order.append(self._told)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("rounds", [4, 5])
@pytest.mark.parametrize("steps", [1, 3])
def test_blocks_alternate_their_order_and_pair_up_within_each_make(rounds: int, steps: int) -> None:
    order: list[str] = []
    own, other = (lambda make, a=a: Warm(Letter(order, a, make), 0.0, steps) for a in "AB")
    pairing = Pairing(own, other, makes=2, rounds=rounds)
    for _ in range(2 * rounds + 1):  # pytest-benchmark calls once more than it times; that must be free
        for _ in range(steps):
            pairing.step()
        pairing.after_round()
    expected = []
    for make in "01":
        warmed_again = [f"A{make}", f"B{make}"]
        expected += warmed_again + [f"{each}{make}" for each in "ABBAABBAAB"[: 2 * rounds]]
    assert order == expected
    assert [len(seconds) for seconds in pairing.reference_seconds] == [rounds, rounds]


def test_plan_makes_arms_anew_more_often_before_it_takes_more_pairs_of_each() -> None:
    assert plan(4) == (3, 1)
    assert plan(24) == (4, 6)
    assert plan(144) == (6, 24)


class CountingArm:
    """An arm whose steps cost nothing but are counted."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.closed = False

    def run(self, steps: int) -> None:
        self.calls.append(steps)

    def close(self) -> None:
        self.closed = True


def test_reference_is_made_once_a_make_for_all_its_rows() -> None:
    references = References()
    made: list[CountingArm] = []

    def make() -> CountingArm:
        made.append(CountingArm())
        return made[-1]

    fit = references.get("fit", make)
    assert references.get("fit", make)(0) is fit(0)
    assert references.get("tape", make)(0) is not fit(0)
    assert fit(1) is not fit(0)
    references.close()
    assert [arm.closed for arm in made] == [True, True, True]


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
        measure(Refusing(), lambda: paired, lambda _: warm_up(CountingArm()), pairs=2)
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
