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
    """A pattern for one of these numbers as text, of three digits at least."""
    forms = {_form(f"{value:.{digits}g}") for value in values for digits in (3, 4)}
    return rf"(?<![\d.])(?:{'|'.join(sorted(forms, key=len, reverse=True))})"


def _form(text: str) -> str:
    """`0.237` may go on (0.23741); `0.41` only with zeros, since 0.415 is another number; 1e-05 is 1e-5."""
    number, _, exponent = text.partition("e")
    digits = len(number.replace(".", "").lstrip("0"))
    more = (
        r"\d*"
        if "." in number and digits >= 3
        else r"(?:0*(?!\d))"
        if "." in number
        else r"(?:\.0*)?(?!\.?\d)"
    )
    power = f"e-?0*{exponent.lstrip('-+0')}" if exponent else ""
    return f"{re.escape(number)}{more}{power}"


def both(words: str, number: str) -> str:
    """A pattern for words and a number in one line, in any order."""
    return rf"(?:{words}).*{number}|{number}.*(?:{words})"
