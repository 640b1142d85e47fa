"""Run folders: what result.json holds, and scalars under the tags and steps of Keras's own callback."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from loops import tape
from loops.batches import evaluation_stream, training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.files import write_json
from loops.run.context import LATER, Training
from loops.run.experiment import run_experiment
from loops.run.folder import RunError, create
from model import new_model
from tests.conftest import CPU

CONFIG = TrainConfig(epochs=2, batch_size=60, seed=5)
SETTINGS = {"loop": "fit", **asdict(CONFIG)}
Scalars = dict[str, list[tuple[int, float]]]

FIELDS = """loop device device_name seed epochs batch_size params train_seconds images_per_second test_loss
    test_accuracy f1_micro f1_macro confusion weights_sha256 environment"""
ENVIRONMENT = "tensorflow keras onednn threads_intra_op threads_inter_op xla tf32 cpu gpu commit"


def read_scalars(folder: Path) -> Scalars:
    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, tf.make_ndarray(event.tensor_proto).item()) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def keras_scalars(folder: Path, small: FashionMnist) -> dict[str, Scalars]:
    model = new_model(CONFIG.seed)
    adam = tf.keras.optimizers.Adam(CONFIG.learning_rate)
    model.compile(adam, "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        training_stream(small.train, CONFIG),
        epochs=CONFIG.epochs,
        steps_per_epoch=CONFIG.steps_per_epoch(len(small.train)),
        validation_data=evaluation_stream(small.test, CONFIG.batch_size),
        callbacks=[tf.keras.callbacks.TensorBoard(folder, write_graph=False)],
        shuffle=False,
        verbose=0,
    )
    return {part: read_scalars(folder / part) for part in ("train", "validation")}


def test_both_loops_write_what_keras_writes(small: FashionMnist, tmp_path: Path) -> None:
    expected = keras_scalars(tmp_path / "keras", small)
    assert expected["train"].keys() == {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
    for loop in ("fit", "tape"):
        folder = run_experiment(Training(loop, CONFIG, small, CPU), tmp_path / "runs").folder
        for part, scalars in expected.items():
            assert read_scalars(folder / part) == scalars


def test_result_holds_every_field_and_is_strict_json(small: FashionMnist, tmp_path: Path) -> None:
    outcome = run_experiment(Training("tape", CONFIG, small, CPU), tmp_path)
    result = json.loads((outcome.folder / "result.json").read_text(), parse_constant=pytest.fail)
    assert result.keys() >= set(FIELDS.split())
    assert result["environment"].keys() >= set(ENVIRONMENT.split())
    assert (result["loop"], result["device"], result["params"]) == ("tape", "cpu", 411_242)
    assert sum(map(sum, result["confusion"])) == len(small.test)
    assert result["images_per_second"] == pytest.approx(500 / result["train_seconds"])
    config = json.loads((outcome.folder / "config.json").read_text())
    assert not config.keys() & LATER.keys()
    assert config | LATER == {"loop": "tape", **asdict(CONFIG)}


def test_logging_leaves_the_weights_alone(small: FashionMnist, tmp_path: Path) -> None:
    logged = run_experiment(Training("tape", CONFIG, small, CPU), tmp_path).model
    bare = new_model(CONFIG.seed)
    tape.train(bare, small, CONFIG)
    assert all((a == b).all() for a, b in zip(logged.get_weights(), bare.get_weights(), strict=True))


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    runs = [create(tmp_path, SETTINGS) for _ in range(4)]
    assert len({run.path for run in runs}) == 4
    for run in runs:
        with run:
            pass  # gives the folder back


def test_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot make .*file"):
        create(tmp_path / "file", SETTINGS)


def test_nan_is_never_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
