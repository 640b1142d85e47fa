"""The tape on several workers: each computes its shards of a batch, all add all shards and update alike."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from loops.batches import index_stream
from loops.config import TrainConfig
from loops.data import CLASS_NAMES, FashionMnist
from loops.distribute.cluster import ClusterError
from loops.distribute.sharing import Sharing
from loops.distribute.stops import NO_STOPS, SIGNALS, Stops
from loops.distribute.workers import ALONE, Workers
from loops.errors import NotFiniteError
from loops.history import NO_HOOKS, EpochRecord, History, Hooks, Live, Position
from loops.metrics import RunningMetrics
from loops.parity.differences import weights_sha256
from loops.tape import Steps, run_epochs


def train(
    model: tf.keras.Model,
    data: FashionMnist,
    config: TrainConfig,
    hooks: Hooks = NO_HOOKS,
    workers: Workers = ALONE,
    stops: Stops = NO_STOPS,
) -> History:
    """Train `model` in place as the tape does, with a batch in `config.shards` parts, on all workers.

    Every worker ends with the same weights, which for `config.reduce` "ordered" do not depend on the number
    of workers. The chief's variables are given to all once its hooks have begun.

    Raises:
        ClusterError: a worker is lost, or holds other weights after an epoch.
    """
    optimizer = tf.keras.optimizers.Adam(config.learning_rate, epsilon=config.adam_epsilon)
    optimizer.build(model.trainable_variables)
    running = RunningMetrics()
    sharing = Sharing(config, workers)
    stopping: list[Sequence[int]] = []  # what all workers have agreed on

    def agreed(asked: Sequence[int]) -> None:
        stopping.append(asked)
        stops.agreed(asked)

    steps = Steps(
        make_train_step(model, optimizer, running, sharing, Stops(stops.asked, agreed)),
        make_test_step(model, running, sharing),
        lambda step: sharing.batches(index_stream(len(data.train), config, step), data.train),
        sharing.batches(_in_file_order(len(data.test), config.batch_size), data.test),
    )

    def begin(live: Live) -> None:
        hooks.begin(live)
        workers.share([*live.model.variables, *live.optimizer.variables, *live.metrics])

    def keep(position: Position) -> None:
        if stopping:
            workers.leave()  # the others end now, while the chief still saves
        hooks.keep(position)

    def on_epoch(record: EpochRecord) -> None:
        if not all(map(math.isfinite, record.metrics.values())):  # on all workers: the chief would end alone
            raise NotFiniteError((record.epoch + 1) * config.steps_per_epoch(len(data.train)))
        _refuse_other_weights(workers, model, record.epoch)
        hooks.on_epoch(record)

    live = Live(model, optimizer, running.variables, running.read)
    own = replace(hooks, begin=begin, on_epoch=on_epoch, keep=keep)
    history = run_epochs(steps, live, running, config, len(data.train), own)
    workers.tell("trained")
    workers.leave()
    return history


def numbers_sent(model: tf.keras.Model) -> int:
    """How many float32 numbers a worker sends for each of its sums: gradients, loss, guesses and signals."""
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables) + 2 + SIGNALS


def make_train_step(
    model: tf.keras.Model,
    optimizer: tf.keras.Optimizer,
    running: RunningMetrics,
    sharing: Sharing,
    stops: Stops,
) -> Callable[..., None]:
    """A step on this worker's rows of a batch, which ends when all workers have updated alike.

    What is sent is one float32 vector: the gradients of the batch's mean loss, its summed loss and right
    guesses, and the signals.
    """
    variables = model.trainable_variables
    sizes = [int(np.prod(variable.shape)) for variable in variables]

    def of_shard(images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor, signals: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss, hits = _loss_and_hits(model, images, labels, training=True)
            mean = loss / rows
        gradients = tape.gradient(mean, variables)
        return tf.concat([*(tf.reshape(g, [-1]) for g in gradients), tf.stack([loss, hits]), signals], 0)

    @tf.function(input_signature=[*BATCH, tf.TensorSpec([SIGNALS])])
    def train_step(
        images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor, signals: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.cast(rows, tf.float32)
        each = [
            of_shard(
                sharing.of_shard(shard, images, rows),
                sharing.of_shard(shard, labels, rows),
                count,
                signals if shard == sharing.own.start else tf.zeros(SIGNALS),
            )
            for shard in sharing.own
        ]
        *gradients, sums, asked = tf.split(sharing.sum(each), [*sizes, 2, SIGNALS])
        optimizer.apply(
            [tf.reshape(g, v.shape) for g, v in zip(gradients, variables, strict=True)], variables
        )
        running.add_sums(sums[0], sums[1], count)
        return tf.math.is_finite(sums[0]), asked

    def step(*batch: Any) -> None:
        with sharing.workers.watched():
            finite, asked = train_step(*batch, tf.constant(stops.asked(), tf.float32))
        if not finite:
            running.read()  # raises and names the step, on every worker
        if any(asked.numpy()):
            stops.agreed([int(number) for number in asked.numpy()])

    return step


def make_test_step(model: tf.keras.Model, running: RunningMetrics, sharing: Sharing) -> Callable[..., Any]:
    """A step of validation on this worker's rows of a batch."""

    @tf.function(input_signature=BATCH)
    def test_step(images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> None:
        of_shard = functools.partial(sharing.of_shard, rows=rows)
        each = [
            tf.stack(_loss_and_hits(model, of_shard(shard, images), of_shard(shard, labels), training=False))
            for shard in sharing.own
        ]
        sums = sharing.sum(each)
        running.add_sums(sums[0], sums[1], tf.cast(rows, tf.float32))

    def step(*batch: Any) -> None:
        with sharing.workers.watched():
            test_step(*batch)

    return step


BATCH = [
    tf.TensorSpec([None, 28, 28, 1]),
    tf.TensorSpec([None, len(CLASS_NAMES)]),
    tf.TensorSpec([], tf.int32),
]


def _loss_and_hits(
    model: tf.keras.Model, images: tf.Tensor, labels: tf.Tensor, *, training: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """The loss summed over a shard's rows, with a model's own losses for each row, and the right guesses."""
    # convolutions take no empty batch: it gets a row that does not count
    rows = tf.shape(images)[0]
    blank = tf.cast(rows == 0, tf.int32)
    images, labels = (
        tf.pad(each, [[0, blank]] + [[0, 0]] * (len(each.shape) - 1)) for each in (images, labels)
    )
    counts = tf.pad(tf.ones([rows]), [[0, blank]])
    probabilities = model(images, training=training)
    losses = tf.keras.losses.categorical_crossentropy(labels, probabilities)
    loss = tf.reduce_sum(losses * counts)
    if model.losses:
        loss += sum(model.losses) * tf.cast(rows, tf.float32)
    hits = tf.equal(tf.argmax(probabilities, -1), tf.argmax(labels, -1))
    return loss, tf.reduce_sum(tf.cast(hits, tf.float32) * counts)


def _in_file_order(images: int, batch_size: int) -> tf.data.Dataset:
    """The indices of each batch of one pass."""
    return tf.data.Dataset.range(images).batch(batch_size)


def _refuse_other_weights(workers: Workers, model: tf.keras.Model, epoch: int) -> None:
    """All hold the same weights, or their processors round differently: then what follows is no training."""
    hashes = workers.tell(weights_sha256(model))
    odd = [rank for rank, found in enumerate(hashes) if found != hashes[0]]
    if odd:
        raise ClusterError(
            f"after epoch {epoch + 1} {workers.name(odd[0])} holds other weights than {workers.name(0)}, "
            "though both added the same gradients: their processors or libraries round differently. Use "
            "machines of one kind."
        )
