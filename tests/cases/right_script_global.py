"""Expected verdict: identical | identical within rounding.

A whole script: everything global, the step closes over it, and the last line hands it over.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras

from loops.case import case

keras.utils.set_random_seed(17)

# data
rng = np.random.default_rng(117)
points = rng.normal(size=(92, 2)).astype("float32")
rings = np.digitize(np.hypot(*points.T), [0.7, 1.5])
train_data = tf.data.Dataset.from_tensor_slices((points, rings)).batch(27)

# model
net = keras.Sequential(
    [
        keras.Input((2,)),
        keras.layers.Dense(24, activation="relu"),
        keras.layers.Dropout(0.1),
        keras.layers.Dense(24, activation="relu"),
        keras.layers.Dense(3),
    ]
)
adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 40))
criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
seen = keras.metrics.Mean()
accuracy = keras.metrics.SparseCategoricalAccuracy()


@tf.function
def one_step(x, y):
    with tf.GradientTape() as tape:
        scores = net(x, training=True)
        value = criterion(y, scores)
    adam.apply_gradients(zip(tape.gradient(value, net.trainable_variables), net.trainable_variables))
    seen.update_state(value, sample_weight=tf.shape(x)[0])
    accuracy.update_state(y, scores)
    return {"loss": seen.result(), "accuracy": accuracy.result()}


def new_epoch(model, optimizer, epoch):
    seen.reset_state()
    accuracy.reset_state()


if __name__ == "__main__":
    for epoch in range(5):
        new_epoch(net, adam, epoch)
        for x, y in train_data:
            logs = one_step(x, y)
        print(epoch, {name: float(value) for name, value in logs.items()})

case(
    model=net,
    optimizer=adam,
    loss=criterion,
    metrics=["accuracy"],
    batches=train_data,
    train_step=one_step,
    on_epoch_begin=new_epoch,
)
