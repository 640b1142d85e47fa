"""The forward pass: how often the model is called, in which mode, and on what."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.observing import Passed
from loops.diagnose.algebra import plain
from loops.diagnose.mistake import NO_MISTAKE, ROW_ORDERS, Mistake, together
from loops.diagnose.observed import Step, norm_of
from loops.diagnose.scene import EPS, Scene, same_size, shared
from loops.diagnose.step import makes_mask
from loops.parity.states import Array

CLOSE = 1e-5  # relative, of inputs that were solved for
TRAINING = "{predictions} = {model}({x}, training=True)"
ONCE = "call the model once for each batch: {predictions} = {model}({x}, training=True)"
MASKS_LOST = Mistake(
    "mask lost on the way through the model: padded steps are taken for real ones",
    masks=False,
    advice="call the whole model, {model}({x}, training=True): it hands the mask from layer to layer",
)
AS_GIVEN = "pass {x} to the model as batches() gives it"


def explain_passes(scene: Scene, step: int) -> list[Mistake]:
    """What explains the forward pass of a step; NO_MISTAKE alone where it is fit()'s."""
    user, fit = scene.user(step), scene.fit(step).step
    if _loses_masks(scene, step, user, fit):
        return [MASKS_LOST]
    found = [NO_MISTAKE]
    for options in (
        _flags(scene, user, fit),
        _inputs(scene, step, user, fit),
        _counts(scene, step, user, fit),
    ):
        found = [both for one in found for two in options if (both := together(one, two))]
    return found


def _loses_masks(scene: Scene, step: int, user: Step, fit: Step) -> bool:
    """Whether the gradients are those of the model without its masks, and not those with them."""
    if not user.last or not any(makes_mask(layer) for layer in scene.model._flatten_layers()):
        return False
    mine = scene.trained(user.last)
    if same_size(*shared(mine, fit.last)):
        return False
    without = scene.fit(step, MASKS_LOST).step.last
    return scene.tolerance(step, MASKS_LOST).same(*shared(mine, without))


def forward_agrees(scene: Scene, step: int) -> bool:
    """Whether the main pass has fit()'s flags, inputs and outputs, as far as they were seen."""
    user, fit = scene.user(step), scene.fit(step).step
    mine, theirs = user.main, fit.main
    if _odd_flags(user, fit):
        return False
    if mine is None or theirs is None:
        return True
    return all(
        one.shape == two.shape and norm_of(one - two) <= 1e-4 * (norm_of(two) + EPS)
        for one, two in zip(mine.outputs, theirs.outputs, strict=False)
        if one.dtype.kind == two.dtype.kind == "f"
    )


def _odd_flags(user: Step, fit: Step) -> dict[int, bool]:
    """The layers that fit() calls with another training flag, with the user's flag."""
    mine, theirs = user.flags(), fit.flags()
    main = user.main
    mine |= {layer: [False] for layer, flags in theirs.items() if layer not in mine and flags[-1]}  # bypassed
    last = {
        layer: flags[0] if main and user.passes and main is user.passes[0] else flags[-1]
        for layer, flags in mine.items()
    }
    return {
        layer: bool(last[layer])
        for layer, flags in theirs.items()
        if layer in last and bool(last[layer]) != bool(flags[-1])
    }


def _flags(scene: Scene, user: Step, fit: Step) -> list[Mistake]:
    odd = _odd_flags(user, fit)
    main, theirs = user.main, fit.main
    if not odd:
        return [NO_MISTAKE]
    missing = Mistake("training=True missing", training=False, advice=TRAINING)
    all_off = not any(odd.values()) and set(odd) >= {layer for layer, f in fit.flags().items() if f[-1]}
    if all_off and (main is None or theirs is None or not main.training):
        return [missing]
    layers = scene.model._flatten_layers()
    names = {layer: f"{layers[layer].name} ({type(layers[layer]).__name__})" for layer in odd}
    off = [names[layer] for layer, flag in odd.items() if not flag]
    on = [names[layer] for layer, flag in odd.items() if flag]
    told = [f"{', '.join(off)} without training=True"] * bool(off) + [
        f"{', '.join(on)} with training=True"
    ] * bool(on)
    return [
        Mistake(
            f"training flag of some layers other than fit()'s: {'; '.join(told)}",
            flags=dict(odd),
            advice="call the whole model once, {model}({x}, training=True); it hands the flag to its layers",
        )
    ]


