"""Do the two loops arrive at the same weights: full trainings by each on the real images."""

import functools
from dataclasses import asdict
from typing import Any

import pytest

from bench.rows import start_row
from bench.trainings import SEEDS_MEAN, SEEDS_STD, Trainings, deterministic_verdict
from loops.device import Device
from loops.measure.memory import PeakMemory
from loops.parity.differences import training_state
from loops.parity.verdict import judge
from loops.run.experiment import LOOPS
from model import PARAM_COUNT

TRAIN_IMAGES = 60_000


@pytest.mark.parametrize("loop", LOOPS)
def test_training(benchmark: Any, loop: str, device: Device, trainings: Trainings) -> None:
    """Train by one loop, evaluate, and hold the scores against what seeds give."""
    benchmark.group = f"training, {device.kind}"
    memory = PeakMemory(device)
    peak: dict[str, Any] = {}  # before the pages of TensorBoard, which are no part of a training
    after_epoch = functools.partial(_read_into, peak, memory)
    trained = benchmark.pedantic(trainings.by, args=(loop, after_epoch), rounds=1)
    scores = trained.evaluation
    benchmark.extra_info.update(
        kind="training",
        loop=loop,
        device=device.kind,
        device_name=device.name,
        config=asdict(trainings.config),
        params=trained.model.count_params(),
        test_accuracy=scores.accuracy,
        f1_micro=scores.f1_micro,
        f1_macro=scores.f1_macro,
        train_seconds=trained.history.train_seconds,
        images_per_second=len(trained.history.epochs) * TRAIN_IMAGES / trained.history.train_seconds,
        **peak,
        epoch_seconds=[record.train_seconds for record in trained.history.epochs],
    )
    assert trained.model.count_params() == PARAM_COUNT == 411_242
    if trainings.config.epochs == 3:
        assert abs(scores.accuracy - SEEDS_MEAN) < 4 * SEEDS_STD
    assert scores.f1_micro == pytest.approx(scores.accuracy)  # one label an image


def _read_into(peak: dict[str, Any], memory: PeakMemory) -> None:
    peak.update(memory.read())


def test_parity(benchmark: Any, device: Device, trainings: Trainings) -> None:
    """Bit-identical weights, optimizer slots and metrics on a CPU; on a GPU only where ops are deterministic.

    Without that, a GPU adds in another order each time, and Adam carries the difference far: no bound on
    the weights would tell a right loop from a wrong one. So the row notes the drift and claims nothing.
    """
    benchmark.group = f"parity, {device.kind}"
    fit, tape = (trainings.by(loop) for loop in ("fit", "tape"))
    states = [training_state(trained.model, trained.history) for trained in (fit, tape)]
    verdict = benchmark.pedantic(judge, args=states, rounds=1)
    found = verdict.differences
    weights = [difference for difference in found if difference.name.startswith("weight")]
    worst = max((difference.relative for difference in weights), default=0.0)
    benchmark.extra_info.update(
        kind="parity",
        device_name=device.name,
        device=device.kind,
        compared=verdict.compared,
        differing=len(found),
        largest_relative=worst,
        verdict="bit-identical" if verdict.identical else f"weights within {worst:.1g}",
    )
    if device.kind == "cpu":
        assert verdict.identical, found
        assert fit.evaluation.accuracy == tape.evaluation.accuracy
        assert fit.evaluation.f1_micro == tape.evaluation.f1_micro
        assert fit.evaluation.f1_macro == tape.evaluation.f1_macro


def test_deterministic_parity(benchmark: Any, device: Device, trainings: Trainings) -> None:
    """With deterministic ops, in a process of its own, the two loops are bit-identical on a GPU too."""
    if device.kind == "cpu":
        pytest.skip("a CPU's ops are deterministic as they are: the row above")
    start_row(benchmark, device, "parity", kind="deterministic parity")
    verdict = benchmark.pedantic(deterministic_verdict, args=(device.kind, trainings.config.epochs), rounds=1)
    benchmark.extra_info.update(verdict=verdict)
    assert "bit-identical" in verdict
    assert "not bit-identical" not in verdict
