"""Expected pattern: training.

The model's class overrides train_step and calls itself without training=True: no dropout, frozen averages.
"""

import tensorflow as tf
from tensorflow import keras

loss = keras.losses.BinaryCrossentropy()


class Mine(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        return {"loss": loss}


def make_model():
    inputs = keras.Input((10,))
    x = keras.layers.Dense(20, activation="relu")(inputs)
    x = keras.layers.Dropout(0.4)(keras.layers.BatchNormalization()(x))
    return Mine(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


def make_optimizer():
    return keras.optimizers.Adam(3e-3)


def batches():
    data = tf.random.stateless_normal((74, 10), seed=(4, 1)).numpy()
    return [(data[i : i + 20], (data[i : i + 20, :1] > 0).astype("float32")) for i in range(0, 74, 20)]
