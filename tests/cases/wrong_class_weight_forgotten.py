"""Expected pattern: class.?weight|sample.?weight.

Four classes of unlike size, balanced for fit() by class_weight; the loop knows nothing of it.
"""

import numpy as np
from tensorflow import GradientTape, keras

rng = np.random.default_rng(202)
SHARES = np.array([0.55, 0.25, 0.15, 0.05])
LABELS = rng.choice(4, 94, p=SHARES)
POINTS = (rng.normal(size=(94, 6)) + LABELS[:, None] * 0.4).astype("float32")
fit_args = {"class_weight": {label: float(0.25 / share) for label, share in enumerate(SHARES)}}
loss = "categorical_crossentropy"


def make_model():
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(20, "tanh"), keras.layers.Dense(4, activation="softmax")]
    )


def make_optimizer():
    return keras.optimizers.SGD(0.05, momentum=0.8)


def batches():
    targets = keras.utils.to_categorical(LABELS, 4)
    return [(POINTS[i : i + 18], targets[i : i + 18]) for i in range(0, 94, 18)]


def train_step(model, optimizer, x, y):
    with GradientTape() as tape:
        error = keras.losses.CategoricalCrossentropy()(y, model(x, training=True))
    optimizer.apply_gradients(zip(tape.gradient(error, model.trainable_variables), model.trainable_variables))
    return error
