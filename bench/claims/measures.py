"""How each thread is replayed: arms of its own network, timed as `measure` times them."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bench.claims.finding import Finding
from loops.case.batches import batch_size
from loops.case.loading import Case
from loops.measure.arms import Arm, FunctionArm
from loops.measure.case_arms import compiled_model, fit_arm
from loops.measure.clock import timed
from loops.measure.engine import CPU, MAKES, ROUNDS, fit_of
from loops.measure.fit_arm import FitArm
from loops.measure.makes import Contestant, Makes
from loops.measure.memory import allocated_bytes
from loops.measure.peak import PeakProcess
from loops.measure.ratios import Ratio
from loops.measure.verdict import judged
from loops.measure.ways import code
from loops.measure.ways.facts import Facts, read_facts
from loops.measure.ways.trying import Way, make_arm

CASES = Path(__file__).parent / "cases"
STEPS_IN_CALL = 4
WARM, MORE = 20, 200  # steps between which memory is compared
BUFFER = 1_000  # of shuffle(), where the table has 40,000 rows


def facts(name: str) -> Facts:
    """The facts of a case of this folder."""
    return read_facts(CASES / f"{name}.py")


def ratios(arms: Mapping[str, Callable[[], Arm]], base: str, multiple: int = 1) -> dict[str, Ratio]:
    """The ratio of each arm's step to the base's, as `measure` times them."""
    makes = Makes({name: Contestant(make, multiple) for name, make in arms.items()})
    for _ in range(MAKES):
        makes.time(ROUNDS)
    return {name: makes.samples[name].ratio(makes.samples[base]) for name in arms if name != base}


def step_over_fit(name: str, *, with_input: bool = False) -> list[Finding]:
    """The thread's own step over fit(), under tf.function too where it is eager, and diagnose's verdict."""
    known = facts(name)
    arms: dict[str, Callable[[], Arm]] = {
        "fit()": functools.partial(fit_of, known, with_input=with_input),
        "the loop": functools.partial(make_arm, known, None, with_input=with_input),
    }
    if known.eager and known.names:
        way = _traced(known)
        arms[way.name] = functools.partial(make_arm, known, way, with_input=with_input)
    found = ratios(arms, "fit()")
    verdict = judged(known.path, CPU).words
    told = [Finding("the loop over fit()", found["the loop"], f"it computes the same? {verdict}")]
    return told + [Finding(f"{each} over fit()", found[each]) for each in found if each != "the loop"]


def train_on_batch_over_loop(name: str) -> list[Finding]:
    """train_on_batch over a tf.function, both called with arrays."""
    known = facts(name)
    epoch = list(known.epoch)
    data = [np.asarray(each) for each in epoch[0].data()]

    def by_method() -> Arm:
        model, _ = compiled_model(Case(known.path), epoch, known.start)
        return FunctionArm(lambda: model.train_on_batch(*data))

    def by_loop() -> Arm:
        assert known.names
        case = Case(known.path, code.traced(known.names))
        model, optimizer = case.model(epoch[0], known.start), case.optimizer()
        return FunctionArm(lambda: case.step(model, optimizer, *data))

    found = ratios({"loop": by_loop, "train_on_batch": by_method}, "loop")
    return [Finding("train_on_batch over a loop under tf.function", found["train_on_batch"])]


def xla_over_plain(name: str) -> list[Finding]:
    """fit() with jit_compile over fit() without."""
    known = facts(name)

    def fit(jit_compile: bool) -> Arm:
        case = Case(known.path)
        case.compile_args["jit_compile"] = jit_compile
        return fit_arm(case, list(known.epoch), known.start, with_input=False)

    found = ratios(
        {"plain": functools.partial(fit, jit_compile=False), "xla": functools.partial(fit, jit_compile=True)},
        "plain",
    )
    return [Finding("fit() with jit_compile over fit() without", found["xla"])]


def unrolled_over_rolled() -> list[Finding]:
    """unrolled_steps_per_execution over a loop in the graph: a small MobileNet on single images."""
    images = tf.data.Dataset.from_tensors((tf.zeros((1, 96, 96, 3)), tf.zeros((1,), tf.int32))).repeat()

    def fit(unrolled: int) -> Arm:
        model = tf.keras.applications.MobileNet((96, 96, 3), alpha=0.25, weights=None, classes=10)
        model.unrolled_steps_per_execution = unrolled
        model.compile(
            "adam",
            "sparse_categorical_crossentropy",
            jit_compile=False,
            steps_per_execution=STEPS_IN_CALL,
        )
        return FitArm(model, images, STEPS_IN_CALL)

    arms = {str(each): functools.partial(fit, each) for each in (1, STEPS_IN_CALL)}
    found = ratios(arms, "1", STEPS_IN_CALL)
    return [Finding("fit() unrolled over fit() in a loop", found[str(STEPS_IN_CALL)])]


def xla_over_graph(name: str) -> list[Finding]:
    """A step compiled by XLA over the same under tf.function alone: its time, and the memory of both."""
    known = facts(name)
    assert known.names
    xla = Way("compiled by XLA", "step", code.traced(known.names, jit_compile=True))
    ways = {"under tf.function": None, "with jit_compile": xla}
    arms: dict[str, Callable[[], Arm]] = {
        words: functools.partial(make_arm, known, way, with_input=False) for words, way in ways.items()
    }
    found = ratios(arms, "under tf.function")["with jit_compile"]
    told = [Finding("the step with jit_compile over the step without", found)]
    for words, way in ways.items():
        process = PeakProcess(known.path, way, CPU.kind)
        held = process.result().bytes
        if held is not None:
            told.append(Finding(f"{words}, training takes {held / 2**20:,.0f} MiB"))
    return told


def memory_of_loop(name: str) -> list[Finding]:
    """What the process holds more after MORE steps, and what tracing a whole epoch as one graph takes."""
    known = facts(name)
    told = []
    for way, words in ((None, "eager"), (_traced(known), "under tf.function")):
        arm = make_arm(known, way, with_input=False)
        arm.run(WARM)
        before = allocated_bytes()
        arm.run(MORE)
        after = allocated_bytes()
        if before is not None and after is not None:
            told.append(Finding(f"the loop {words} holds {(after - before) / MORE:,.0f} bytes more a step"))
    seconds = {count: _seconds_of_unrolled(known, count) for count in (10, 20)}
    told.append(
        Finding(
            "a tf.function around a Python loop over batches takes "
            f"{seconds[10]:.1f} s before the first of 10 batches, {seconds[20]:.1f} s before the first of 20"
        )
    )
    return told


def _traced(known: Facts) -> Way:
    assert known.names
    return Way("under tf.function", "step", code.traced(known.names))


def _seconds_of_unrolled(known: Facts, count: int) -> float:
    """Seconds to trace a loop of Python over `count` batches: each is a copy of the step in the graph."""
    case = Case(known.path)
    model, optimizer = case.model(known.epoch[0], known.start), case.optimizer()
    optimizer.build(model.trainable_variables)
    data = known.epoch[0].data()

    @tf.function
    def whole_epoch() -> None:
        for _ in range(count):
            case.step(model, optimizer, *data)

    return timed(whole_epoch.get_concrete_function)


def apply_over_forward(name: str) -> list[Finding]:
    """In an eager step: apply_gradients over model and loss."""
    known = facts(name)
    case = Case(known.path)
    model, optimizer = case.model(known.epoch[0], known.start), case.optimizer()
    x, y = known.epoch[0].data()
    value = tf.keras.losses.get(case.loss())

    def forward() -> tf.Tensor:
        return tf.reduce_mean(value(y, model(x, training=True)))

    with tf.GradientTape() as tape:
        total = forward()
    gradients = tape.gradient(total, model.trainable_variables)
    pairs = list(zip(gradients, model.trainable_variables, strict=True))
    arms: dict[str, Callable[[], Arm]] = {
        "forward": lambda: FunctionArm(forward),
        "apply": lambda: FunctionArm(lambda: optimizer.apply_gradients(pairs)),
    }
    return [Finding("apply_gradients over model and loss, both eager", ratios(arms, "forward")["apply"])]


def shuffled_or_not(name: str) -> list[Finding]:
    """Mean loss of the last of three epochs, by fit() and by the loop, with a small and a full shuffle."""
    known = facts(name)
    case = Case(known.path)
    rows = case.value_of("table")()
    size = batch_size(known.epoch[0])
    told = []
    for buffer in (BUFFER, len(rows[0])):
        losses = _losses(known, rows, size, buffer)
        told.append(
            Finding(
                f"after 3 epochs with shuffle({buffer:,}): loss {losses[0]:.4f} by fit(), "
                f"{losses[1]:.4f} by the loop"
            )
        )
    return told


def _losses(known: Facts, rows: Any, size: int, buffer: int) -> tuple[float, float]:
    def stream() -> tf.data.Dataset:
        data = tf.data.Dataset.from_tensor_slices(rows).shuffle(buffer, seed=1)
        return data.batch(size, drop_remainder=True)

    model, _ = compiled_model(Case(known.path), list(known.epoch), known.start)
    by_fit = model.fit(stream(), epochs=3, shuffle=False, verbose=0).history["loss"][-1]
    case = Case(known.path, code.traced(known.names) if known.names else "")
    model, optimizer = case.model(known.epoch[0], known.start), case.optimizer()
    data, values = stream(), []
    for _ in range(3):
        values = [float(case.step(model, optimizer, *batch)) for batch in data]
    return float(by_fit), float(np.mean(values))
