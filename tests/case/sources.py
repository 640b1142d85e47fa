"""A right case in few lines, and what the tests of this room do with one."""

import functools
from pathlib import Path
from typing import Any

from loops.case.loading import Case

GOOD = """
import numpy as np, os, sys, random
import tensorflow as tf
from tensorflow import keras
def make_model(): return keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
def make_optimizer(): return keras.optimizers.SGD(0.1)
loss = "mse"
ONES = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
def batches(): yield ONES
def train_step(model, optimizer, x, y): pass
""".lstrip()
SCRIPT = """
import numpy as np
import tensorflow as tf
from tensorflow import keras
from loops.case import case
net = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
adam = keras.optimizers.Adam(0.1)
criterion = keras.losses.MeanSquaredError()
train_data = tf.data.Dataset.from_tensor_slices((np.ones((4, 2)), np.ones((4, 1)))).batch(2)
@tf.function
def one_step(x, y):
    with tf.GradientTape() as tape:
        value = criterion(y, net(x, training=True))
    adam.apply(tape.gradient(value, net.trainable_variables), net.trainable_variables)
    return value
""".lstrip()
LINE = "case(model=net, optimizer=adam, loss=criterion, batches=train_data, train_step=one_step)\n"
SUBCLASS = """
class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.dense.build((None, 2))
    def call(self, x): return self.dense(x)
"""


def write(folder: Path, source: str, name: str = "case.py") -> Path:
    path = folder / name
    path.write_text(source)
    return path


def run_steps(path: Path, count: int = 1) -> tuple[Case, Any]:
    """Two executions, as a diagnosis makes them: one for the batches, one whose steps are run."""
    epoch = Case(path).epoch(3)
    case = Case(path)
    model, optimizer = case.model(epoch[0]), case.optimizer()
    for number in range(1, count + 1):
        step = functools.partial(case.step, model, optimizer, *epoch[0].data())
        case.run(f"train_step (step {number})", step)
    return case, model
