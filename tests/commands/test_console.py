"""What is printed: formats checked on small numbers."""

import numpy as np
import pytest

from loops.commands.console import EpochBars, format_confusion, format_metrics
from loops.config import TrainConfig
from loops.data import CLASS_NAMES
from loops.history import EpochRecord


def test_confusion_matrix_has_a_named_row_a_class() -> None:
    lines = format_confusion(np.arange(100).reshape(10, 10)).splitlines()
    assert len(lines) == 11
    assert lines[0].split() == ["true", "\\", "guessed", *map(str, range(10))]
    for index, name in enumerate(CLASS_NAMES):
        assert lines[index + 1].startswith(f"{index} {name}")
        assert lines[index + 1].split()[-10:] == [str(10 * index + column) for column in range(10)]
    assert len({len(line) for line in lines}) == 1


def test_metrics_print_in_one_order_for_both_loops() -> None:
    metrics = {"accuracy": 0.5, "loss": 1.0, "val_accuracy": 0.25, "val_loss": 2.0}
    expected = "loss 1.0000  accuracy 0.5000  val_loss 2.0000  val_accuracy 0.2500"
    assert format_metrics(metrics) == format_metrics(dict(reversed(metrics.items()))) == expected


def test_bar_counts_the_time_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("loops.commands.console.time.monotonic", lambda: now[0])
    bars = EpochBars(TrainConfig(epochs=2), steps_per_epoch=2)
    for epoch, seconds in enumerate((15, 5)):
        now[0] += seconds
        bars.on_step(2 * epoch + 1, lambda: {"loss": 0.5})
        bars.on_step(2 * epoch + 2, lambda: {"loss": 0.5})
        bars.on_epoch(EpochRecord(epoch, {"loss": 0.5}, 0.3))
    first, second = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert first.rstrip().endswith("0:00:15")
    assert second.rstrip().endswith("0:00:05")


def test_bar_shows_each_epoch_with_loss_accuracy_and_pace(capsys: pytest.CaptureFixture[str]) -> None:
    bars = EpochBars(TrainConfig(epochs=2), steps_per_epoch=3)
    for step in range(1, 7):
        bars.on_step(step, lambda: {"loss": 0.5, "accuracy": 0.75})
        if step % 3 == 0:
            bars.on_epoch(EpochRecord(step // 3 - 1, {"loss": 0.5, "accuracy": 0.75, "val_loss": 0.6}, 0.3))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) == 2
    assert "epoch 2/2" in lines[1]
    assert "3/3" in lines[1]
    assert "loss 0.5000  accuracy 0.7500  val_loss 0.6000  " in lines[1]
    assert "ms/step" in lines[1]
