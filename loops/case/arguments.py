"""Which arguments a user's step takes: the model and the optimizer or not, y and weights or not."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MODELS = ("model", "net", "network")
INPUTS = ("x", "inputs", "images", "features")
DATA = ("x", "y", "sample_weight")


class WrongArgumentsError(Exception):
    """The step takes other arguments than the batches give. Its text says which."""


@dataclass(frozen=True)
class Arguments:
    """What a step is called with: `count` parts of the batch, or the batch as one tuple where `whole`."""

    with_model: bool
    count: int
    whole: bool = False

    def of(self, model: Any, optimizer: Any, data: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments for one batch."""
        given = (data,) if self.whole else data[: self.count]
        return (model, optimizer, *given) if self.with_model else given


def arguments_of(step: Callable[..., Any], size: int, of_script: bool) -> Arguments:
    """What to call `step` with, for batches of `size` parts.

    A case file's step takes (model, optimizer, …). A script's may close over both and take the data alone.

    Raises:
        WrongArgumentsError: the step cannot be called so.
    """
    try:
        parameters = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):  # not written in Python
        return Arguments(not of_script, size)
    shown = f"train_step takes ({', '.join(parameter.name for parameter in parameters)})"
    batch = ", ".join(DATA[:size])
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    needed = [p for p in places if p.default is p.empty]
    with_model = not of_script or _takes_model(needed or places, size)
    if with_model and len(places) < 3 and not any_number:
        where = "; a step that closes over its model is named by case(…), see docs/diagnose.md"
        raise WrongArgumentsError(f"{shown}; it must take (model, optimizer, {batch}){where}.")
    if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        raise WrongArgumentsError(f"{shown}; it is called by position, so give the last ones a default.")
    if any_number:
        return Arguments(with_model, size)
    data = places[2:] if with_model else places
    if len([p for p in data if p.default is p.empty]) > size or not data:
        raise WrongArgumentsError(f"{shown}, but batches() yields ({batch}{',' * (size == 1)}).")
    if with_model and size > 1 and len(data) == 1 and places[1].name in INPUTS:
        raise WrongArgumentsError(
            f"{shown}; after the model comes the optimizer: (model, optimizer, {batch}). A script's step may "
            f"also take ({batch}) alone."
        )
    if size > 1 and len(data) == 1:
        if data[0].name in INPUTS:
            advice = "Let it take y too, or yield (x,)"
            raise WrongArgumentsError(f"{shown}, but batches() yields ({batch}). {advice}.")
        return Arguments(with_model, 1, whole=True)
    weighs = len(data) > 2 and (data[2].default is data[2].empty or "weight" in data[2].name)
    return Arguments(with_model, min(size, 3 if weighs else 2))


def _takes_model(needed: list[inspect.Parameter], size: int) -> bool:
    if len(needed) == 3:  # (model, optimizer, x) or (x, y, sample_weight)
        return size == 1 or needed[0].name in MODELS
    return len(needed) > 3
