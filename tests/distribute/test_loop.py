"""The tape in shards, in one process: what shards change, what they do not, and small batches."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from loops import tape
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.distribute import loop
from loops.distribute.stops import Stops
from loops.distribute.workers import ALONE
from loops.errors import NotFiniteError
from loops.history import Hooks
from loops.parity.differences import weights_sha256
from loops.run.context import Training
from loops.run.experiment import loop_of
from loops.run.signals import StopRequest
from model import new_model
from tests.conftest import CPU

CONFIG = TrainConfig(epochs=2, batch_size=60, seed=11, shards=8)


def trained(config: TrainConfig, data: FashionMnist) -> tuple[tf.keras.Model, list[dict[str, float]]]:
    model = new_model(config.seed)
    history = loop.train(model, data, config)
    return model, [dict(record.metrics) for record in history.epochs]


@pytest.mark.parametrize("batch_size", [60, 83])  # the second leaves a batch of one image, so empty shards
def test_shards_train_what_the_tape_trains_but_for_rounding(batch_size: int, small: FashionMnist) -> None:
    config = replace(CONFIG, batch_size=batch_size)
    model, metrics = trained(config, small)
    reference = new_model(config.seed)
    history = tape.train(reference, small, config)
    for epoch, record in enumerate(history.epochs):
        assert metrics[epoch] == pytest.approx(dict(record.metrics), rel=1e-4)
    for one, two in zip(model.get_weights(), reference.get_weights(), strict=True):
        assert np.abs(one - two).max() < 1e-4


def test_number_of_shards_decides_the_bits(small: FashionMnist) -> None:
    config = replace(CONFIG, epochs=1)
    hashes = [weights_sha256(trained(replace(config, shards=s), small)[0]) for s in (8, 8, 4)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_regularisers_count_once(small: FashionMnist) -> None:
    def regularised() -> tf.keras.Model:
        tf.keras.utils.set_random_seed(1)
        layers = [
            tf.keras.layers.Input((28, 28, 1)),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(10, activation="softmax", kernel_regularizer="l2"),
        ]
        return tf.keras.Sequential(layers)

    one, two = regularised(), regularised()
    losses = [
        loop.train(one, small, CONFIG).epochs[-1].metrics["loss"],
        tape.train(two, small, CONFIG).epochs[-1].metrics["loss"],
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert np.abs(one.get_weights()[0] - two.get_weights()[0]).max() < 1e-5


def test_a_signal_to_one_worker_is_heard_in_the_step_after_it(small: FashionMnist) -> None:
    heard: list[tuple[int, list[int]]] = []
    steps: list[int] = []
    asked = iter([(0, 0), (0, 0), (1, 0)])
    stops = Stops(lambda: next(asked, (0, 0)), lambda counts: heard.append((len(steps), list(counts))))
    hooks = Hooks(on_step=lambda step, _: steps.append(step))
    loop.train(new_model(1), small, replace(CONFIG, epochs=1), hooks, stops=stops)
    assert heard == [(2, [1, 0])]


def test_loss_that_is_no_number_is_named_with_its_step(small: FashionMnist) -> None:
    model = new_model(0)
    model.classifier.bias.assign(np.full(10, np.nan))
    with pytest.raises(NotFiniteError) as raised:
        loop.train(model, small, CONFIG)
    assert raised.value.step == 1


def test_one_shard_is_the_tape_itself(small: FashionMnist) -> None:
    training = Training("tape", replace(CONFIG, shards=1), small, CPU)
    assert loop_of(training, ALONE, StopRequest()) is tape.train
    assert "shards" not in training.settings
    assert Training("tape", CONFIG, small, CPU).settings["shards"] == 8
