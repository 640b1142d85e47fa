"""A compiled step without TensorFlow, held against float64 in NumPy: `python -m tests.fast.alone`.

It runs wherever Numba does, so that another processor's code can be tried: NUMBA_CPU_NAME=haswell.
"""

import json

import numpy as np

from loops.fast.compiled import layout, step
from loops.fast.compiled.layout import Array, zeros
from loops.fast.compiled.packing import new_plan, pack, unpack
from loops.fast.compiled.pointers import pointers
from loops.fast.compiled.tiles import COLUMNS
from tests import numpy_reference

SHAPES = ((2, 2, 1, 32), (32,), (2, 2, 32, 64), (64,), (3136, 128), (128,), (128, 10), (10,))


def new_weights(seed: int) -> list[Array]:
    """Weights as Keras draws them, and biases that are not 0."""
    random = np.random.default_rng(seed)
    found = []
    for shape in SHAPES:
        fans = np.prod(shape[:-2]) * np.array(shape[-2:]) if len(shape) > 1 else np.array([600, 600])
        limit = np.sqrt(6 / fans.sum())
        found.append(random.uniform(-limit, limit, shape).astype(np.float32))
    return found


def new_images(count: int, seed: int) -> tuple[Array, Array]:
    """Images (n, 28, 28, 1) with a blank frame; the first is blank, the second lit in one corner only."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 28, 28, 1)).astype(np.uint8)
    for n, image in enumerate(images):
        top, left = n % 9, n % 7
        image[:top], image[:, :left], image[28 - left :], image[:, 28 - top :] = 0, 0, 0, 0
    images[0] = 0
    if count > 1:
        images[1], images[1, 27, 27] = 0, 200
    return images, random.integers(0, 10, count).astype(np.uint8)


def gradients_of_a_step(weights: list[Array], images: Array, labels: Array) -> tuple[list[Array], float, int]:
    """A compiled step's gradients, from Adam's momentum, and its sums of loss and hits."""
    plan = new_plan(len(images), threads=1, steps=1)
    parameters = layout.new_parameters()
    parameters.weights[: layout.PARAMETERS] = pack(weights)
    shared = layout.Shared(
        zeros(layout.WINDOWS * plan.padded * layout.FILTERS),
        zeros(plan.padded * layout.HIDDEN),
        zeros((plan.parts, layout.ROOM_FOR_GRADIENTS)),
        zeros((1, plan.parts), np.float64),
        zeros((1, plan.parts), np.int64),
        zeros(step.COUNTERS, np.int64),
    )
    examples = layout.Examples(images, labels, np.arange(len(images)), np.float32(1 / 255))
    adam = layout.Adam(np.full(1, 1e-3, np.float32), np.float32(0.9), np.float32(0.999), np.float32(1e-7))
    own = layout.new_scratch(plan.part)
    step.compiled()(plan, *(pointers(each) for each in (examples, parameters, shared, own, adam)))
    found = [10 * each for each in unpack(parameters.momenta, SHAPES)]
    return found, float(shared.losses.sum()), int(shared.hits.sum())


def ulps(found: list[Array], wanted: list[Array]) -> list[float]:
    """The largest difference of each gradient, in units in the last place of its largest entry."""
    pairs = zip(found, wanted, strict=True)
    return [float(np.abs(a - b).max() / np.spacing(np.float32(np.abs(b).max()))) for a, b in pairs]


def main() -> None:
    """Print how far a step is from float64, as JSON."""
    weights, (images, labels) = new_weights(0), new_images(21, 0)
    found, wanted = (
        each(weights, images, labels) for each in (gradients_of_a_step, numpy_reference.gradients)
    )
    print(
        json.dumps({"columns": COLUMNS, "ulps": ulps(found[0], wanted[0]), "losses": [found[1], wanted[1]]})
    )


if __name__ == "__main__":
    main()
