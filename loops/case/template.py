"""Writes the skeleton of a case file, to be filled in."""

from pathlib import Path

from loops.errors import UserError

SKELETON = '''\
"""A case for `python -m loops diagnose`: put your own parts in place of these.

docs/diagnose.md explains each of them.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

# What compile() gets: a name, a Keras loss, or a list or dict of them.
loss = "sparse_categorical_crossentropy"

# All of these may be left out.
# seed = 0
# metrics = ["accuracy"]
# compile_args = {"loss_weights": None, "weighted_metrics": None, "auto_scale_loss": True,
#                 "run_eagerly": False, "jit_compile": False}
# fit_args = {"class_weight": {0: 1.0, 1: 9.0}, "callbacks": [], "initial_epoch": 0}


def make_model():
    """Your model: subclassed, functional or sequential."""
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation="softmax")])


def make_optimizer():
    """Your optimizer. A schedule of the learning rate goes in here."""
    return keras.optimizers.Adam(1e-3)


def batches():
    """One epoch of your data: (x, y), (x, y, sample_weight) or (x,). A tf.data.Dataset will do too."""
    random = np.random.default_rng(0)
    for rows in (32, 32, 10):
        yield random.normal(size=(rows, 8)).astype("float32"), random.integers(3, size=rows)


@tf.function
def train_step(model, optimizer, x, y):
    """Your step, as it stands in your loop. Leave it out where your model overrides train_step."""
    with tf.GradientTape() as tape:
        predictions = model(x, training=True)
        total = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, predictions))
        total += sum(model.losses)
    gradients = tape.gradient(total, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": total}


# What your loop does around an epoch, if anything:
# def on_epoch_begin(model, optimizer, epoch): ...
# def on_epoch_end(model, optimizer, epoch): ...
# def on_train_end(model, optimizer): ...
'''


def write_template(path: Path) -> None:
    """Write the skeleton to a new file.

    Raises:
        UserError: the file is there already, is no .py file, or cannot be written.
    """
    if path.suffix != ".py":
        raise UserError(f"{path}: the name of a case file must end in .py.")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(SKELETON)
    except FileExistsError:
        raise UserError(f"{path}: is there already, and stays as it is. Choose another name.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}).") from None
