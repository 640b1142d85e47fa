"""Copies of a case's optimizer, with other settings or the same."""

from typing import Any

# Where an optimizer keeps what exclude_from_weight_decay() was told, which its config leaves out
EXCLUSIONS = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")


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
