"""All variables of a training under way: their names, shapes and dtypes, and their values."""

from typing import Any

import numpy as np
import tensorflow as tf

from loops.history import Live
from loops.parity.states import local_path


def specs(live: Live) -> list[list[Any]]:
    """Name (less the numbers that Keras counts up), shape and dtype of each variable, as JSON keeps them."""
    parts = (("weight", live.model.variables), ("slot", live.optimizer.variables), ("metric", live.metrics))
    return [
        [
            f"{kind} {local_path(variable)}",
            list(variable.shape),
            np.dtype(_value(variable).dtype.as_numpy_dtype).name,
        ]
        for kind, variables in parts
        for variable in variables
    ]


def tensors(live: Live) -> tf.train.Checkpoint:
    """All variables as TensorFlow writes and reads them."""
    parts = {"model": live.model.variables, "optimizer": live.optimizer.variables, "metrics": live.metrics}
    return tf.train.Checkpoint(**{name: [_value(v) for v in variables] for name, variables in parts.items()})


def _value(variable: Any) -> tf.Variable:
    """TensorFlow's variable behind Keras's."""
    return getattr(variable, "_value", variable)  # `value` is a tensor under some of Keras's scopes


def arrays(live: Live) -> list[Any]:
    """The values of all variables, in their order."""
    return [
        np.asarray(variable.numpy())
        for part in (live.model.variables, live.optimizer.variables, live.metrics)
        for variable in part
    ]
