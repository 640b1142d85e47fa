"""Losses that a user may have taken instead of fit()'s, each a function of one output's loss."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from loops.diagnose.mistake import Loss, RowLoss
from loops.diagnose.stages.elements import labels_of


def smoothed(amount: float) -> Loss:
    """The values of the loss for targets of which so much is spread over all classes."""

    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        function = losses.function
        config = dict(function.get_config()) if isinstance(function, tf.keras.losses.Loss) else {}
        from_logits = bool(config.get("from_logits", False))
        binary = p.shape[-1] == 1 or "binary" in str(config.get("name", function)).lower()
        if binary:
            y = tf.reshape(tf.cast(y, p.dtype), tf.shape(p))
            own = tf.keras.losses.BinaryCrossentropy(from_logits, label_smoothing=amount, reduction="none")
            return RowLoss(own, losses.weights)(y, p)
        classes = p.shape[-1]
        if y.shape.rank != p.shape.rank or y.shape[-1] != classes:
            y = tf.one_hot(tf.cast(labels_of(p[..., 0], y, p), tf.int32), classes)
        own = tf.keras.losses.CategoricalCrossentropy(from_logits, label_smoothing=amount, reduction="none")
        return RowLoss(own, losses.weights)(tf.cast(y, p.dtype), p)

    return loss


def huber(delta: float) -> Loss:
    """Huber's loss with this delta."""
    return lambda losses, y, p: tf.keras.losses.huber(tf.cast(y, p.dtype), p, delta=delta)


def focal(gamma: float) -> Loss:
    """Cross-entropy times (1 - p)^gamma, p being the chance of the right class (Lin et al. 2017, eq. 4)."""

    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        config = (
            dict(losses.function.get_config()) if isinstance(losses.function, tf.keras.losses.Loss) else {}
        )
        logits = bool(config.get("from_logits", False))
        if p.shape[-1] == 1:
            y = tf.reshape(tf.cast(y, p.dtype), tf.shape(p))
            chance = tf.nn.sigmoid(p) if logits else p
            chance = tf.where(y > 0.5, chance, 1 - chance)[..., 0]
        else:
            chances = tf.nn.softmax(p) if logits else p
            if y.shape.rank != p.shape.rank or y.shape[-1] != p.shape[-1]:
                y = tf.one_hot(tf.cast(labels_of(p[..., 0], y, p), tf.int32), p.shape[-1])
            chance = tf.reduce_sum(chances * tf.cast(y, p.dtype), axis=-1)
        chance = tf.clip_by_value(chance, 1e-7, 1.0)
        return -((1 - chance) ** gamma) * tf.math.log(chance)

    return loss


def temperature(value: float) -> Loss:
    """fit()'s loss of the outputs over a temperature."""
    return lambda losses, y, p: losses.reduced(y, p / value)


def named_loss(name: str, **changes: Any) -> Loss:
    """One of Keras's losses by its name."""

    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        function = tf.keras.losses.get(name)
        target = y if "sparse" in name else tf.cast(y, p.dtype)
        if isinstance(function, tf.keras.losses.Loss):
            function = function.call
        return RowLoss(lambda one, two: function(one, two, **changes), losses.weights)(target, p)

    return loss


def with_config(**changes: Any) -> Loss:
    """fit()'s own loss with some of its arguments changed."""

    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        config = losses.function.get_config()
        changed = {key: changes[key] for key in changes if key in config}
        return type(losses.function).from_config(config | changed)(y, p, sample_weight=losses.weights)

    return loss


def activated(activation: Callable[[Any], Any]) -> Loss:
    """fit()'s loss of outputs that went through an activation once more."""
    # The identity hides the softmax from Keras, which would take the logits behind it
    return lambda losses, y, p: losses.reduced(y, tf.identity(activation(p)))


def broadcast(losses: RowLoss, y: Any, p: Any) -> Any:
    """The mean over the (n, n) values that broadcasting (n,) against (n, 1) gives."""
    if p.shape.rank != 2 or p.shape[1] != 1:
        raise ValueError("only for predictions of shape (n, 1)")
    rows = tf.reshape(tf.cast(y, p.dtype), (1, -1))
    shape = tf.stack([tf.shape(p)[0], tf.shape(rows)[1]])
    return losses(tf.broadcast_to(rows, shape), tf.broadcast_to(p, shape))


def logits_loss(losses: RowLoss, y: Any, p: Any) -> Any:
    """A loss of logits, taken of probabilities."""
    if p.shape[-1] == 1:
        return tf.nn.sigmoid_cross_entropy_with_logits(tf.reshape(tf.cast(y, p.dtype), tf.shape(p)), p)
    if y.dtype.is_integer:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels_of(p[..., 0], y, p), p)
    return tf.nn.softmax_cross_entropy_with_logits(y, p)


def of_rows(moved: Callable[[Any], Any]) -> Loss:
    """fit()'s loss of targets that were moved to other rows."""
    return lambda losses, y, p: losses.reduced(moved(y), p)


def in_dtype(dtype: str) -> Loss:
    """fit()'s loss in a coarser type."""

    def loss(losses: RowLoss, y: Any, p: Any) -> Any:
        return losses(tf.cast(y, dtype) if y.dtype.is_floating else y, tf.cast(p, dtype))

    return loss


def labels_as_weights(losses: RowLoss, y: Any, p: Any) -> Any:
    """-Σ y log p of integer labels that were never turned into one-hot rows."""
    return -tf.reduce_sum(tf.reshape(tf.cast(y, p.dtype), (-1, 1)) * tf.math.log(p), axis=-1)


def labels_broadcast(losses: RowLoss, y: Any, p: Any) -> Any:
    """A cross-entropy in which each label stands for all classes."""
    targets = tf.broadcast_to(tf.reshape(tf.cast(y, p.dtype), (-1, 1)), tf.shape(p))
    return tf.keras.losses.categorical_crossentropy(targets, p)


def labels_as_values(losses: RowLoss, y: Any, p: Any) -> Any:
    """A squared error between labels and predictions."""
    return tf.square(tf.reshape(tf.cast(y, p.dtype), (-1, 1)) - p)
