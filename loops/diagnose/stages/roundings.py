"""Ways to write the loss that change its rounding alone, named where a replay gives the user's very bits."""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from loops.diagnose.mistake import Gradients, Loss, Mistake, RowLoss
from loops.diagnose.scene import Scene


def roundings(scene: Scene) -> Iterator[Mistake]:
    """Constant divisions, logits that Keras would have found behind a softmax, a loss in float64."""
    if scene.batch(1).y is None or scene.one_step.loss is None:
        return
    first = scene.sizes[0]
    yield from _constant_division(first, any(size != first for size in scene.sizes))
    if any(_is_of_probabilities(loss) for loss in tf.nest.flatten(scene.one_step.loss)):
        yield from _lost_logits()
    yield Mistake(
        "loss or inputs cast to another dtype",
        "loss in float64",
        loss=_in_float64,
        rounding=True,
        advice="compute the loss on the model's own float32 outputs",
    )


def _constant_division(first: int, partial: bool) -> Iterator[Mistake]:
    """TensorFlow's graph optimizer turns x / 30 into x · (1/30)."""

    def count_of(p: Any) -> float:
        """The batch's own size, or `first` where the graph leaves it open and all batches have one size."""
        if p.shape[0] is None and partial:
            raise ValueError("dividing by a constant would be the wrong divisor")
        return float(p.shape[0] or first)

    def total(losses: RowLoss, y: Any, p: Any) -> Any:
        return tf.reduce_sum(losses(y, p))

    def divided(gradients: list[Any], rows: Any) -> list[Any]:
        return [None if each is None else each / float(first) for each in gradients]

    variants: dict[str, tuple[Loss, Gradients | None]] = {
        "sum / constant": (lambda losses, y, p: total(losses, y, p) / count_of(p), None),
        "sum · (1 / constant)": (lambda losses, y, p: total(losses, y, p) * (1 / count_of(p)), None),
    }
    if not partial:
        variants["gradients of the sum / constant"] = (total, divided)
    for detail, (loss, gradients) in variants.items():
        yield Mistake(
            "constant division turned into a product",
            detail,
            loss=loss,
            gradients=gradients,
            rounding=True,
            advice="{loss} = tf.reduce_mean(per_example_loss), which divides in the kernel",
        )


def _is_of_probabilities(loss: Any) -> bool:
    """Whether it is a cross-entropy of probabilities: Keras looks for the logits behind a softmax."""
    config = loss.get_config() if isinstance(loss, tf.keras.losses.Loss) else {}
    name = loss if isinstance(loss, str) else str(config.get("name", getattr(loss, "__name__", "")))
    return "crossentropy" in name.replace("_", "").lower() and not config.get("from_logits")


def _lost_logits() -> Iterator[Mistake]:
    for detail, predictions in (
        ("tf.identity", tf.identity),
        ("clipped", lambda p: tf.clip_by_value(p, 1e-7, 1 - 1e-7)),
    ):
        yield Mistake(
            "logits behind the softmax lost",
            detail,
            predictions=predictions,
            rounding=True,
            advice="hand the model's own output to the Keras loss, which then works on its logits",
        )
    for detail, floor in (("-Σ y log p", 0.0), ("-Σ y log(p + 1e-7)", 1e-7), ("-Σ y log(p + 1e-8)", 1e-8)):
        yield Mistake(
            "logits behind the softmax lost",
            detail,
            loss=_entropy_by_hand(floor),
            rounding=True,
            advice="use keras.losses.CategoricalCrossentropy() on the model's own output",
        )


def _entropy_by_hand(floor: float) -> Loss:
    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        targets = tf.one_hot(tf.reshape(y, [-1]), p.shape[-1]) if y.dtype.is_integer else tf.cast(y, p.dtype)
        return tf.reduce_mean(-tf.reduce_sum(targets * tf.math.log(p + floor), axis=-1))

    return loss


def _in_float64(losses: RowLoss, y: Any, p: Any) -> Any:
    rows = losses(tf.cast(y, "float64") if y.dtype.is_floating else y, tf.cast(p, "float64"))
    return tf.cast(tf.reduce_mean(rows), tf.float32)