def _inputs(scene: Scene, step: int, user: Step, fit: Step) -> list[Mistake]:
    """What was done to the inputs before the model got them."""
    mine, theirs = user.main, fit.main
    if mine is None or theirs is None or len(mine.inputs) != len(theirs.inputs):
        return [NO_MISTAKE]
    pairs = list(zip(mine.inputs, theirs.inputs, strict=True))
    if all(_same(one, two) for one, two in pairs):
        return [NO_MISTAKE]
    rows = theirs.inputs[0].shape[0]
    if all(one.shape[1:] == two.shape[1:] and len(one) < len(two) for one, two in pairs):
        return _fewer_rows(scene, step, user, pairs, rows)
    if any(one.shape != two.shape for one, two in pairs):
        return []
    return [
        *_scaled(pairs),
        *_cast(pairs),
        *_layers_before(scene, user, fit),
        *_other_rows(scene, step, pairs),
    ]


def _same(one: Array, two: Array) -> bool:
    return one.shape == two.shape and np.array_equal(one, two)


def _close(one: Array, two: Array) -> bool:
    return one.shape == two.shape and norm_of(one - two) <= CLOSE * norm_of(two)


def _scaled(pairs: list[tuple[Array, Array]]) -> Iterator[Mistake]:
    """One factor and one shift for all inputs, or for each feature."""
    floats = [(one, two) for one, two in pairs if two.dtype.kind == "f"]
    if not floats or any(not _same(one, two) for one, two in pairs if two.dtype.kind != "f"):
        return
    mine = np.concatenate([one.ravel() for one, _ in floats]).astype(np.float64)
    theirs = np.concatenate([two.ravel() for _, two in floats]).astype(np.float64)
    matrix = np.stack([theirs, np.ones_like(theirs)], axis=1)
    (factor, shift), *_ = np.linalg.lstsq(matrix, mine, rcond=None)
    if np.linalg.norm(mine - matrix @ [factor, shift]) > CLOSE * np.linalg.norm(mine):
        return
    factor = plain(float(factor))
    shift = 0.0 if abs(shift) < CLOSE * float(np.abs(mine).max()) else plain(float(shift))
    told = f"x · {factor:.4g}" if factor != 1 else "x"
    if 0 < factor < 1 and abs(1 / factor - round(1 / factor)) < 1e-3:
        told = f"x / {round(1 / factor)}"
    told += f" {'+' if shift > 0 else '-'} {abs(shift):.4g}" if shift else ""
    yield Mistake(
        f"inputs scaled again: {told}",
        inputs=lambda x: x * factor + shift if x.dtype.is_floating else x,
        advice="scale in batches() or in the model, not in the step",
    )


def _cast(pairs: list[tuple[Array, Array]]) -> Iterator[Mistake]:
    for dtype in ("float16", "bfloat16"):
        kind = tf.as_dtype(dtype).as_numpy_dtype
        if all(
            two.dtype.kind != "f" or _close(one, two.astype(kind).astype(two.dtype)) for one, two in pairs
        ):
            yield Mistake(
                "loss or inputs cast to another dtype",
                f"inputs through {dtype}",
                inputs=through(dtype),
                advice="pass the inputs to the model in the dtype that batches() gives",
            )


def through(dtype: str) -> Any:
    """A cast to a coarser type and back."""
    return lambda x: tf.cast(tf.cast(x, dtype), x.dtype) if x.dtype.is_floating else x


def _layers_before(scene: Scene, user: Step, fit: Step) -> Iterator[Mistake]:
    """A layer of the model called by the step as well, before the model: an augmentation applied twice."""
    mine, theirs = user.flags(), fit.flags()
    layers = scene.model._flatten_layers()
    for index, flags in mine.items():
        if len(flags) > len(theirs.get(index, [])):
            layer = layers[index]
            yield Mistake(
                f"layer applied twice: {layer.name} ({type(layer).__name__})",
                "once by the step, once by the model",
                layers_before=(index,),
                advice="leave the layer to the model: {model}({x}, training=True)",
            )


def _other_rows(scene: Scene, step: int, pairs: list[tuple[Array, Array]]) -> Iterator[Mistake]:
    """The same rows in another order."""
    one, two = (each.reshape(len(each), -1) for each in pairs[0])
    if len(one) < 2 or not np.array_equal(np.sort(one, axis=0), np.sort(two, axis=0)):
        return
    for name, order in ROW_ORDERS.items():
        if all(_same(mine, order(theirs).numpy()) for mine, theirs in pairs):
            yield Mistake(
                f"rows of x in another order than those of y: {name}",
                inputs=order,
                advice="shuffle x and y together, before they are batched",
            )


