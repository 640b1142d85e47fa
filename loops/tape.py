"""Training by a hand-written loop: tf.function, GradientTape, Keras's Adam. The readable reference."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from loops.batches import evaluation_stream, training_stream
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.history import NO_HOOKS, EpochRecord, History, Hooks, Live, Position
from loops.metrics import RunningMetrics

Step = Any  # a tf.function of (images, one-hot labels) that returns nothing


@dataclass(frozen=True)
class Steps:
    """What a loop runs: a step for each batch of training, and one for each of validation.

    `batches` gives those of training from a global step on, as what `train` is called with.
    """

    train: Step
    test: Step
    batches: Callable[[int], tf.data.Dataset]
    test_batches: tf.data.Dataset


def train(model: tf.keras.Model, data: FashionMnist, config: TrainConfig, hooks: Hooks = NO_HOOKS) -> History:
    """Train `model` in place with Adam and categorical cross-entropy; validate after each epoch."""
    optimizer = tf.keras.optimizers.Adam(config.learning_rate, epsilon=config.adam_epsilon)
    running = RunningMetrics()
    steps = Steps(
        make_train_step(model, optimizer, running, jit_compile=config.jit_compile),
        make_test_step(model, running, jit_compile=config.jit_compile),
        lambda step: training_stream(data.train, config, step),
        evaluation_stream(data.test, config.batch_size),
    )
    live = Live(model, optimizer, running.variables, running.read)
    return run_epochs(steps, live, running, config, len(data.train), hooks)


def run_epochs(
    steps: Steps, live: Live, running: RunningMetrics, config: TrainConfig, images: int, hooks: Hooks
) -> History:
    """Run all epochs over `images` from where the hooks start; validate after each."""
    count = config.steps_per_epoch(images)
    hooks.begin(live)
    at = hooks.start

    for epoch in range(at.step // count, config.epochs):
        started = time.perf_counter() - at.seconds
        if at is hooks.start:
            batches = iter(steps.batches(at.step))  # on the clock, as in fit()
        running.start(at.step, fresh=at.step % count == 0)
        for step in range(at.step + 1, (epoch + 1) * count + 1):
            steps.train(*next(batches))
            hooks.after_step(step, running)
            if step % count:
                position = Position(step, at.epochs, time.perf_counter() - started)
                started += hooks.keep_off_the_clock(position)
        metrics = running.read()  # waits for the device, so the clock stops after the last step
        train_seconds = time.perf_counter() - started
        validation = validate(steps.test, steps.test_batches, running)
        record = EpochRecord(epoch, {**metrics, **validation}, train_seconds)
        hooks.on_epoch(record)
        at = Position((epoch + 1) * count, (*at.epochs, record))
        hooks.keep(at)
    return History(at.epochs, live.optimizer)


def make_train_step(
    model: tf.keras.Model,
    optimizer: tf.keras.Optimizer,
    running: RunningMetrics,
    *,
    jit_compile: bool = False,
) -> Step:
    """Compile one step: forward, loss, gradients, Adam, metrics.

    The step takes float32 images (batch, 28, 28, 1) and one-hot labels (batch, 10).
    """
    cross_entropy = tf.keras.losses.CategoricalCrossentropy()
    optimizer.build(model.trainable_variables)  # slots exist before tracing: a graph cannot make them

    @tf.function(jit_compile=jit_compile, reduce_retracing=True)
    def train_step(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            probabilities = model(images, training=True)
            loss = sum(model.losses, cross_entropy(labels, probabilities))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        running.update(loss, labels, probabilities)

    return train_step


def make_test_step(model: tf.keras.Model, running: RunningMetrics, *, jit_compile: bool = False) -> Step:
    """Compile one validation step: forward, loss, metrics."""
    cross_entropy = tf.keras.losses.CategoricalCrossentropy()

    @tf.function(jit_compile=jit_compile, reduce_retracing=True)
    def test_step(images: tf.Tensor, labels: tf.Tensor) -> None:
        probabilities = model(images, training=False)
        loss = sum(model.losses, cross_entropy(labels, probabilities))
        running.update(loss, labels, probabilities)

    return test_step


def validate(test_step: Step, batches: tf.data.Dataset, running: RunningMetrics) -> Mapping[str, float]:
    """Loss and accuracy over `batches` as val_loss and val_accuracy; `running` ends holding them."""
    running.reset()
    for batch in batches:
        test_step(*batch)
    return {f"val_{name}": value for name, value in running.values().items()}
