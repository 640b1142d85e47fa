"""Under which settings do the two loops agree to the bit: oneDNN, threads, op determinism."""

import itertools
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from bench import claim
from bench.conftest import ENVIRONMENT
from loops.device import Device

CORES = os.cpu_count() or 1
SETTINGS: list[dict[str, Any]] = [
    {"onednn": onednn, "threads": threads, "determinism": determinism}
    for onednn, threads, determinism in itertools.product((True, False), (1, 2), (False, True))
    if not determinism or (onednn and threads == 2)
]


def named(setting: dict[str, Any]) -> str:
    words = "oneDNN on" if setting["onednn"] else "oneDNN off"
    return f"{words}, {setting['threads']} threads" + (", op determinism" if setting["determinism"] else "")


@pytest.fixture(scope="module")
def found_by_setting() -> dict[str, Future[dict[str, Any]]]:
    """What a process under each setting found, as many at a time as there are cores: nothing is timed."""
    with ThreadPoolExecutor(CORES) as pool:
        return {
            named(setting): pool.submit(claim.check, **setting, environment=ENVIRONMENT)
            for setting in SETTINGS
            if setting["threads"] <= CORES
        }


@pytest.mark.parametrize("setting", SETTINGS, ids=named)
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