def _fewer_rows(
    scene: Scene, step: int, user: Step, pairs: list[tuple[Array, Array]], rows: int
) -> list[Mistake]:
    """A part of the batch: what is cut into pieces that all count, or rows that are dropped."""
    count = len(pairs[0][0])
    passes = [each for each in user.passes if each.inputs]
    seen = sum(len(each.inputs[0]) for each in passes)
    if len(passes) > 1 and seen > count:
        pieces = len(passes)
        return [] if rows // pieces != count else [_micro_batches(pieces)]
    if all(_same(one, two[:count]) for one, two in pairs):
        return list(_dropped(scene, step, user, rows, count))
    if all(_same(one, two[rows - count :]) for one, two in pairs):
        gone = rows - count
        return [
            Mistake(
                f"rows dropped: the first {gone} of each batch do not count",
                rows=lambda part: part[gone:],
                advice="train on all rows of the batch",
            )
        ]
    return []


def _dropped(scene: Scene, step: int, user: Step, rows: int, count: int) -> Iterator[Mistake]:
    gone = rows - count
    advice = "train on all rows of the batch"
    yield Mistake(
        f"rows dropped: the last {gone} of each batch do not count",
        rows=lambda part: part[: tf.shape(part)[0] - gone],
        advice=advice,
    )
    yield Mistake(
        f"rows dropped: only the first {count} of each batch count",
        rows=lambda part: part[:count],
        advice=advice,
    )
    for divisor in (2, 3, 4):
        if count == rows // divisor:
            name = f"rows dropped: only the first 1/{divisor} of each batch counts"
            yield Mistake(name, rows=_first_share(divisor), advice=advice)
    for unit in (2, 3, 4, 5, 8, 16):
        if count == rows // unit * unit and count > rows / 2:
            name = f"rows dropped: the batch is cut to a multiple of {unit}"
            yield Mistake(name, rows=_multiple_of(unit), advice=advice)


def _first_share(divisor: int) -> Callable[[Any], Any]:
    return lambda part: part[: tf.shape(part)[0] // divisor]


def _multiple_of(unit: int) -> Callable[[Any], Any]:
    return lambda part: part[: tf.shape(part)[0] // unit * unit]


def _micro_batches(pieces: int) -> Mistake:
    return Mistake(
        "batch cut into micro-batches: BatchNormalization sees the pieces",
        f"{pieces} pieces, their gradients averaged",
        pieces=pieces,
        advice="pass the whole batch through the model at once: its statistics are the batch's",
    )


def _counts(scene: Scene, step: int, user: Step, fit: Step) -> list[Mistake]:
    """Passes in training mode beside the one that counts: they move averages and draw random numbers."""
    mine = [each for each in user.passes if _in_training(each, user)]
    updates = max(1, len(user.taken) if len(user.applied) > 1 else 1)
    extra = len(mine) - len(fit.passes)
    if extra <= 0 or updates > 1 or not mine[0].inputs or not fit.passes:
        return [NO_MISTAKE]
    if any(len(each.inputs[0]) != len(fit.passes[0].inputs[0]) for each in mine):
        return [NO_MISTAKE]
    name = (
        f"{'an extra pass' if extra == 1 else f'{extra} extra passes'} of each batch in training mode: "
        "moving averages are updated and random numbers drawn more often"
    )
    if not any(hasattr(layer, "moving_mean") for layer in scene.model._flatten_layers()):
        if len(scene.model.variables) == len(scene.model.weights):
            return [NO_MISTAKE]  # nothing of the model's remembers a pass
        name = "dropout seeds differ: more training passes than one draw from the model's generators"
    before = Mistake(name, f"{extra} before the one that counts", extra_passes=extra, advice=ONCE)
    behind = Mistake(name, f"{extra} after the one that counts", passes_after=extra, advice=ONCE)
    if user.applied and user.events.index(mine[-1]) > user.events.index(user.applied[-1]):
        return [Mistake(name, f"{extra} after the update", passes_last=extra, advice=ONCE)]
    return [behind, before] if mine[0] is user.main else [before, behind]


def _in_training(each: Passed, user: Step) -> bool:
    return each.training is None or each.training
