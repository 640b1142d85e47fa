"""The problem that the frameworks get, with the losses of the tape's own first steps."""

import numpy as np
import tensorflow as tf

from bench.peers.problem import CHECKED_STEPS, EPSILON, LEARNING_RATE, Problem
from bench.steps import fixed_batch
from loops.data import FashionMnist
from loops.metrics import RunningMetrics
from loops.tape import make_train_step
from model import new_model


def problem_of(fashion: FashionMnist, batch_size: int) -> Problem:
    """The first images as one batch, and the CNN's initial weights."""
    model, running = new_model(0), RunningMetrics()
    weights = [np.asarray(variable).copy() for variable in model.trainable_variables]
    images, one_hot = next(iter(fixed_batch(fashion, batch_size)))
    step = make_train_step(model, tf.keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON), running)
    losses = []
    for _ in range(CHECKED_STEPS):
        running.reset()
        step(images, one_hot)
        losses.append(running.read()["loss"])
    labels = fashion.train.labels[:batch_size].astype(np.int64)
    return Problem(weights, images.numpy(), labels, np.array(losses))
