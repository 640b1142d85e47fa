"""An optimizer's variables in one order, in whatever order the optimizer was given the model's."""

from collections.abc import Iterator
from typing import Any


def in_order(optimizer: Any, model_variables: list[Any]) -> list[Any]:
    """The optimizer's variables, as if it had been built with the model's in their order.

    Without this, two optimizers that got `a + b` and `b + a` would be compared crosswise.
    """
    places = {id(variable): place for place, variable in enumerate(model_variables)}
    kinds: dict[int, tuple[int, int]] = {}  # id of a slot → which list of slots, which owner
    slots: dict[tuple[int, int], Any] = {}
    owners: list[Any] = []
    for each in _with_inner(optimizer):
        owners = list(getattr(each, "_trainable_variables", []))
        for kind, values in enumerate(_lists_of_slots(each, len(owners))):
            for owner, slot in enumerate(values):
                kinds[id(slot)] = (kind, owner)
                slots[kind, owner] = slot
    if any(id(owner) not in places for owner in owners):
        return list(optimizer.variables)
    by_place = sorted(range(len(owners)), key=lambda owner: places[id(owners[owner])])
    found = []
    for variable in optimizer.variables:
        kind, owner = kinds.get(id(variable), (-1, -1))
        found.append(variable if kind < 0 else slots[kind, by_place[owner]])
    return found


def _with_inner(optimizer: Any) -> Iterator[Any]:
    """The optimizer, or the one inside it that holds the slots."""
    inner = getattr(optimizer, "inner_optimizer", None)
    yield optimizer if inner is None else inner


def _lists_of_slots(optimizer: Any, owners: int) -> list[list[Any]]:
    """The lists in which Keras keeps one slot for each variable; they have no public names."""
    inside = {id(variable) for variable in optimizer.variables}
    found = []
    for name, value in sorted(vars(optimizer).items()):
        if (
            name == "_trainable_variables"
            or not isinstance(value, list)
            or len(value) != owners
            or not owners
        ):
            continue
        if all(id(each) in inside for each in value):
            found.append(value)
    return found
