"""What a kind of model is made of: its losses, its optimizer and its source text."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Value = float | bool | str


def literal(value: Value) -> str:
    """A number as source text, of four significant digits at most; other values as they are written."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    text = f"{value:.4g}"
    return text if any(mark in text for mark in ".en") else f"{text}.0"


def arguments(options: Mapping[str, Value]) -> str:
    """`a=1.0, b=True`, as in a call."""
    return ", ".join(f"{name}={literal(value)}" for name, value in options.items())


@dataclass(frozen=True)
class Loss:
    """A loss of Keras: its class and what the class is given."""

    name: str
    options: Mapping[str, Value] = field(default_factory=dict)

    @property
    def of_logits(self) -> bool:
        return self.options.get("from_logits") is True

    def changed(self, **options: Value) -> "Loss":
        return replace(self, options={**self.options, **options})

    def without(self, *names: str) -> "Loss":
        return replace(self, options={key: value for key, value in self.options.items() if key not in names})


@dataclass(frozen=True)
class Term:
    """The loss of one output; `key` is how the output is found in a dict or a list, as source text."""

    loss: Loss
    key: str = ""
    weight: float = 1.0

    def of(self, name: str) -> str:
        """This output's part of a variable, e.g. `y["box"]`."""
        return f"{name}[{self.key}]" if self.key else name


@dataclass(frozen=True)
class Optimizer:
    """An optimizer of Keras: its class, its settings, and which variables its weight decay spares."""

    name: str
    options: Mapping[str, Value]
    spared: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """The learning rate; raises ValueError if it is a schedule."""
        value = self.options["learning_rate"]
        if not isinstance(value, float):
            raise ValueError(f"{self.name} has a schedule")
        return value

    @property
    def scheduled(self) -> bool:
        return isinstance(self.options["learning_rate"], str)

    @property
    def has_state(self) -> bool:
        """Whether a new one would go on otherwise than the old one."""
        return self.name != "SGD" or "momentum" in self.options or self.scheduled

    def changed(self, **options: Value) -> "Optimizer":
        return replace(self, options={**self.options, **options})

    def without(self, *names: str) -> "Optimizer":
        kept = {key: value for key, value in self.options.items() if key not in names}
        return replace(self, options=kept)

    def source(self, function: str) -> str:
        """A function that makes it."""
        made = f"keras.optimizers.{self.name}({arguments(self.options)})"
        if not self.spared:
            return f"def {function}():\n    return {made}\n"
        names = ", ".join(f'"{name}"' for name in self.spared)
        return (
            f"def {function}():\n    made = {made}\n"
            f"    made.exclude_from_weight_decay(var_names=[{names}])\n    return made\n"
        )


@dataclass(frozen=True)
class Kind:
    """A kind of model with its data and training.

    `model` and `data` are source texts that define make_model() and batches(). `traits` say which mistakes
    can be made with it; `mask` is the source text of which steps are real, in terms of $x and $y.
    """

    name: str
    model: str
    data: str
    sizes: tuple[int, ...]
    terms: tuple[Term, ...]
    optimizer: Optimizer
    traits: frozenset[str] = frozenset()
    mask: str = ""
    weight: str = ""  # "sample": the batches bring weights; "class": fit() gets class_weight
    class_weight: tuple[float, ...] = ()
    swaps: tuple[tuple[int, int], ...] = ()  # pairs of trainable variables of one shape
    listed: bool = False  # the losses are a list, not a dict

    def has(self, *traits: str) -> bool:
        return self.traits.issuperset(traits)

    def is_free_of(self, *traits: str) -> bool:
        return self.traits.isdisjoint(traits)


def traits(words: str) -> frozenset[str]:
    return frozenset(words.split())
