"""Checkpoints: written whole, verified by hash, restored to the bit amid an epoch, for every loop."""

import errno
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loops import files
from loops.config import TrainConfig
from loops.data import FashionMnist, Split
from loops.errors import Stopped
from loops.files import CHECKPOINTS, FileError, FolderLock, write_json
from loops.history import Hooks, Live, Position
from loops.run import checkpoint, environment, experiment
from loops.run.checkpoint import CheckpointError
from loops.run.context import Run, Training
from loops.run.experiment import LOOPS, Outcome, RunOptions, run_experiment
from loops.run.failures import TrainingError
from loops.run.signals import StopRequest
from model import new_model
from tests.conftest import CPU
from tests.run.test_folder import read_scalars

CONFIG = TrainConfig(epochs=2, batch_size=60, seed=5)  # 250 images: 5 steps an epoch


def train(
    loop: str, data: FashionMnist, runs: Path, options: RunOptions, config: TrainConfig = CONFIG, **hooks: Any
) -> Outcome:
    training = Training(loop, config, data, CPU)
    options = replace(options, curve_every=options.curve_every or 2)
    return run_experiment(training, runs, **hooks, options=options)


def some_run(folder: Path) -> Run:
    """A run that was never trained, for checkpoints of other variables than the CNN's."""
    nothing = Split(np.zeros((1, 28, 28, 1), np.uint8), np.zeros(1, np.uint8))
    return Run(Training("tape", CONFIG, FashionMnist(nothing, nothing), CPU), folder, {})


def stopped_run(loop: str, data: FashionMnist, runs: Path, after: int, every: int | None = None) -> Path:
    """The folder of a run that a signal stopped after a step."""
    stop = StopRequest()

    def on_step(step: int, read: object) -> None:
        if step >= after:
            stop.number = signal.SIGTERM

    with pytest.raises(Stopped, match=r"--resume"):
        train(loop, data, runs, RunOptions(stop=stop, checkpoint_every=every, curve_every=2), on_step=on_step)
    (folder,) = runs.iterdir()
    return folder


def result_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def metrics_of(result: dict[str, Any]) -> list[Any]:
    return [record["metrics"] for record in result["history"]]


