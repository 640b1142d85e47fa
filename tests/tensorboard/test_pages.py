"""TensorBoard's pages: read back with its own reader, the same for both loops, free of side effects."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from loops.batches import prepare
from loops.config import TrainConfig
from loops.data import CLASS_NAMES, FashionMnist, Split
from loops.run.comparison import ComparisonError, compare_runs
from loops.run.context import Training
from loops.run.experiment import RunOptions, run_experiment
from loops.tensorboard import pages
from loops.tensorboard.pages import HPARAMS, METRICS
from loops.tensorboard.pictures import confusion_picture, mistakes_picture
from model import new_model
from tests.conftest import CPU

CONFIG = TrainConfig(epochs=3, batch_size=60, seed=5)


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def steps(events: EventAccumulator, tag: str) -> list[int]:
    return [event.step for event in events.Tensors(tag)]


@pytest.fixture(scope="module")
def folders(small: FashionMnist, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each loop with the heavy pages every second epoch, and one by fit with the default."""
    runs, options = tmp_path_factory.mktemp("runs"), RunOptions(pages_every=2, curve_every=2)
    found = {
        loop: run_experiment(Training(loop, CONFIG, small, CPU), runs, options=options).folder
        for loop in ("fit", "tape")
    }
    training, none = Training("fit", CONFIG, small, CPU), RunOptions(pages_every=0)
    return found | {
        "default": run_experiment(training, runs).folder,
        "none": run_experiment(training, runs, options=none).folder,
    }


@pytest.mark.parametrize("loop", ["fit", "tape"])
def test_every_page_holds_data(loop: str, folders: dict[str, Path]) -> None:
    events = read(folders[loop])
    tags = events.Tags()
    assert tags["graph"]
    for tag in ("confusion matrix", "surest mistakes", "first filters"):
        assert steps(events, tag) == [1, 2]  # the second epoch and the last one
    assert len([tag for tag in tags["tensors"] if tag.startswith("PR/")]) == len(CLASS_NAMES)
    assert steps(events, "weights/conv1/kernel") == steps(events, "gradients/hidden/bias") == [1, 2]
    assert steps(events, "ms_per_step") == steps(events, "images_per_second") == [0, 1, 2]
    text = tf.make_ndarray(events.Tensors("run")[0].tensor_proto).item().decode()
    assert "411,242" in text
    assert '"batch_size": 60' in text
    assert steps(events, "custom_scalars__config__") == [0]


def test_without_heavy_pages_curves_scores_and_graph_are_there(folders: dict[str, Path]) -> None:
    tags = read(folders["none"]).Tags()
    assert tags["graph"]
    assert {"ms_per_step", "test_accuracy", "_hparams_/session_start_info"} <= set(tags["tensors"])
    assert not [tag for tag in tags["tensors"] if tag.startswith(("PR/", "weights/", "confusion"))]


