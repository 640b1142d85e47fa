"""Ways to bring the batches of a case to its step: prepared ahead, or kept in memory, as code to paste."""

from dataclasses import dataclass

import tensorflow as tf

from loops.case.batches import Batch, batch_spec
from loops.case.loading import Case

PREFETCHED, KEPT = "input prefetched", "input kept in memory"


@dataclass(frozen=True)
class Source:
    """What a case calls its batches at top level, and how it gives them.

    `called` says whether it is a function, `dataset` whether it gives a tf.data.Dataset; `spec` is the code
    of the specs of a batch.
    """

    name: str
    called: bool
    dataset: bool
    spec: str

    @property
    def pass_of(self) -> str:
        """The expression for the batches of one pass, by the name `own_batches` where it is a function."""
        return "own_batches()" if self.called else self.name

    def given(self, value: str, why: str) -> str:
        """The code that gives `value` in place of the case's batches, under their name."""
        if not self.called:
            return f"{self.name} = {value}\n"
        return f'\n\ndef {self.name}():\n    """{why}"""\n    return {value}\n'

    @property
    def kept_name(self) -> str:
        """The line that keeps the own function by another name."""
        return f"own_batches = {self.name}\n" if self.called else ""


def source_of(case: Case, epoch: list[Batch]) -> Source | None:
    """How the case gives its batches; None where they have no top-level name to put others in their place."""
    name = case.name_of("batches")
    if name is None:
        return None
    spec = tf.nest.map_structure(lambda each: _Code(_spec_code(each)), batch_spec(epoch))
    dataset = isinstance(case.run("batches", case.source), tf.data.Dataset)
    return Source(name, callable(case.value_of(name)), dataset, repr(spec))


class _Code:
    """Prints as code, within tuples and dicts too."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __repr__(self) -> str:
        return self._code


def _spec_code(spec: tf.TensorSpec) -> str:
    return f"tf.TensorSpec({spec.shape.as_list()}, {spec.dtype.name!r})"


def prefetched(source: Source) -> str:
    """The batches of a Dataset, prepared while a step runs."""
    why = "Prepares the next batches while a step runs."
    return source.kept_name + source.given(f"{source.pass_of}.prefetch(tf.data.AUTOTUNE)", why)


_KEPT_LIST = """\
kept_batches = [
    tf.nest.map_structure(tf.convert_to_tensor, tuple(part for part in batch if part is not None))
    for batch in {batches}
]
"""


def kept(source: Source, *, as_list: bool) -> str:
    """One pass, read once and kept: as a list of tensors on the device, or as a Dataset."""
    why = "The same batches in each pass, read once."
    if as_list:
        line = _KEPT_LIST.format(batches=source.pass_of)
    else:
        own = source.pass_of
        if not source.dataset:
            of = "own_batches" if source.called else f"lambda own={own}: own"
            own = f"tf.data.Dataset.from_generator(\n    {of}, output_signature={source.spec}\n)"
        line = f"kept_batches = {own}.cache()\nfor _ in kept_batches:  # reads all of them\n    pass\n"
    return source.kept_name + line + source.given("kept_batches", why)
