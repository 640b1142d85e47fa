"""The arms of a reader's case: fit() as the case compiles it, and the case's own step."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from loops.batches import without_autotune
from loops.case.batches import Batch, batch_spec
from loops.case.errors import CaseError
from loops.case.loading import Case, Start
from loops.case.running import MakeStep
from loops.measure.arms import Arm, wait_for_device
from loops.measure.fit_arm import FitArm
from loops.measure.ways.code import MANY
from loops.measure.ways.facts import steps_per_execution

OF_EPOCHS = ("initial_epoch", "epochs", "steps_per_epoch", "shuffle", "verbose", "batch_size")


class CaseArm:
    """An arm whose blocks run where the case's own modules can be imported; what it raises names the line."""

    def __init__(
        self, case: Case, name: str, block: Callable[[int], None], close: Callable[[], None]
    ) -> None:
        self._case, self._name, self._block, self._close = case, name, block, close

    def run(self, steps: int) -> None:
        """Train `steps` steps and wait for the device.

        Raises:
            CaseError: the case's own functions or fit() raise.
        """
        self._case.run(self._name, functools.partial(self._block, steps))

    def close(self) -> None:
        """Stop and let go of the model."""
        self._close()


def fit_arm(
    case: Case, epoch: list[Batch], start: Start, *, with_input: bool, make_step: MakeStep | None = None
) -> Arm:
    """fit() of the case, as its compile_args and fit_args say; `make_step` replaces the model's own step.

    Without input it trains on the first batch over and over, which lies in memory; with input on what
    batches() yields.

    Raises:
        CaseError: the case's own functions or compile() raise.
    """
    model, _ = compiled_model(case, epoch, start)
    if make_step:
        model.train_step = make_step(model)
    stream = _stream(case, epoch) if with_input else _fixed(epoch[0])
    arm = FitArm(model, stream, steps_per_execution(case), args_of_fit(case))
    return CaseArm(case, "fit()", arm.run, arm.close)


def compiled_model(case: Case, epoch: list[Batch], start: Start) -> tuple[tf.keras.Model, Any]:
    """A model at the start with its optimizer, compiled as the case says.

    Raises:
        CaseError: the case's own functions or compile() raise.
    """
    model, optimizer = case.model(epoch[0], start), case.optimizer()
    case.run(
        "compile()",
        lambda: model.compile(optimizer, loss=case.loss(), metrics=case.metrics(), **case.compile_args),
    )
    return model, optimizer


def args_of_fit(case: Case) -> dict[str, Any]:
    """The arguments of fit() that say nothing of epochs."""
    return {name: value for name, value in case.fit_args.items() if name not in OF_EPOCHS}


def step_arm(case: Case, epoch: list[Batch], start: Start, *, with_input: bool) -> Arm:
    """The case's own train_step, called in a loop.

    Raises:
        CaseError: the case's own functions raise.
    """
    model, optimizer = case.model(epoch[0], start), case.optimizer()
    data: Iterator[Any] = _endless(case) if with_input else _again(epoch[0])

    def block(steps: int) -> None:
        for _ in range(steps):
            case.step(model, optimizer, *next(data))
        wait_for_device()

    return CaseArm(case, "train_step", block, lambda: None)


def traceable_step(case: Case, epoch: list[Batch], start: Start) -> Callable[..., Any]:
    """The case's step on a fresh model as a plain function of a batch's parts, fit()'s where it has none.

    The optimizer's slots exist, since a graph cannot make them.
    """
    if case.has_step:
        model, optimizer = case.model(epoch[0], start), case.optimizer()
        case.train_step = getattr(case.train_step, "python_function", case.train_step)
    else:
        model, optimizer = compiled_model(case, epoch, start)
    optimizer.build(model.trainable_variables)

    def step(*batch: Any) -> Any:
        return case.step(model, optimizer, *batch) if case.has_step else model.train_step(batch)

    return step


def input_arm(case: Case) -> Arm:
    """What batches() yields, pass after pass, with nothing trained."""
    data = _endless(case)

    def block(steps: int) -> None:
        for _ in range(steps):
            next(data)

    return CaseArm(case, "batches", block, lambda: None)


def many_arm(case: Case, epoch: list[Batch], start: Start, *, with_input: bool) -> Arm:
    """The pasted function that trains several steps in one call; a block is one call.

    Raises:
        CaseError: the case's own functions raise.
    """
    model, optimizer = case.model(epoch[0], start), case.optimizer()
    train = many_of(case, model, optimizer, iter(_stream(case, epoch) if with_input else _fixed(epoch[0])))

    def block(steps: int) -> None:
        train(tf.constant(steps))
        wait_for_device()

    return CaseArm(case, MANY, block, lambda: None)


def many_of(case: Case, model: tf.keras.Model, optimizer: Any, batches: Any) -> Callable[[tf.Tensor], Any]:
    """A call of the pasted function that trains as many steps as it is told, on an iterator of a Dataset."""
    own = (model, optimizer) if case.takes_optimizer else ()
    return functools.partial(case.value_of(MANY), *own, batches)


def fixed_or_stream(epoch: list[Batch]) -> tf.data.Dataset:
    """The given batches in order, over and over."""
    return tf.data.Dataset.from_generator(
        lambda: (batch.data() for batch in epoch), output_signature=batch_spec(epoch)
    ).repeat()


def _fixed(batch: Batch) -> tf.data.Dataset:
    return without_autotune(tf.data.Dataset.from_tensors(batch.data()).repeat())


def _again(batch: Batch) -> Iterator[Any]:
    data = batch.data()
    while True:
        yield data


def _stream(case: Case, epoch: list[Batch]) -> tf.data.Dataset:
    """What batches() gives, over and over: a Dataset as it stands, anything else through a generator."""
    source = case.run("batches", case.source)
    if isinstance(source, tf.data.Dataset):
        return source.repeat()
    return tf.data.Dataset.from_generator(lambda: _endless(case), output_signature=batch_spec(epoch))


def _as_tensors(item: Any) -> Any:
    return tf.nest.map_structure(tf.convert_to_tensor, tuple(part for part in item if part is not None))


def _endless(case: Case) -> Iterator[Any]:
    """The batches of one pass after the other, as tensors: those of a Dataset as they come from it."""
    source = case.source()
    if isinstance(source, tf.data.Dataset):  # begun once, as for fit(): an epoch's start is on nobody's clock
        yield from source.repeat()
    while True:
        empty = True
        for item in source:
            empty = False
            yield _as_tensors(item)
        source = case.source()
        if empty:
            raise CaseError(
                f"{case.path}: batches gives nothing in its second pass. "
                "Make it a function that begins anew each time."
            )
