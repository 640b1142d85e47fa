"""Which images a step sees: batches as a pure function of (seed, epoch, step), drawn by both loops."""

import tensorflow as tf

from loops.config import TrainConfig
from loops.data import CLASS_NAMES, PIXEL_SCALE, Split


def permutation(images: int, seed: int, epoch: int | tf.Tensor) -> tf.Tensor:
    """The order of one epoch: int64 of shape (images,), reshuffled each epoch, free of any state."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    return tf.random.experimental.stateless_shuffle(tf.range(images, dtype=tf.int64), seed=key)


def prepare(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """uint8 images and labels → float32 images in [0, 1] and float32 one-hot labels."""
    return tf.cast(images, tf.float32) * PIXEL_SCALE, tf.one_hot(labels, len(CLASS_NAMES))


def index_stream(images: int, config: TrainConfig, first_step: int = 0) -> tf.data.Dataset:
    """Indices of each batch from global step `first_step` to the end of training, int64 (batch,)."""
    steps = config.steps_per_epoch(images)
    first_epoch, skipped = divmod(first_step, steps)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = permutation(images, config.seed, epoch)
        start = tf.where(epoch == first_epoch, tf.constant(skipped, tf.int64), 0)
        return tf.data.Dataset.range(start, steps).map(
            lambda step: order[step * config.batch_size : (step + 1) * config.batch_size]
        )

    return tf.data.Dataset.range(first_epoch, config.epochs).flat_map(one_epoch)


def training_stream(split: Split, config: TrainConfig, first_step: int = 0) -> tf.data.Dataset:
    """Batches (images, one-hot labels) of all epochs, from global step `first_step` on.

    The pixels stay uint8 in memory and are scaled a batch at a time. The last batch of an
    epoch holds what is left over.
    """
    images, labels = tf.constant(split.images), tf.constant(split.labels)

    def gather(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return prepare(tf.gather(images, indices), tf.gather(labels, indices))

    return without_autotune(index_stream(len(split), config, first_step).map(gather).prefetch(2))


def evaluation_stream(split: Split, batch_size: int) -> tf.data.Dataset:
    """Batches (images, one-hot labels) of one pass in file order."""
    stream = tf.data.Dataset.from_tensor_slices((split.images, split.labels))
    return without_autotune(stream.batch(batch_size).map(prepare).prefetch(2))


def without_autotune(stream: tf.data.Dataset) -> tf.data.Dataset:
    """A stream without autotuning: deleting a tuned iterator can take a minute, and nothing here needs it."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return stream.with_options(options)
