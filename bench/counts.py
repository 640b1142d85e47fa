"""What a training step must do at least: its floating-point operations and the bytes it moves."""

import numpy as np
import tensorflow as tf

from loops.measure.floor import FLOAT_BYTES
from model import IMAGE_SHAPE

# Adam reads weight, gradient and two slots, and writes weight and slots; backward writes the gradient
PASSES_OVER_PARAMETERS = 8


def forward_macs(model: tf.keras.Model) -> dict[str, int]:
    """Multiply-adds of each layer's forward pass for one image: outputs × kernel entries behind each."""
    macs = {}
    shape = (1, *IMAGE_SHAPE)
    for layer in model.layers:
        shape = layer.compute_output_shape(shape)
        if layer.weights:
            kernel = layer.kernel.shape
            positions = 1 if len(kernel) == 2 else shape[1] * shape[2]
            macs[layer.name] = positions * kernel.num_elements()
    return macs


def step_flops(model: tf.keras.Model, batch_size: int) -> int:
    """Floating-point operations of one training step, two a multiply-add.

    Forward, the gradient of each kernel, and the gradient of each input but the first
    layer's each cost the layer's forward multiply-adds.
    """
    macs = list(forward_macs(model).values())
    return 2 * batch_size * (3 * sum(macs) - macs[0])


def step_bytes(model: tf.keras.Model, batch_size: int) -> int:
    """Bytes that a step must move even if every activation stayed in cache: images and parameters."""
    return FLOAT_BYTES * (
        batch_size * int(np.prod(IMAGE_SHAPE)) + PASSES_OVER_PARAMETERS * model.count_params()
    )
