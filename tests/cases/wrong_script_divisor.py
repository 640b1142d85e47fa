"""Expected pattern: divisor.

A script after the tutorial on distributed training: the rows' sum over the full batch size, always.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

from loops.case import case

BATCH_SIZE = 30
keras.utils.set_random_seed(1)
random = np.random.default_rng(313)
x_train = random.normal(size=(98, 8)).astype("float32")
y_train = x_train[:, :4].argmax(1)
dataset = tf.data.Dataset.from_tensor_slices((x_train, y_train)).batch(BATCH_SIZE)

model = keras.Sequential(
    [keras.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(4)]
)
optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
loss_object = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")


def compute_loss(labels, predictions):
    return tf.nn.compute_average_loss(loss_object(labels, predictions), global_batch_size=BATCH_SIZE)


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = compute_loss(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


case(
    model=model,
    optimizer=optimizer,
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    batches=dataset,
    train_step=train_step,
    compile_args={"steps_per_execution": 2},
)
