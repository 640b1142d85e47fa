"""The two loops: the same bits, each image weighed once, and a parity check that can fail."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from loops import tape
from loops.batches import training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.history import History, Hooks
from loops.metrics import RunningMetrics
from loops.parity.differences import differences, first_divergence, training_state, weights_sha256
from loops.parity.states import Follower, State, VariableName
from loops.run import experiment
from loops.run.context import Training
from loops.run.experiment import LOOPS, run_experiment
from loops.run.failures import TrainingError
from model import new_model
from tests import numpy_reference
from tests.conftest import CPU

CONFIG = TrainConfig(epochs=2, batch_size=60, seed=12345)  # 250 images: 4 batches of 60, one of 10


class LastBatchDropped(TrainConfig):
    """A known mistake: the partial last batch is left out."""

    def steps_per_epoch(self, images: int) -> int:
        return images // self.batch_size


METRIC = VariableName(0, "metric")


def trained_state(loop: str, data: FashionMnist, config: TrainConfig) -> dict[str, Any]:
    model = new_model(config.seed)
    return training_state(model, LOOPS[loop](model, data, config))


@pytest.fixture(scope="module")
def fit_state(small: FashionMnist) -> dict[str, Any]:
    return trained_state("fit", small, CONFIG)


def test_both_loops_end_with_the_same_bits(small: FashionMnist, fit_state: dict[str, Any]) -> None:
    assert differences(fit_state, trained_state("tape", small, CONFIG)) == []
    # 8 weights; iteration, learning rate, two slots a weight; 2 epochs of 4 metrics
    assert len(fit_state) == 8 + (2 + 16) + 8


def followed(loop: str, data: FashionMnist, config: TrainConfig) -> list[State]:
    follower = Follower()
    LOOPS[loop](new_model(config.seed), data, config, follower.hooks)
    return follower.states


def test_both_loops_agree_after_every_step_in_loss_and_metrics_too(small: FashionMnist) -> None:
    fit, tape = followed("fit", small, CONFIG), followed("tape", small, CONFIG)
    assert len(fit) == 10
    assert [len(part) for part in (fit[0].weights, fit[0].slots, fit[0].metrics)] == [8, 18, 4]
    assert first_divergence(fit, tape) is None


def test_first_step_that_differs_is_named_with_its_kind(small: FashionMnist) -> None:
    fit, other = followed("fit", small, CONFIG), followed("tape", small, CONTROLS["adam epsilon 1e-8"])
    divergence = first_divergence(fit, other)
    assert divergence
    assert (divergence.step, divergence.kind) == (1, "weights")
    late = [*fit[:6], replace(fit[6], metrics={METRIC: np.array(1)}), *fit[7:]]
    early = [*fit[:6], replace(fit[6], metrics={METRIC: np.array(2)}), *fit[7:]]
    divergence = first_divergence(late, early)
    assert divergence
    assert (divergence.step, divergence.kind) == (7, "loss and metrics")


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(epochs=1, batch_size=1000, seed=7),  # one step, larger than the data
        TrainConfig(epochs=1, batch_size=50, seed=1),  # no partial batch
        TrainConfig(epochs=1, batch_size=83, seed=2),  # a partial batch of one image
    ],
)
def test_bits_agree_for_other_batch_sizes_too(config: TrainConfig, small: FashionMnist) -> None:
    assert differences(trained_state("fit", small, config), trained_state("tape", small, config)) == []


CONTROLS = {
    "adam epsilon 1e-8": replace(CONFIG, adam_epsilon=1e-8),
    "learning rate off by 1 %": replace(CONFIG, learning_rate=1.01e-3),
    "last batch dropped": LastBatchDropped(epochs=2, batch_size=60, seed=12345),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_parity_check_fails_for_a_known_mistake(
    control: str, small: FashionMnist, fit_state: dict[str, Any]
) -> None:
    found = {
        difference.name
        for difference in differences(fit_state, trained_state("tape", small, CONTROLS[control]))
    }
    assert "weight conv1/kernel" in found
    assert "epoch 2 loss" in found


def test_repeat_gives_the_same_hash_and_another_seed_another(small: FashionMnist) -> None:
    config = TrainConfig(epochs=1, batch_size=100)
    hashes = []
    for seed in (3, 3, 4):
        model = new_model(seed)
        tape.train(model, small, replace(config, seed=seed))
        hashes.append(weights_sha256(model))
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("batch_size", [60, 83])
def test_partial_last_batch_weighs_each_image_once(loop: str, batch_size: int, small: FashionMnist) -> None:
    """At a learning rate of nearly zero, the epoch's metrics are plain means over all images."""
    model = new_model(9)
    split = small.train
    losses, guesses = numpy_reference.losses(model.get_weights(), split.images, split.labels)
    config = TrainConfig(epochs=1, batch_size=batch_size, learning_rate=1e-30, seed=9)
    metrics = LOOPS[loop](model, small, config).epochs[0].metrics
    assert metrics["loss"] == pytest.approx(losses.mean(), rel=1e-6)
    assert metrics["accuracy"] == pytest.approx((guesses == split.labels).mean(), rel=1e-6)
    by_batch = [losses[i : i + batch_size].mean() for i in range(0, 250, batch_size)]
    assert np.mean(by_batch) != pytest.approx(losses.mean(), rel=1e-4)  # the mistake would show


