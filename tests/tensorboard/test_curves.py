"""Curves by step: the same points by every loop, and the difference of two loops."""

from pathlib import Path

import numpy as np
import pytest

from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.fast import loop as fast
from loops.fast.rungs import LADDER, Rung
from loops.history import Hooks, Metrics, ReadMetrics
from loops.run.context import Training
from loops.run.experiment import LOOPS, RunOptions, run_experiment
from loops.tensorboard.curves import Curve, write_difference
from model import new_model
from tests.conftest import CPU
from tests.run.test_folder import read_scalars

CONFIG = TrainConfig(epochs=2, batch_size=20, seed=5)  # 250 images: 12 batches of 20 and one of 10
EVERY = 5


def curve_of(train: object, data: FashionMnist, **more: object) -> dict[int, Metrics]:
    unread: dict[int, ReadMetrics] = {}
    hooks = Hooks(on_curve=unread.setdefault, curve_every=EVERY)
    train(new_model(CONFIG.seed), data, CONFIG, hooks, **more)  # type: ignore[operator]
    return {step: read() for step, read in unread.items()}


@pytest.fixture(scope="module")
def logs(small: FashionMnist) -> dict[int, Metrics]:
    """What fit() itself says after each step."""
    found: dict[int, Metrics] = {}
    hooks = Hooks(on_step=lambda step, read: found.setdefault(step, read()))
    LOOPS["fit"](new_model(CONFIG.seed), small, CONFIG, hooks)
    return found


@pytest.mark.parametrize("loop", ["fit", "tape"])
def test_points_are_what_fit_says_at_every_fifth_step(
    loop: str, small: FashionMnist, logs: dict[int, Metrics]
) -> None:
    curve = curve_of(LOOPS[loop], small)
    assert list(curve) == [5, 10, 15, 20, 25]
    assert curve == {step: logs[step] for step in curve}


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)
def test_loop_that_runs_many_steps_in_a_call_has_a_point_of_each(
    rung: Rung, small: FashionMnist, logs: dict[int, Metrics]
) -> None:
    curve = curve_of(fast.train, small, rung=rung)
    assert list(curve) == [5, 10, 15, 20, 25]
    for step, metrics in curve.items():
        expected = logs[step] if not rung.ulps else pytest.approx(logs[step], rel=1e-3, abs=0.02)
        assert metrics == expected


@pytest.mark.parametrize("loop", LOOPS)
def test_run_writes_the_points_under_keras_own_tags(loop: str, small: FashionMnist, tmp_path: Path) -> None:
    training = Training(loop, CONFIG, small, CPU)
    outcome = run_experiment(training, tmp_path, options=RunOptions(curve_every=EVERY))
    scalars = read_scalars(outcome.folder / "train")
    for name in ("loss", "accuracy"):
        points = outcome.points.items()
        assert list(outcome.points) == [5, 10, 15, 20, 25]
        assert scalars[f"batch_{name}"] == [
            (step, float(np.float32(metrics[name]))) for step, metrics in points
        ]


class FakeLog:
    """Counts what is written and flushed."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.flushed = 0

    def scalars(self, part: str, values: Metrics, step: int) -> None:
        self.steps.append(step)

    def flush(self) -> None:
        self.flushed += 1


def test_points_of_a_long_epoch_are_written_while_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the newest, which the device may be computing still, is not waited for."""
    now = [100.0]
    monkeypatch.setattr("loops.tensorboard.curves.time.monotonic", lambda: now[0])
    log = FakeLog()
    curve = Curve(log)  # type: ignore[arg-type]
    curve.add(5, lambda: {"loss": 1.0})
    now[0] += 3
    assert log.steps == []
    curve.add(10, lambda: pytest.fail("read at once"))
    assert log.steps == [5]
    assert log.flushed == 1


def test_difference_has_a_point_for_each_step_that_both_have(tmp_path: Path) -> None:
    first, second = {5: {"loss": 0.5}, 10: {"loss": 0.25}}, {10: {"loss": 0.125}}
    epochs = {0: {"val_loss": 0.5}}
    write_difference(tmp_path, (epochs, epochs), (first, second))
    scalars = read_scalars(tmp_path / "difference")
    assert scalars == {"difference_val_loss": [(0, 0.0)], "difference_batch_loss": [(10, 0.125)]}