def test_scores_are_told_before_the_pages_are_written(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(pages, "log_pages", lambda *_: done.append("pages"))
    options = RunOptions(on_scores=lambda history, evaluation: done.append("scores"))
    run_experiment(Training("tape", CONFIG, small, CPU), tmp_path, options=options)
    assert done == ["scores", "pages"]


def test_pages_are_written_though_the_scores_cannot_be_printed(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(pages, "log_pages", lambda *_: done.append("pages"))

    def gone(*_: object) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_experiment(Training("tape", CONFIG, small, CPU), tmp_path, options=RunOptions(on_scores=gone))
    assert done == ["pages"]


def test_scores_are_on_the_disk_before_the_pages_are_drawn(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill while they are drawn would leave them."""
    found: list[bool] = []

    def look(*_: object) -> None:
        (folder,) = tmp_path.iterdir()
        found.append("test_accuracy" in read(folder).Tags()["tensors"])

    monkeypatch.setattr(pages, "log_pages", look)
    run_experiment(Training("tape", CONFIG, small, CPU), tmp_path)
    assert found == [True]


def test_histograms_of_gradients_are_those_of_all_images_at_once(small: FashionMnist) -> None:
    model, some = new_model(0), small.train.first(pages.GRADIENT_IMAGES)
    images, labels = prepare(some.images, some.labels)
    with tf.GradientTape() as tape:
        loss = tf.keras.losses.CategoricalCrossentropy()(labels, model(images))
    found = pages._histograms(model, small.train)
    for variable, wanted in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        gradient = found[f"gradients/{variable.path.partition('/')[2]}"]
        np.testing.assert_allclose(gradient, wanted, atol=1e-6)


def test_heavy_pages_come_once_by_default(folders: dict[str, Path]) -> None:
    assert steps(read(folders["default"]), "confusion matrix") == [2]


def test_each_run_is_a_row_of_hparams_with_its_scores(folders: dict[str, Path]) -> None:
    for loop in ("fit", "tape"):
        events = read(folders[loop])
        content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        row = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
        assert set(row) == set(HPARAMS)
        assert row["loop"].string_value == loop
        assert {tag for tag in METRICS if steps(events, tag) == [0]} == set(METRICS)


def test_pages_of_both_loops_are_the_same_but_for_time(folders: dict[str, Path]) -> None:
    both = [read(folders[loop]) for loop in ("fit", "tape")]
    tags = [events.Tags()["tensors"] for events in both]
    assert tags[0] == tags[1]
    compared = 0
    for tag in tags[0]:
        if tag.startswith(("confusion", "surest", "first", "PR/", "weights/", "test_", "f1_")):
            one, two = ([event.tensor_proto for event in events.Tensors(tag)] for events in both)
            assert one == two
            compared += 1
    assert compared > 20


def test_logging_or_not_gives_the_same_weights(
    small: FashionMnist, tmp_path: Path, folders: dict[str, Path], without_tensorboard: None
) -> None:
    bare = run_experiment(Training("tape", CONFIG, small, CPU), tmp_path).folder
    assert "weights: bit-identical" in compare_runs(bare, folders["tape"])


def test_comparison_says_what_differs(folders: dict[str, Path], tmp_path: Path) -> None:
    text = compare_runs(folders["fit"], folders["tape"])
    assert "loop  fit  tape" in text
    assert "environment: the same" in text
    assert "Ankle boot" in text
    with pytest.raises(ComparisonError, match="is not a run's folder"):
        compare_runs(folders["fit"], tmp_path)


def test_profile_records_some_steps(small: FashionMnist, tmp_path: Path) -> None:
    config = TrainConfig(epochs=5, batch_size=60)
    folder = run_experiment(
        Training("tape", config, small, CPU), tmp_path, options=RunOptions(profile=True)
    ).folder
    (recorded,) = folder.rglob("*.xplane.pb")
    assert recorded.stat().st_size > 1000


def test_confusion_is_drawn_darkest_where_a_class_is_guessed_right() -> None:
    picture = confusion_picture(np.diag(np.arange(1, 11)))
    assert picture.shape == (650, 700, 3)
    assert picture.dtype == np.uint8


def test_surest_mistake_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    split = Split(np.zeros((3, 28, 28, 1), np.uint8), np.array([0, 1, 2], np.uint8))
    probabilities = np.eye(10, dtype=np.float32)[[0, 2, 3]] * np.array([[1], [0.6], [0.9]], np.float32)
    titles: list[str] = []
    monkeypatch.setattr("matplotlib.axes.Axes.text", lambda self, x, y, text, **more: titles.append(text))
    assert mistakes_picture(split, probabilities).shape[2] == 3
    assert titles == ["is Pullover\nguess Dress 90.0%", "is Trouser\nguess Pullover 60.0%"]


def test_picture_is_stored_as_a_png_of_its_size(folders: dict[str, Path]) -> None:
    png = tf.make_ndarray(read(folders["fit"]).Tensors("confusion matrix")[0].tensor_proto)[2]
    assert struct.unpack(">II", png[16:24]) == (700, 650)
