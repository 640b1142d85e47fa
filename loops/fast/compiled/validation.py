"""Loss and accuracy of a validation by the compiled step's forward pass."""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from loops.data import Split
from loops.fast.compiled import layout
from loops.fast.compiled.runner import Runner
from loops.fast.compiled.variables import parameters_of
from loops.metrics import RunningMetrics

VALIDATION_BATCH = 500


def make_validation(
    model: tf.keras.Model, running: RunningMetrics, split: Split
) -> Callable[[], Mapping[str, float]]:
    """A function that gives val_loss and val_accuracy on all of `split`; `running` ends holding them."""
    size = min(VALIDATION_BATCH, len(split))
    rest = len(split) % size
    runners = [(Runner(split, each, trains=False), each) for each in (size, rest) if each]
    order = np.arange(len(split))

    def validate() -> Mapping[str, float]:
        parameters = parameters_of([np.asarray(each) for each in model.trainable_variables])
        loss, hits, start = 0.0, 0, 0
        for runner, images in runners:
            steps = (len(split) - start) // images
            found = runner.run(order[start : start + steps * images], parameters, _no_rates(steps))
            loss, hits, start = loss + found[0].sum(), hits + int(found[1].sum()), start + steps * images
        running.set(*(tf.constant([each], tf.float32) for each in (loss, hits, len(split))))
        return {f"val_{name}": value for name, value in running.values().items()}

    return validate


def _no_rates(steps: int) -> layout.Adam:
    """What a forward pass has in place of an optimizer's numbers."""
    return layout.Adam(np.zeros(steps, np.float32), *[np.float32(0)] * 3)