@pytest.fixture(scope="module")
def whole_run(small: FashionMnist, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an uninterrupted run by a loop, trained once."""

    @functools.cache
    def run(loop: str) -> Path:
        return train(loop, small, tmp_path_factory.mktemp("whole"), RunOptions()).folder

    return run


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("after", [1, 4, 5, 7, 10])
def test_stopped_run_goes_on_to_the_bits_of_an_uninterrupted_one(
    loop: str, after: int, small: FashionMnist, whole_run: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = whole_run(loop)
    folder = stopped_run(loop, small, tmp_path / "parts", after)
    assert result_of(folder)["status"] == "interrupted"
    resumed = train(loop, small, tmp_path / "parts", RunOptions(resume=folder))
    ours, theirs = result_of(resumed.folder), result_of(whole)
    assert ours["weights_sha256"] == theirs["weights_sha256"]
    assert metrics_of(ours) == metrics_of(theirs)
    assert ours["resumed"] == [{"step": after, "changed": {}}]
    assert ours["bit_identical_claimed"]
    for part in ("train", "validation"):
        assert read_scalars(folder / part) == read_scalars(whole / part)


def test_default_is_a_checkpoint_an_epoch_and_a_finished_run_keeps_one(
    small: FashionMnist, tmp_path: Path
) -> None:
    folder = stopped_run("tape", small, tmp_path, after=7)
    assert names(folder) == ["step-0000000005", "step-0000000007"]
    train("tape", small, tmp_path, RunOptions(resume=folder))
    assert names(folder) == ["step-0000000010"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / CHECKPOINTS).iterdir())


def test_killed_between_checkpoint_and_curve_leaves_no_gap_and_no_double_point(
    small: FashionMnist, whole_run: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = whole_run("tape")
    folder = stopped_run("tape", small, tmp_path / "parts", after=5)
    for events in (folder / "train").iterdir():  # the last point, of the epoch, cut short as by a kill
        events.write_bytes(events.read_bytes()[:-20])
    for events in (folder / "validation").iterdir():
        events.unlink()
    train("tape", small, tmp_path / "parts", RunOptions(resume=folder))
    for part in ("train", "validation"):
        assert read_scalars(folder / part) == read_scalars(whole / part)


@pytest.fixture(scope="module")
def saved(small: FashionMnist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two checkpoints."""
    return stopped_run("tape", small, tmp_path_factory.mktemp("saved"), after=4, every=3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_byte_anywhere_in_a_checkpoint_is_detected(data: st.DataObject, saved: Path) -> None:
    folder = saved / CHECKPOINTS / "step-0000000004"
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    raw = path.read_bytes()
    position = data.draw(st.integers(0, len(raw) - 1))
    flip = data.draw(st.integers(1, 255))
    path.write_bytes(raw[:position] + bytes([raw[position] ^ flip]) + raw[position + 1 :])
    try:
        with pytest.raises(CheckpointError):
            checkpoint.verify(folder)
        warnings: list[str] = []
        found = checkpoint.latest(saved / CHECKPOINTS, warnings.append)
        assert found
        assert found.position.step == 3
        assert len(warnings) == 1
        assert str(folder) in warnings[0]
    finally:
        path.write_bytes(raw)
    assert checkpoint.verify(folder).position.step == 4


@pytest.mark.parametrize("name", ["manifest.json", "state.index", "state.data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated"])
def test_file_that_is_missing_or_short_is_detected(
    name: str, damage: str, saved: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "step-0000000004"
    shutil.copytree(saved / CHECKPOINTS / folder.name, folder)
    path, raw = folder / name, (folder / name).read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(raw[:-1] if damage == "truncated" else b"")
    with pytest.raises(CheckpointError, match=r"step-0000000004"):
        checkpoint.verify(folder)
    with pytest.raises(CheckpointError, match="no checkpoint is intact"):
        checkpoint.latest(tmp_path, lambda text: None)


def test_damaged_last_checkpoint_is_passed_over_with_a_warning_and_the_bits_are_the_same(
    small: FashionMnist,
    whole_run: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = whole_run("tape")
    folder = stopped_run("tape", small, tmp_path / "parts", after=4, every=3)
    (folder / CHECKPOINTS / "step-0000000004" / "state.index").write_bytes(b"garbage")
    resumed = train("tape", small, tmp_path / "parts", RunOptions(resume=folder))
    assert "warning: " in capsys.readouterr().err
    assert result_of(resumed.folder)["resumed"][0]["step"] == 3
    assert result_of(resumed.folder)["weights_sha256"] == result_of(whole)["weights_sha256"]


def test_no_intact_checkpoint_is_refused_and_never_a_silent_restart(
    small: FashionMnist, tmp_path: Path
) -> None:
    folder = stopped_run("tape", small, tmp_path, after=4, every=3)
    for path in folder.glob(f"{CHECKPOINTS}/*/manifest.json"):
        path.write_text("{}")
    with pytest.raises(CheckpointError, match="no checkpoint is intact"):
        train("tape", small, tmp_path, RunOptions(resume=folder))


def test_checkpoint_of_another_training_is_refused_with_the_differences(
    small: FashionMnist, tmp_path: Path
) -> None:
    folder = stopped_run("tape", small, tmp_path, after=4)
    other = replace(CONFIG, seed=6, batch_size=50)
    with pytest.raises(CheckpointError, match="batch_size is 60 there, 50 here; seed is 5 there, 6 here"):
        train("tape", small, tmp_path, RunOptions(resume=folder), other)
    with pytest.raises(CheckpointError, match="loop is 'tape' there, 'fit' here"):
        train("fit", small, tmp_path, RunOptions(resume=folder))


@pytest.mark.parametrize("change", ["architecture", "dtype", "optimizer"])
def test_checkpoint_of_other_variables_is_refused(change: str, tmp_path: Path) -> None:
    def live(units: int = 3, dtype: str = "float32", optimizer: str = "Adam") -> Live:
        model = tf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(units, dtype=dtype)])
        made = getattr(tf.keras.optimizers, optimizer)()
        made.build(model.trainable_variables)
        return Live(model, made, ())

    checkpoint.save(tmp_path, live(), Position(1), some_run(tmp_path))
    found = checkpoint.latest(tmp_path, lambda text: None)
    assert found
    checkpoint.restore(found, live())
    other = {
        "architecture": live(units=4),
        "dtype": live(dtype="float64"),
        "optimizer": live(optimizer="SGD"),
    }
    with pytest.raises(CheckpointError, match=r"other variables .*: (slot|weight) "):
        checkpoint.restore(found, other[change])


def test_changed_environment_is_warned_of_and_drops_the_claim(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stopped_run("tape", small, tmp_path, after=4)
    describe = environment.describe
    monkeypatch.setattr(
        experiment, "describe", lambda *args, **more: describe(*args, **more) | {"threads_intra_op": 99}
    )
    result = result_of(train("tape", small, tmp_path, RunOptions(resume=folder)).folder)
    assert not result["bit_identical_claimed"]
    assert result["resumed"][0]["changed"]["threads_intra_op"][1] == 99
    assert "Bit-identical is no longer claimed" in capsys.readouterr().err


def test_loss_that_stops_being_a_number_names_the_same_step_in_every_loop(
    small: FashionMnist, tmp_path: Path
) -> None:
    config = replace(CONFIG, learning_rate=1e10)
    messages = []
    for loop in LOOPS:
        with pytest.raises(TrainingError) as refusal:
            train(loop, small, tmp_path / loop, RunOptions(checkpoint_every=1), config)
        messages.append(str(refusal.value).partition(" (epoch")[0].removeprefix(loop))
        (folder,) = (tmp_path / loop).iterdir()
        assert result_of(folder)["status"] == "failed"
        step = int(messages[-1].split()[-1])
        assert names(folder)[-1] == f"step-{step - 1:010}"  # the last good one
        assert checkpoint.latest(folder / CHECKPOINTS, pytest.fail)
        saved = tf.train.load_checkpoint(str(folder / CHECKPOINTS / names(folder)[-1] / "state"))
        values = [saved.get_tensor(name) for name in saved.get_variable_to_shape_map() if "VALUE" in name]
        assert all(np.isfinite(value).all() for value in values)
    assert messages[0] == messages[1] == messages[2]
    assert messages[0].startswith(", seed 5: the loss is NaN or infinite at step ")


@pytest.mark.parametrize(
    "error", [tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"), MemoryError()]
)
def test_memory_that_is_not_enough_names_the_batch_size(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def exhausted(*arguments: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(experiment, "LOOPS", {"tape": exhausted})
    with pytest.raises(TrainingError, match=r"out of memory at --batch-size 60\. Try --batch-size 30"):
        train("tape", small, tmp_path, RunOptions())


def test_full_disk_keeps_what_was_there_and_says_how_much_is_needed(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    variable = tf.Variable([1.0, 2.0])
    live = Live(tf.keras.Sequential(), tf.keras.optimizers.SGD(), (variable,))
    folder = tmp_path / "run" / CHECKPOINTS
    checkpoint.save(folder, live, Position(1), some_run(folder))
    write_json(tmp_path / "result.json", {"a": 1})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left on device\); it needs about \d+ bytes"):
        checkpoint.save(folder, live, Position(2), some_run(folder))
    with pytest.raises(FileError, match=r"No space left on device\); it needs \d+ bytes"):
        write_json(tmp_path / "result.json", {"a": 2})
    assert [path.name for path in folder.iterdir()] == ["step-0000000001"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.json", "run"]
    assert json.loads((tmp_path / "result.json").read_text()) == {"a": 1}
    checkpoint.verify(folder / "step-0000000001")


def test_result_that_cannot_be_written_is_in_the_message(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole = files.write_whole

    def full(path: Path, content: bytes) -> None:
        if path.name == "result.json":
            raise FileError("disk full")
        write_whole(path, content)

    monkeypatch.setattr(files, "write_whole", full)
    with pytest.raises(FileError, match=r'"weights_sha256": "[0-9a-f]{64}"'):
        train("tape", small, tmp_path, RunOptions())


def test_folder_belongs_to_one_process_until_that_ends_however_it_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom loops.files import FolderLock\n"
        "lock = FolderLock(Path(sys.argv[1]))\nprint('mine', flush=True)\ntime.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE)
    assert owner.stdout
    assert owner.stdout.readline() == b"mine\n"
    with pytest.raises(FileError, match=f"belongs to process {owner.pid}"):
        FolderLock(tmp_path)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    lock = FolderLock(tmp_path)
    with pytest.raises(FileError, match=f"belongs to process {os.getpid()}"):
        FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()


def test_training_goes_on_without_tensorboard(
    small: FashionMnist, tmp_path: Path, without_tensorboard: None, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = train("tape", small, tmp_path, RunOptions())
    assert "TensorBoard is not installed" in capsys.readouterr().err
    assert result_of(outcome.folder)["status"] == "done"
    assert not (outcome.folder / "train").exists()


def test_curves_are_on_the_disk_before_the_checkpoint_that_has_them_behind_it(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, seen = checkpoint.save, []

    def look_and_save(folder: Path, live: Live, position: Position, run: Run) -> Path:
        seen.append((position.step, [step for step, _ in read_scalars(run.folder / "train")["batch_loss"]]))
        return save(folder, live, position, run)

    monkeypatch.setattr(checkpoint, "save", look_and_save)
    train("tape", small, tmp_path, RunOptions(checkpoint_every=3))
    assert seen == [(3, [2]), (6, [2, 4, 6]), (9, [2, 4, 6, 8]), (10, [2, 4, 6, 8, 10])]


def test_resumed_run_keeps_the_spacing_of_its_curve(small: FashionMnist, tmp_path: Path) -> None:
    folder = stopped_run("tape", small, tmp_path, after=4)
    run_experiment(Training("tape", CONFIG, small, CPU), tmp_path, options=RunOptions(resume=folder))
    assert [step for step, _ in read_scalars(folder / "train")["batch_loss"]] == [2, 4, 6, 8, 10]


def test_signal_while_a_failure_is_saved_does_not_hide_its_cause(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole = files.write_whole

    def interrupted(path: Path, content: bytes) -> None:
        if path.name == "result.json":
            os.kill(os.getpid(), signal.SIGINT)
        write_whole(path, content)

    def failing(model: object, data: object, config: object, hooks: Hooks) -> None:
        model = new_model(0)
        hooks.begin(Live(model, tf.keras.optimizers.SGD(), ()))
        raise TrainingError("the cause")

    monkeypatch.setattr(files, "write_whole", interrupted)
    monkeypatch.setattr(experiment, "LOOPS", {"tape": failing})
    with StopRequest() as stop, pytest.raises(TrainingError, match="the cause"):
        train("tape", small, tmp_path, RunOptions(stop=stop))
    (folder,) = tmp_path.iterdir()
    assert result_of(folder)["status"] == "failed"
    assert result_of(folder)["reason"] == "the cause"


def test_restored_values_are_checked_against_the_state_that_was_saved(tmp_path: Path) -> None:
    variable = tf.Variable(np.array([1, 2], np.float32))
    live = Live(tf.keras.Sequential(), tf.keras.optimizers.SGD(), (variable,))
    checkpoint.save(tmp_path, live, Position(1), some_run(tmp_path))
    found = checkpoint.latest(tmp_path, pytest.fail)
    assert found
    with pytest.raises(CheckpointError, match="not those that were saved"):
        checkpoint.restore(replace(found, state_sha256="0"), live)


def test_environment_that_changed_once_is_remembered_over_later_resumptions(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stopped_run("tape", small, tmp_path, after=2)
    describe = environment.describe
    monkeypatch.setattr(experiment, "describe", lambda *a, **more: describe(*a, **more) | {"numba": "other"})
    stop = StopRequest()

    def stop_at_four(step: int, read: object) -> None:
        stop.number = signal.SIGTERM if step >= 4 else None

    with pytest.raises(Stopped):
        train("tape", small, tmp_path, RunOptions(resume=folder, stop=stop), on_step=stop_at_four)
    result = result_of(train("tape", small, tmp_path, RunOptions(resume=folder)).folder)
    assert [each["step"] for each in result["resumed"]] == [2, 4]
    assert result["resumed"][1]["changed"] == {}
    assert not result["bit_identical_claimed"]


def test_refused_resume_changes_nothing(small: FashionMnist, tmp_path: Path) -> None:
    folder = stopped_run("tape", small, tmp_path, after=4)
    before = (folder / "result.json").read_bytes()
    with pytest.raises(CheckpointError, match="seed is 5 there, 6 here"):
        train("tape", small, tmp_path, RunOptions(resume=folder), replace(CONFIG, seed=6))
    assert (folder / "result.json").read_bytes() == before
    train("tape", small, tmp_path, RunOptions(resume=folder))
    done = (folder / "result.json").read_bytes()
    with pytest.raises(TrainingError, match="this run is done"):
        train("tape", small, tmp_path, RunOptions(resume=folder))
    assert (folder / "result.json").read_bytes() == done


def test_last_step_is_always_saved_and_a_damaged_later_one_does_not_count(
    small: FashionMnist, tmp_path: Path
) -> None:
    folder = stopped_run("tape", small, tmp_path, after=7, every=3)
    assert names(folder) == ["step-0000000006", "step-0000000007"]
    (folder / CHECKPOINTS / "step-0000000007" / "state.index").write_bytes(b"")
    train("tape", small, tmp_path, RunOptions(resume=folder, checkpoint_every=100))
    assert names(folder) == ["damaged-step-0000000007", "step-0000000010"]


def test_stop_passes_handlers_of_errors() -> None:
    layer = tf.keras.layers.Lambda(lambda x: os.kill(os.getpid(), signal.SIGTERM))
    with StopRequest(), pytest.raises(Stopped):
        layer(tf.zeros((1, 1)))
