"""Under which settings do the two loops agree to the bit: oneDNN, threads, op determinism."""

import itertools
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from bench import claim
from bench.conftest import ENVIRONMENT
from loops.device import Device
from loops.run.environment import onednn_enabled

CORES = os.cpu_count() or 1
# As a full training runs here, but on two threads at most
OWN: dict[str, Any] = {"onednn": onednn_enabled(), "threads": min(2, CORES), "determinism": False}
SETTINGS: list[dict[str, Any]] = [
    {"onednn": onednn, "threads": threads, "determinism": determinism}
    for onednn, threads, determinism in itertools.product((True, False), (1, 2), (False, True))
    if not determinism or threads == 2
]


def named(setting: dict[str, Any]) -> str:
    words = "oneDNN on" if setting["onednn"] else "oneDNN off"
    threads = "1 thread" if setting["threads"] == 1 else f"{setting['threads']} threads"
    return f"{words}, {threads}" + (", op determinism" if setting["determinism"] else "")


def cases() -> list[Any]:
    """By default what differs in one thing from OWN, and OWN itself where no full training tries it."""
    default = (1,) if CORES <= 2 else (0, 1)
    marks = [() if _changes(setting) in default else (pytest.mark.grid,) for setting in SETTINGS]
    return [
        pytest.param(setting, marks=mark, id=named(setting))
        for setting, mark in zip(SETTINGS, marks, strict=True)
    ]


def _changes(setting: dict[str, Any]) -> int:
    return sum(setting[key] != value for key, value in OWN.items())


@pytest.fixture(scope="module")
def found_by_setting(request: pytest.FixtureRequest) -> dict[str, Future[dict[str, Any]]]:
    """What a process under each chosen setting found, some at a time: nothing is timed."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = {named(each["setting"]): each["setting"] for each in parameters if "setting" in each}
    with ThreadPoolExecutor(CORES + 1) as pool:  # a process alone does not fill a core
        return {
            name: pool.submit(claim.check, **setting, environment=ENVIRONMENT)
            for name, setting in chosen.items()
            if setting["threads"] <= CORES
        }


@pytest.mark.parametrize("setting", cases())
def test_claim(
    benchmark: Any, device: Device, setting: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """Some seeds, 2 epochs of 1,000 images with a partial last batch, in a process of its own."""
    if device.kind != "cpu":
        pytest.skip("the claim is about one CPU")
    if setting["threads"] > CORES:
        pytest.skip("fewer cores than threads")
    benchmark.group = "claim"
    by_setting = request.getfixturevalue("found_by_setting")
    found = benchmark.pedantic(by_setting[named(setting)].result, rounds=1)
    facts = found["environment"]
    assert (facts["onednn"], facts["threads_intra_op"]) == (setting["onednn"], setting["threads"])
    assert facts["op_determinism"] == setting["determinism"]
    benchmark.extra_info.update(
        kind="claim",
        arm=named(setting),
        device=device.kind,
        device_name=device.name,
        trained=found["trained"],
        steps=found["steps"],
        identical=found["identical"],
        environment=facts,
    )
    assert found["identical"] == found["trained"]
