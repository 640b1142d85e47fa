"""The names of the format: which there are, where a name belongs that stands elsewhere, and near misses."""

import difflib
from collections.abc import Collection

HOOKS = ("on_epoch_begin", "on_epoch_end", "on_train_end")
FORMAT = (
    "make_model",
    "make_optimizer",
    "loss",
    "batches",
    "train_step",
    "metrics",
    "seed",
    "compile_args",
    "fit_args",
    *HOOKS,
)
SCRIPT = tuple(name.removeprefix("make_") for name in FORMAT)  # keywords of case()
COMPILE_ARGS = (
    "loss_weights",
    "weighted_metrics",
    "auto_scale_loss",
    "steps_per_execution",
    "run_eagerly",
    "jit_compile",
)
FIT_ARGS = ("class_weight", "callbacks", "initial_epoch")

_LENGTH = "--steps says how long the trainings are, and batches() how long an epoch is"
_VALIDATION = "nothing is validated: only steps of the training are compared"
_PLACES = {
    "optimizer": "make_optimizer() returns the optimizer",
    "loss": "loss is a name of its own at the top level of the file",
    "metrics": "metrics is a name of its own at the top level of the file",
    "x": "batches() yields the data",
    "y": "batches() yields the data",
    "sample_weight": "batches() yields (x, y, sample_weight)",
    "batch_size": "batches() decides how large a batch is",
    "epochs": _LENGTH,
    "steps_per_epoch": _LENGTH,
    "shuffle": "batches() decides the order",
    "verbose": "fit() runs without its progress bar",
    "validation_data": _VALIDATION,
    "validation_split": _VALIDATION,
    "validation_steps": _VALIDATION,
    "validation_batch_size": _VALIDATION,
    "validation_freq": _VALIDATION,
    **{name: f'write compile_args = {{"{name}": …}}' for name in COMPILE_ARGS},
    **{name: f'write fit_args = {{"{name}": …}}' for name in FIT_ARGS},
}
ARGUMENTS = tuple(_PLACES)  # of compile() and fit()
CLOSE = 0.8  # of difflib's ratio: losses, metric, train_steps and batch are near misses, seen is not


def place_of(name: str) -> str | None:
    """Where an argument of compile() or fit() belongs in a case; None for other names."""
    return _PLACES.get(name)


def near(name: str, known: Collection[str]) -> str | None:
    """The known name that this one was probably meant to be."""
    found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=CLOSE)
    return found[0] if found else None


def unknown(name: str, known: Collection[str]) -> str:
    """What to say of a name that is none of the known ones."""
    if place := place_of(name):
        return f"{name} does not belong there: {place}."
    meant = near(name, known)
    if meant is None and (elsewhere := near(name, _PLACES)):
        return f"{name} is unknown. Did you mean {elsewhere}? If so: {_PLACES[elsewhere]}."
    return f"{name} is unknown. " + (f"Did you mean {meant}?" if meant else f"Known: {', '.join(known)}.")
