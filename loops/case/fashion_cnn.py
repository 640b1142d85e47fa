"""This project's CNN as a case, which `measure` takes where no other is named: the tape's step against fit().

60,000 images of Fashion-MNIST in batches of 300, categorical cross-entropy, Adam, accuracy: the blog post's
recipe. `compile_args` switch XLA off, as everywhere in this project.
"""

import tensorflow as tf

from loops import data
from loops.batches import training_stream
from loops.config import TrainConfig
from loops.metrics import RunningMetrics
from model import new_model

loss = "categorical_crossentropy"
metrics = ["accuracy"]
compile_args = {"jit_compile": False}
cross_entropy = tf.keras.losses.CategoricalCrossentropy()
running = RunningMetrics()


def make_model() -> tf.keras.Model:
    """The network of 411,242 parameters."""
    return new_model(0)


def make_optimizer() -> tf.keras.Optimizer:
    """Adam, with Keras's defaults."""
    return tf.keras.optimizers.Adam()


def batches() -> tf.data.Dataset:
    """One epoch of the real images, reshuffled as the first epoch of a training is."""
    return training_stream(data.load(data.find_folder(None)).train, TrainConfig(epochs=1))


@tf.function(reduce_retracing=True)
def train_step(
    model: tf.keras.Model, optimizer: tf.keras.Optimizer, images: tf.Tensor, labels: tf.Tensor
) -> None:
    """The tape's step: forward, loss, gradients, Adam, metrics."""
    with tf.GradientTape() as tape:
        probabilities = model(images, training=True)
        total = sum(model.losses, cross_entropy(labels, probabilities))
    gradients = tape.gradient(total, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    running.update(total, labels, probabilities)
