"""Keras's and TensorFlow's state that is one for the whole process, and that a script may change."""

from typing import Any, NamedTuple, Self

import tensorflow as tf
from keras.src.utils.naming import reset_uids  # has no public name; clear_session() drops kernels too


class KerasState(NamedTuple):
    """What a script sets for all that comes after it, mixed precision say."""

    policy: Any
    floatx: str
    epsilon: float
    image_data_format: str
    functions_run_eagerly: bool

    @classmethod
    def now(cls) -> Self:
        """The state as it is."""
        config = tf.keras.config
        return cls(
            config.dtype_policy(),
            config.floatx(),
            config.epsilon(),
            config.image_data_format(),
            tf.config.functions_run_eagerly(),
        )

    def restore(self) -> None:
        """Make the state what it was."""
        config = tf.keras.config
        config.set_floatx(self.floatx)
        config.set_epsilon(self.epsilon)
        config.set_image_data_format(self.image_data_format)
        config.set_dtype_policy(self.policy)
        tf.config.run_functions_eagerly(self.functions_run_eagerly)


AT_START = KerasState.now()


def reset(seed: int) -> None:
    """Make the state what it was at the start, names and random numbers included."""
    AT_START.restore()
    reset_uids()
    tf.keras.utils.set_random_seed(seed)
    tf.random.set_global_generator(tf.random.Generator.from_seed(seed))
