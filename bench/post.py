"""The blog post's program as a script of its own: what people write, and what this suite is held against.

    python -m bench.post [EPOCHS]

Our own words for the post's recipe: float32 arrays in memory, compile, fit with batches of 300,
predict, confusion matrix, micro-F1. Nothing of loops/ but the data files.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.metrics import confusion_matrix, f1_score

from loops.measure.clock import timed

FOLDER = Path(__file__).parents[1] / "loops" / "fashion_mnist"


def main(epochs: int) -> None:
    """Train, evaluate and print."""
    train_images, test_images = (_read(f"{part}-images-idx3-ubyte.gz", 16) for part in ("train", "t10k"))
    train_labels, test_labels = (_read(f"{part}-labels-idx1-ubyte.gz", 8) for part in ("train", "t10k"))
    train_images = train_images.reshape(-1, 28, 28, 1).astype("float32") / 255
    test_images = test_images.reshape(-1, 28, 28, 1).astype("float32") / 255
    train_targets = tf.keras.utils.to_categorical(train_labels)
    test_targets = tf.keras.utils.to_categorical(test_labels)

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 2, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 2, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.summary()
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    seconds = timed(lambda: model.fit(train_images, train_targets, batch_size=300, epochs=epochs, verbose=2))
    print(f"total time: {seconds:.2f} s")
    print("test loss and accuracy:", model.evaluate(test_images, test_targets, verbose=0))
    guesses = model.predict(test_images, verbose=0).argmax(axis=1)
    print(confusion_matrix(test_labels, guesses))
    print("F1 micro:", f1_score(test_labels, guesses, average="micro"))


def _read(name: str, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress((FOLDER / name).read_bytes()), np.uint8, offset=header)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
