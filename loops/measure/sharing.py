"""The strategy of a process that is one of several workers of a case, for the code pasted into the case."""

from typing import Any

SHARED = "FIT_VS_TAPE_SHARED"  # set for a process that is such a worker
strategy: Any = None


def join() -> None:
    """Join the workers of TF_CONFIG, or be the only one; before TensorFlow computes anything."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    globals()["strategy"] = tf.distribute.MultiWorkerMirroredStrategy()
