"""Where two trainings differ: at which step, in which arrays, and by how much."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from loops.history import History
from loops.parity.states import Array, Arrays, State, VariableName

Name = TypeVar("Name", str, VariableName)

# The parts of a State, in the order in which a difference in one reaches the next
KINDS = {
    "gradients": "gradients",
    "weights": "weights",
    "slots": "optimizer slots",
    "random": "random state",
    "metrics": "loss and metrics",
}


@dataclass(frozen=True)
class Difference:
    """How far two arrays of one name are apart."""

    name: str | VariableName
    largest: float  # max |a - b|
    relative: float  # max |a - b| / max |a|
    ulps: int  # max distance in units in the last place

    def __str__(self) -> str:
        return f"{self.name}: {self.largest:.3g} (relative {self.relative:.2g}, {self.ulps} ULP)"


@dataclass(frozen=True)
class Divergence:
    """The first step (from 1) at which two trainings differ, and in what."""

    step: int
    kind: str  # a value of KINDS
    found: tuple[Difference, ...]

    @property
    def worst(self) -> Difference:
        """The variable that is furthest off, by relative difference."""
        return max(self.found, key=lambda difference: (difference.relative, difference.ulps))


def first_divergence(reference: Sequence[State], other: Sequence[State]) -> Divergence | None:
    """The first step at which `other` differs from `reference`, and the first of KINDS that differs in it."""
    for step, (a, b) in enumerate(zip(reference, other, strict=False), start=1):
        for key, kind in KINDS.items():
            one, two = getattr(a, key), getattr(b, key)
            if key == "slots":
                if not slots_match(one, two):
                    continue  # the other uses an optimizer of its own
                # paired by position: the paths may come in another order
                two = dict(zip(one, two.values(), strict=True))
            found = differences(one, two)
            if found:
                return Divergence(step, kind, tuple(found))
    return None


def slots_match(a: Arrays, b: Arrays) -> bool:
    """Whether two optimizers hold arrays of the same shapes and dtypes in the same order."""
    return list(_shapes_and_dtypes(a).values()) == list(_shapes_and_dtypes(b).values())


def distance(a: State, b: State) -> float:
    """The Euclidean distance of all weights, or of all optimizer slots where the weights agree to the bit."""
    apart = norm(gap_of(a.weights[name], b.weights[name]) for name in a.weights)
    if apart or not slots_match(a.slots, b.slots):
        return apart
    return norm(gap_of(one, two) for one, two in zip(a.slots.values(), b.slots.values(), strict=True))


def gap_of(a: Array, b: Array) -> Array:
    """A − b in float64."""
    return np.subtract(a, b, dtype=np.float64)


def norm(arrays: Iterable[Array]) -> float:
    """Euclidean norm of all arrays together."""
    return float(np.sqrt(sum(np.sum(np.square(array)) for array in arrays)))


def training_state(model: tf.keras.Model, history: History) -> dict[str, Array]:
    """What a training ends with, by name: weights, optimizer slots, and the metrics of each epoch."""
    weights = {f"weight {_local(weight)}": np.asarray(weight) for weight in model.weights}
    slots = {f"optimizer {_local(slot)}": np.asarray(slot) for slot in history.optimizer.variables}
    metrics = {
        f"epoch {record.epoch + 1} {name}": np.asarray(value, np.float32)
        for record in history.epochs
        for name, value in sorted(record.metrics.items())
    }
    return weights | slots | metrics


def _local(variable: Any) -> str:
    """The path without its owner, whose name Keras numbers: adam_1/iteration becomes iteration."""
    return str(variable.path).partition("/")[2]


def differences(a: Mapping[Name, Array], b: Mapping[Name, Array]) -> list[Difference]:
    """Every entry in which `a` and `b` differ by a bit; two NaNs with the same bits agree.

    Raises:
        ValueError: the two do not hold the same names, shapes and dtypes.
    """
    one, two = _shapes_and_dtypes(a), _shapes_and_dtypes(b)
    if one != two:
        odd = ", ".join(map(str, sorted({name for name, _ in one.items() ^ two.items()})))
        raise ValueError(f"not comparable, these are not in both with one shape and dtype: {odd}")
    return [_difference(name, a[name], b[name]) for name in a if a[name].tobytes() != b[name].tobytes()]


def _shapes_and_dtypes(arrays: Mapping[Name, Array]) -> dict[Name, tuple[tuple[int, ...], Any]]:
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


def _difference(name: str | VariableName, a: Array, b: Array) -> Difference:
    gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
    largest, size = float(gap.max()), float(np.abs(a.astype(np.float64)).max())
    return Difference(name, largest, largest / size if size else float("inf"), ulp_distance(a, b))


def ulp_distance(a: Array, b: Array) -> int:
    """The largest distance between two arrays of one dtype, in representable values between them.

    Floats are mapped to integers in their own order (IEEE 754 sign-magnitude to two's
    complement), so that neighbours are one apart, across zero too.
    """
    if a.dtype.kind != "f":
        return int(np.abs(a.astype(object) - b.astype(object)).max())
    above, below = np.maximum(_ordered(a), _ordered(b)), np.minimum(_ordered(a), _ordered(b))
    # Of float64 extremes the distance overflows int64 but fits uint64, where the wrap-around is right.
    return int((above.astype(np.uint64) - below.astype(np.uint64)).max())


def _ordered(values: Array) -> Array:
    bits = np.atleast_1d(values).view(f"i{values.dtype.itemsize}").astype(np.int64)
    lowest = np.int64(-(2 ** (8 * values.dtype.itemsize - 1)))
    return np.where(bits < 0, lowest - bits, bits)


def weights_sha256(model: tf.keras.Model) -> str:
    """One hash of all weights in order, with their dtypes and shapes."""
    return sha256_of_arrays(np.asarray(weight) for weight in model.weights)


def sha256_of_arrays(arrays: Iterable[Array]) -> str:
    """SHA-256 over dtype, shape and little-endian bytes of each array in turn."""
    digest = hashlib.sha256()
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{little.shape}".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()
