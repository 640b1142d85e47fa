"""For a script that names no case: the line that makes it one, with the names that are found in it."""

import ast
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import tensorflow as tf

LINE = "from loops.case import case"
WANTED = {
    "model": "the model",
    "optimizer": "the Keras optimizer",
    "loss": "the loss, as compile() takes it",
    "batches": "the dataset, or a function that yields batches",
    "train_step": "the function that does one step",
}
DATA_NAMES = ("train", "batch", "data")


def suggestion(path: object, module: ModuleType, tree: ast.Module) -> str:
    """The message for a file that defines no case."""
    line = unreached(tree)
    if line:
        return (
            f"{path}: case(…) in line {line} was not reached: what stands in a function or under "
            '`if __name__ == "__main__":` does not run here. Move it to the left margin.'
        )
    names = found(vars(module))
    call = ", ".join(f"{keyword}={names.get(keyword, '…')}" for keyword in WANTED)
    text = (
        f"{path}: is no case yet. Add a line at its end, which does nothing in an ordinary run:\n\n"
        f"    {LINE}\n    case({call})\n"
    )
    lacking = [f"{what} ({keyword}=)" for keyword, what in WANTED.items() if keyword not in names]
    if lacking:
        text += f"\nNot found at its top level: {', '.join(lacking)}."
    return text + (
        '\nA loop over epochs belongs under `if __name__ == "__main__":`, so that it does not run here. '
        "docs/diagnose.md shows a whole script; --template writes a case file to fill in."
    )


def unreached(tree: ast.Module) -> int | None:
    """The line of a call of case() in a file that was executed without calling it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "case":
            return node.lineno
    return None


def found(values: Mapping[str, Any]) -> dict[str, str]:
    """The keywords of case() and the names in a script that most likely belong there."""
    public = {name: value for name, value in values.items() if not name.startswith("_")}
    chosen = {
        "model": _first(public, lambda name, value: isinstance(value, tf.keras.Model)),
        "optimizer": _first(public, lambda name, value: isinstance(value, tf.keras.optimizers.Optimizer)),
        "loss": _first(public, _is_loss),
        "batches": _first(public, _is_data, DATA_NAMES),
        "train_step": _first(public, _is_step, ("train",)),
    }
    return {keyword: name for keyword, name in chosen.items() if name}


def _first(
    values: Mapping[str, Any], fits: Callable[[str, Any], bool], preferred: Iterable[str] = ()
) -> str | None:
    """The first name that fits; one that holds a preferred word comes first, one for tests last."""
    names = [name for name, value in values.items() if fits(name, value)]
    words = list(preferred)

    def rank(name: str) -> tuple[bool, int]:
        of_test = any(word in name.lower() for word in ("test", "val", "eval"))
        return of_test, next((place for place, word in enumerate(words) if word in name), len(words))

    return min(names, key=rank, default=None)


def _is_loss(name: str, value: Any) -> bool:
    named = any(word in name.lower() for word in ("loss", "criterion"))
    instance = isinstance(value, tf.keras.losses.Loss)
    return instance or (named and (isinstance(value, str) or (callable(value) and not _is_metric(value))))


def _is_metric(value: Any) -> bool:
    return isinstance(value, tf.keras.metrics.Metric | type | ModuleType)


def _is_data(name: str, value: Any) -> bool:
    if isinstance(value, tf.data.Dataset | tf.keras.utils.PyDataset):
        return True
    named = any(word in name.lower() for word in ("batch", "dataset", "loader"))
    plain = callable(value) or (isinstance(value, Iterable) and not isinstance(value, str))
    return named and plain and not isinstance(value, type | ModuleType)


def _is_step(name: str, value: Any) -> bool:
    return "step" in name.lower() and callable(value) and not isinstance(value, type | ModuleType)
