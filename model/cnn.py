"""The network under test: a small CNN for Fashion-MNIST as a subclassed Keras model."""

from typing import Any

import tensorflow as tf

IMAGE_SHAPE = (28, 28, 1)
CLASSES = 10
PARAM_COUNT = 411_242


@tf.keras.utils.register_keras_serializable(package="fit_vs_tape")
class FashionCNN(tf.keras.Model):
    """Two convolution and pooling stages, one hidden dense layer, softmax over 10 classes.

    Built when constructed, so `count_params()` and `summary()` are true at once. Call it on
    float32 images of shape (batch, 28, 28, 1) scaled to [0, 1]; it returns float32
    probabilities of shape (batch, 10). The architecture is that of the blog post which this
    suite reproduces; initialisers are Keras's defaults (Glorot uniform, zeros). `width` multiplies the
    channels and the hidden units, to see how cost grows.
    """

    built: bool

    def __init__(self, width: int = 1, name: str = "fashion_cnn", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.width = width
        layers = tf.keras.layers
        self.conv1 = layers.Conv2D(32 * width, 2, padding="same", activation="relu", name="conv1")
        self.pool1 = layers.MaxPooling2D(2, name="pool1")
        self.conv2 = layers.Conv2D(64 * width, 2, padding="same", activation="relu", name="conv2")
        self.pool2 = layers.MaxPooling2D(2, name="pool2")
        self.flatten = layers.Flatten(name="flatten")
        self.hidden = layers.Dense(128 * width, activation="relu", name="hidden")
        self.classifier = layers.Dense(CLASSES, activation="softmax", name="classifier")
        self.build((None, *IMAGE_SHAPE))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build every layer in call order; loading a `.keras` file builds again, to no effect."""
        if self.built:
            return
        for layer in self.layers:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """What a `.keras` file needs to build the model again."""
        return {**super().get_config(), "width": self.width}

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Images (batch, 28, 28, 1) → class probabilities (batch, 10)."""
        features = self.pool1(self.conv1(images))
        features = self.pool2(self.conv2(features))
        return self.classifier(self.hidden(self.flatten(features)))


def new_model(seed: int) -> FashionCNN:
    """A fresh model whose initial weights are a function of `seed`."""
    tf.keras.utils.set_random_seed(seed)
    return FashionCNN()
