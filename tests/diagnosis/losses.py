"""The losses as source text: an object of Keras, its function, or TensorFlow's operations."""

import re

from tests.diagnosis.parts import Loss, arguments, literal

SHORT = {"MeanSquaredError": "mse", "MeanAbsoluteError": "mae"}  # names that tf.keras has too
IN_TENSORFLOW = {
    "MeanSquaredError": "tf.reduce_mean(tf.square({y} - {out}), axis=-1)",
    "MeanAbsoluteError": "tf.reduce_mean(tf.abs({out} - {y}), axis=-1)",
    "BinaryCrossentropy": (
        "tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels={y}, logits={out}), axis=-1)"
    ),
    "CategoricalCrossentropy": "tf.nn.softmax_cross_entropy_with_logits(labels={y}, logits={out})",
    "SparseCategoricalCrossentropy": "tf.nn.sparse_softmax_cross_entropy_with_logits({y}, {out})",
}


def as_object(loss: Loss) -> str:
    """`keras.losses.Huber(delta=0.7)`."""
    return f"keras.losses.{loss.name}({arguments(loss.options)})"


def as_function(loss: Loss, y: str, out: str) -> str:
    """A loss for each row (time step, pixel) by the function of Keras."""
    name = SHORT.get(loss.name) or re.sub(r"(?<!^)([A-Z])", r"_\1", loss.name).lower()
    return f"keras.losses.{name}({', '.join(filter(None, (y, out, arguments(loss.options))))})"


def in_tensorflow(loss: Loss, y: str, out: str) -> str:
    """The same in plain TensorFlow, where that is the same to rounding; else by the function of Keras."""
    if loss.name == "Huber":
        delta = literal(loss.options["delta"])
        far = f"tf.abs({y} - {out})"
        return (
            f"tf.reduce_mean(tf.where({far} <= {delta}, 0.5 * tf.square({y} - {out}), "
            f"{delta} * {far} - 0.5 * {delta} ** 2), axis=-1)"
        )
    if not loss.name.startswith("Mean") and not loss.of_logits:
        return as_function(loss, y, out)
    if not set(loss.options) <= {"from_logits"}:
        return as_function(loss, y, out)
    return IN_TENSORFLOW[loss.name].format(y=y, out=out)
