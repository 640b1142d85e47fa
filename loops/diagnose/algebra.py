"""Least squares for gradients: is one set a combination of others, but for rounding, and which?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loops.diagnose.observed import Gradients

CERTAIN = 2e-6  # of a number read off float32 arrays: they round


@dataclass(frozen=True)
class Solution:
    """The coefficients that make the target of the columns, and the standard error of each.

    `shares` say how much each one makes up of the target, in units of what may be left over.
    """

    values: tuple[float, ...]
    errors: tuple[float, ...]
    shares: tuple[float, ...]

    def part(self, first: int, last: int) -> "Solution":
        """The coefficients from `first` to before `last`."""
        return Solution(self.values[first:last], self.errors[first:last], self.shares[first:last])


def solve(target: Gradients, columns: Sequence[Gradients], most: Mapping[int, float]) -> Solution | None:
    """Solve target = Σ value · column by least squares in float64, each variable weighed by its rounding.

    `most` is how much of each variable may be left over. None where the columns do not tell the coefficients
    apart, or where some variable is left over by more than rounding.
    """
    if not columns:
        return None
    keys = [index for index in target if most.get(index, 0) > 0]
    wanted = _stacked(target, target, columns, keys, most)
    matrix = np.stack([_stacked(column, target, columns, keys, most) for column in columns], axis=1)
    scale = np.linalg.norm(matrix, axis=0)
    if not scale.all() or not wanted.size:
        return None
    found, _, rank, _ = np.linalg.lstsq(matrix / scale, wanted, rcond=1e-7)
    if rank < len(columns):
        return None
    values = found / scale
    residual = wanted - matrix @ values
    left = _split(residual, target, columns, keys)
    if any(np.linalg.norm(part) > 1.0 for part in left):
        return None
    inverse = np.linalg.pinv(matrix / scale)
    noise = np.linalg.norm(residual) / np.sqrt(max(1, len(residual) - len(columns)))
    errors = noise * np.linalg.norm(inverse, axis=1) / scale
    return Solution(
        tuple(map(float, values)), tuple(map(float, errors)), tuple(map(float, np.abs(values) * scale))
    )


def by_variable(target: Gradients, column: Gradients, most: Mapping[int, float]) -> dict[int, float] | None:
    """One coefficient for each variable that has a gradient; None where some variable is no multiple."""
    found = {}
    for index, mine in target.items():
        theirs = column.get(index)
        if theirs is None:
            return None
        one, two = mine.astype(np.float64).ravel(), theirs.astype(np.float64).ravel()
        size = float(np.linalg.norm(two))
        if size <= most[index]:
            if float(np.linalg.norm(one - two)) > most[index]:
                return None
            continue
        found[index] = float(one @ two / size**2)
        if float(np.linalg.norm(one - found[index] * two)) > most[index]:
            return None
    return found


def plain(value: float, error: float = 0.0) -> float:
    """The number that was meant: the shortest of up to six digits within rounding, else the value itself.

    A replay with a number that is off by more than rounding would not meet the user's trajectory. `error` is
    the standard error of the value; at most a tenth of a percent of it is taken for rounding.
    """
    most = max(min(3 * error, 1e-3 * abs(value)), CERTAIN * abs(value))
    for digits in range(1, 7):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= most:
            return short
    return value


def groups(values: Mapping[int, float], tolerance: float = 1e-3) -> dict[float, list[int]]:
    """The indices by their value, values that agree to `tolerance` taken as one."""
    found: dict[float, list[int]] = {}
    for index, value in sorted(values.items(), key=lambda pair: pair[1]):
        near = [own for own in found if abs(own - value) <= tolerance * max(abs(own), abs(value), 1e-12)]
        found.setdefault(near[0] if near else value, []).append(index)
    return found


def _stacked(
    part: Gradients,
    target: Gradients,
    columns: Sequence[Gradients],
    keys: Sequence[int],
    most: Mapping[int, float],
) -> np.ndarray:
    pieces = []
    for index in keys:
        like = next((each[index] for each in (target, *columns) if index in each), np.zeros(0))
        pieces.append(np.asarray(part.get(index, np.zeros_like(like)), np.float64).ravel() / most[index])
    return np.concatenate(pieces) if pieces else np.zeros(0)


def _split(
    vector: np.ndarray, target: Gradients, columns: Sequence[Gradients], keys: Sequence[int]
) -> list[np.ndarray]:
    sizes = [next((each[i].size for each in (target, *columns) if i in each), 0) for i in keys]
    return np.split(vector, np.cumsum(sizes)[:-1]) if sizes else []
