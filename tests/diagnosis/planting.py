"""What a family of mistakes is: a change to a plan with parameters drawn at random, and what must be said."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.diagnosis.plan import Plan


@dataclass(frozen=True)
class Planted:
    """The changed plan, and a pattern that a right verdict or its details match."""

    plan: Plan
    expect: str


@dataclass(frozen=True)
class Family:
    """A mistake with parameters; `plant` gives None where it does not apply to the plan's kind of model."""

    name: str
    plant: Callable[[Plan, Random], Planted | None]


def between(random: Random, low: float, high: float) -> float:
    """A number of three digits, uniform in its logarithm."""
    return float(f"{math.exp(random.uniform(math.log(low), math.log(high))):.3g}")


def told(*values: float) -> str:
    """A pattern for one of these numbers as text."""
    forms = {form for value in values for form in (f"{value:.3g}", f"{value:.4g}", repr(value))}
    return rf"(?<![\d.])(?:{'|'.join(re.escape(form) for form in sorted(forms, key=len, reverse=True))})"


def both(words: str, number: str) -> str:
    """A pattern for words and a number in any order."""
    return rf"(?:{words})[\s\S]*{number}|{number}[\s\S]*(?:{words})"
