"""The rung that --fast takes: the fastest that was timed here, kept for the next training."""

from pathlib import Path
from typing import Any

import pytest

from loops import cli
from loops.commands import rungs
from loops.config import RUNGS, TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.errors import UserError
from loops.fast.rungs import BY_KEY, COMPILED, EPOCH, POOL_FIRST, rung_of
from loops.measure import rungs as module
from loops.measure.rungs import FastArm, cache_file, fastest_rung, time_rungs
from loops.run.context import Training

CPU, GPU = Device("cpu", "a processor"), Device("gpu", "a card")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def timed(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> list[set[str]]:
    asked: list[set[str]] = []

    def times(rungs: dict[str, Any], *_: object) -> dict[str, float]:
        asked.append(set(rungs))
        return {name: seconds[name] for name in rungs}

    monkeypatch.setattr(module, "time_rungs", times)
    return asked


def test_every_rung_has_the_name_that_the_command_line_knows() -> None:
    assert tuple(BY_KEY) == RUNGS
    assert (rung_of("graph", "cpu"), rung_of("pool-first", "cpu")) == (EPOCH, POOL_FIRST)
    assert (rung_of(None, "cpu"), rung_of(None, "gpu")) == (COMPILED, POOL_FIRST)


def test_the_fastest_is_timed_once_for_a_batch_size_and_kept(
    small: FashionMnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = dict.fromkeys(RUNGS, 2.0) | {"parts": 1.0}
    asked = timed(monkeypatch, seconds)
    lines: list[str] = []
    found = [fastest_rung(small.train, size, CPU, lines.append) for size in (60, 60, 30)]
    assert (found, len(asked)) == (["parts"] * 3, 2)
    assert "parts is the fastest" in lines[2]
    assert str(cache_file()) in lines[2]


def test_another_processor_is_timed_anew_and_a_gpu_without_the_compiled_step(
    small: FashionMnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = timed(monkeypatch, dict.fromkeys(RUNGS, 2.0) | {"compiled": 1.0, "fused-adam": 1.5})
    found = [fastest_rung(small.train, 60, each, lambda line: None) for each in (CPU, GPU)]
    assert found == ["compiled", "fused-adam"]
    assert asked == [set(RUNGS), set(RUNGS) - {"compiled"}]


@pytest.mark.parametrize("damage", ["", "[]", '{"x": 3}'])
def test_a_damaged_or_unwritable_cache_is_no_obstacle(
    damage: str, small: FashionMnist, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    timed(monkeypatch, dict.fromkeys(RUNGS, 2.0) | {"graph": 1.0})
    if damage:
        cache_file().parent.mkdir()
        cache_file().write_text(damage, encoding="utf-8")
    else:
        (tmp_path / "fit-vs-tape").write_text("a file where a folder is needed", encoding="utf-8")
    assert fastest_rung(small.train, 60, CPU, lambda line: None) == "graph"


def test_rungs_far_behind_are_timed_once_and_near_ones_again(
    small: FashionMnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[set[str], int]] = []

    times = {"graph": 3.0, "parts": 1.4, "compiled": 1.0}

    def medians(rungs: dict[str, Any], split: object, batch_size: int, rounds: int) -> dict[str, float]:
        asked.append((set(rungs), rounds))
        return {name: times[name] - len(asked) / 100 for name in rungs}

    monkeypatch.setattr(module, "_medians", medians)
    found = time_rungs({name: BY_KEY[name] for name in times}, small.train, 60)
    assert asked == [(set(times), module.FIRST_ROUNDS), ({"parts", "compiled"}, module.ROUNDS)]
    assert found == {"graph": 2.99, "parts": 1.38, "compiled": 0.98}
    asked.clear()
    far = {name: BY_KEY[name] for name in ("graph", "compiled")}
    assert time_rungs(far, small.train, 60) == {"graph": 2.99, "compiled": 0.99}
    assert len(asked) == 1


def test_real_rungs_are_timed(small: FashionMnist) -> None:
    seconds = time_rungs({"graph": EPOCH, "pool-first": POOL_FIRST}, small.train, 50)
    assert all(0 < each < 10 for each in seconds.values())


def test_a_block_of_more_steps_than_an_epoch_has_takes_several_calls(small: FashionMnist) -> None:
    arm, counts = FastArm(EPOCH, small.train, 50), list[int]()
    arm._steps = lambda order, first, count: counts.append(int(count))  # type: ignore[assignment,return-value]
    arm.run(12)
    assert counts == [5, 5, 2]


@pytest.mark.parametrize(("batch_size", "timed"), [(300, 300), (1000, 1000), (1200, 996), (6001, 997)])
def test_a_large_batch_is_timed_by_a_smaller_one_that_is_cut_alike(batch_size: int, timed: int) -> None:
    assert module._timed_size(batch_size, 60_000) == timed
    assert timed <= 1000
    assert timed % 6 == batch_size % 6


def test_the_rung_is_part_of_the_settings_where_one_was_chosen(small: FashionMnist) -> None:
    plain, named = (Training("fast", TrainConfig(rung=rung), small, CPU) for rung in (None, "parts"))
    assert "rung" not in plain.settings
    assert named.settings["rung"] == "parts"
    with pytest.raises(ValueError, match="graph, fused-adam"):
        TrainConfig(rung="quick")


def test_a_run_keeps_its_rung_and_one_from_before_there_were_names_has_none(
    small: FashionMnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = timed(monkeypatch, dict.fromkeys(RUNGS, 2.0) | {"graph": 1.0})
    named, unnamed = TrainConfig(rung="parts"), TrainConfig()
    assert rungs.settled(named, small, CPU, resumed=False) == named
    assert rungs.settled(unnamed, small, CPU, resumed=True) == unnamed
    assert not asked
    assert rungs.settled(unnamed, small, CPU, resumed=False).rung == "graph"


@pytest.mark.parametrize(("resumed", "whose"), [(True, "this run's rung is"), (False, "--rung")])
def test_the_compiled_step_is_refused_on_a_gpu(whose: str, *, resumed: bool, small: FashionMnist) -> None:
    with pytest.raises(UserError, match=f"{whose} compiled.*Add --device cpu"):
        rungs.settled(TrainConfig(rung="compiled"), small, GPU, resumed=resumed)


def test_an_unknown_rung_is_refused_at_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.parse(["tape", "--rung", "parts"]).rung == "parts"
    with pytest.raises(SystemExit):
        cli.parse(["tape", "--rung", "quick"])
    assert "pool-first" in capsys.readouterr().err
