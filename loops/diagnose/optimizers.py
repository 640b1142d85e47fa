"""Copies of a case's optimizer, with other settings or the same, and what two optimizers differ in."""

import re
from typing import Any

# Where an optimizer keeps what exclude_from_weight_decay() was told, which its config leaves out
EXCLUSIONS = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
UNSEEN = {
    "name",
    "learning_rate",
    "loss_scale_factor",
}  # settings that are looked at by step, or change nothing
NOTHING = (None, 0.0, False)  # settings of this value are left out: weight_decay=0.0 is None


def copy_of(optimizer: Any, **changes: Any) -> Any:
    """A fresh optimizer with the same settings but for `changes`."""
    copy = without_exclusions(optimizer, **changes)
    for name in EXCLUSIONS:
        if hasattr(optimizer, name):
            setattr(copy, name, getattr(optimizer, name))
    return copy


def without_exclusions(optimizer: Any, **changes: Any) -> Any:
    """The same as if exclude_from_weight_decay() had not been called."""
    return type(optimizer).from_config(optimizer.get_config() | changes)


def differing_settings(fit: Any, user: Any) -> dict[str, tuple[Any, Any]]:
    """The settings in which two optimizers differ, as (the user's, fit()'s), but for the learning rate.

    "class" stands for their types, "exclusions" for what is left out of the weight decay. AdamW without a
    decay is Adam.
    """
    mine, theirs = _settings(user), _settings(fit)
    found: dict[str, tuple[Any, Any]] = {}
    if _kind(user) != _kind(fit):
        found["class"] = (type(user).__name__, type(fit).__name__)
        return found
    for key in mine | theirs:
        if mine.get(key) != theirs.get(key):
            found[key] = (mine.get(key), theirs.get(key))
    if not found and mine.get("weight_decay"):
        one, two = (_excluded(each) for each in (user, fit))
        if one != two:
            found["exclusions"] = (one, two)
    return found


def _kind(optimizer: Any) -> str:
    return {"AdamW": "Adam"}.get(type(optimizer).__name__, type(optimizer).__name__)


def _settings(optimizer: Any) -> dict[str, Any]:
    config = optimizer.get_config()
    return {key: config[key] for key in config if key not in UNSEEN and config[key] not in NOTHING}


def _excluded(optimizer: Any) -> tuple[int, list[str]]:
    """How many variables are left out of the decay, and by which patterns of names."""
    variables, patterns = (getattr(optimizer, name, None) or () for name in EXCLUSIONS)
    found = [patterns] if isinstance(patterns, str | re.Pattern) else patterns
    return len(variables), sorted(getattr(each, "pattern", str(each)) for each in found)