def test_step_on_a_partial_batch_averages_over_its_images(small: FashionMnist) -> None:
    """A batch of 10 must move the weights as the mean of its 10 gradients; checked by plain SGD."""
    model, config = new_model(9), TrainConfig(epochs=1, batch_size=60, seed=9)
    images, labels = list(training_stream(small.train, config))[-1]
    before = model.get_weights()
    pixels, classes = np.rint(images.numpy() * 255), labels.numpy().argmax(1)
    step = tape.make_train_step(model, tf.keras.optimizers.SGD(1.0), RunningMetrics())
    step(images, labels)
    moved = [b - a for b, a in zip(before, model.get_weights(), strict=True)]
    for index, position in ((7, (3,)), (4, (100, 5))):  # a bias and a kernel entry, by central difference
        shifted = [[w.astype(np.float64) for w in before] for _ in range(2)]
        for weights, sign in zip(shifted, (1, -1), strict=True):
            weights[index][position] += sign * 1e-5
        high, low = (numpy_reference.losses(w, pixels, classes)[0].mean() for w in shifted)
        assert moved[index][position] == pytest.approx((high - low) / 2e-5, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("loop", LOOPS)
def test_hooks_see_every_step_and_epoch_once(loop: str, small: FashionMnist) -> None:
    steps: list[int] = []
    accuracies: list[float] = []
    epochs: list[int] = []

    def on_step(step: int, read_metrics: Callable[[], Any]) -> None:
        steps.append(step)
        accuracies.append(read_metrics()["accuracy"])

    model = new_model(0)
    hooks = Hooks(on_step=on_step, on_epoch=lambda record: epochs.append(record.epoch))
    history: History = LOOPS[loop](model, small, CONFIG, hooks)
    assert steps == list(range(1, 11))  # fast: few enough steps that each is a call of its own
    assert epochs == [0, 1]
    assert accuracies[4] == history.epochs[0].metrics["accuracy"]
    assert set(history.epochs[1].metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.train_seconds > 0


def test_regularisers_of_a_model_count_in_both_loops(small: FashionMnist) -> None:
    def regularised() -> tf.keras.Model:
        tf.keras.utils.set_random_seed(1)
        layers = [
            tf.keras.layers.Input((28, 28, 1)),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(10, activation="softmax", kernel_regularizer="l2"),
        ]
        return tf.keras.Sequential(layers)

    histories = [LOOPS[loop](regularised(), small, CONFIG) for loop in ("fit", "tape")]
    losses = [history.epochs[-1].metrics["loss"] for history in histories]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("loop", LOOPS)
def test_loss_that_is_no_number_ends_the_run_with_a_message(
    loop: str, small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = new_model(0)
    model.classifier.bias.assign(np.full(10, np.nan))
    monkeypatch.setattr(experiment, "new_model", lambda seed: model)
    config = TrainConfig(epochs=2, batch_size=60)
    with pytest.raises(TrainingError, match=f"{loop}, seed 0: the loss is NaN or infinite at step 1"):
        run_experiment(Training(loop, config, small, CPU), tmp_path)
    (result,) = tmp_path.glob("*/result.json")
    assert json.loads(result.read_text())["status"] == "failed"
