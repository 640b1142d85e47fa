"""Training by a ladder of faster loops: many steps in one call, and what pays beyond."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from loops.batches import evaluation_stream, permutation, prepare
from loops.config import TrainConfig
from loops.data import FashionMnist, Split
from loops.fast.rungs import Rung, loss_and_gradients, rung_of
from loops.history import NO_HOOKS, EpochRecord, History, Hooks, Live, Position
from loops.metrics import RunningMetrics, Sums
from loops.tape import make_test_step, validate

CALLS_PER_EPOCH = 10  # how often an epoch comes back to Python, to report
Apply = Callable[[Sequence[tf.Tensor]], None]
# (the epoch's order of images, the first step's number, how many full batches)
RunSteps = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Sums]


def train(
    model: tf.keras.Model,
    data: FashionMnist,
    config: TrainConfig,
    hooks: Hooks = NO_HOOKS,
    rung: Rung | None = None,
) -> History:
    """Train `model` in place with Adam and categorical cross-entropy; validate after each epoch.

    The same batches and mathematics as the plain tape, run by `rung`, by default the one that the config
    names, else the best for the device. One call runs many steps, so `on_step` is called after each call,
    not after each step.
    """
    kind = "gpu" if tf.config.list_logical_devices("GPU") else "cpu"
    optimizer = tf.keras.optimizers.Adam(config.learning_rate, epsilon=config.adam_epsilon)
    running = RunningMetrics()
    rung = rung or rung_of(config.rung, kind)
    run_steps, run_rest = make_steps(model, optimizer, running, data.train, config, rung)
    validation = _make_validation(model, running, data.test, config, rung)
    images, steps = len(data.train), config.steps_per_epoch(len(data.train))
    full = images // config.batch_size
    hooks.begin(Live(model, optimizer, running.variables, running.read))
    at = hooks.start

    for epoch in range(at.step // steps, config.epochs):
        started = time.perf_counter() - at.seconds
        order = permutation(images, config.seed, epoch)
        running.start(at.step, fresh=at.step % steps == 0)
        step = at.step
        while step < epoch * steps + full:
            done = step - epoch * steps
            count = steps_in_call(done, full, hooks.next_stop(step), step)
            sums = run_steps(order, tf.constant(done), tf.constant(count))
            step += count
            hooks.after_steps(step, count, running, sums)
            if step % steps:
                position = Position(step, at.epochs, time.perf_counter() - started)
                started += hooks.keep_off_the_clock(position)
        if steps > full:
            hooks.after_steps((epoch + 1) * steps, 1, running, run_rest(order))
        metrics = running.read()  # waits for the device, so the clock stops after the last step
        train_seconds = time.perf_counter() - started
        record = EpochRecord(epoch, {**metrics, **validation()}, train_seconds)
        hooks.on_epoch(record)
        at = Position((epoch + 1) * steps, (*at.epochs, record))
        hooks.keep(at)
    return History(at.epochs, optimizer)


def steps_in_call(done: int, full: int, stop: int | None, step: int) -> int:
    """How many steps the next call runs, with `done` of an epoch's `full` batches behind it.

    An epoch takes about CALLS_PER_EPOCH calls. A call ends at global step `stop`, counted from `step`.
    """
    count = min(-(-full // CALLS_PER_EPOCH), full - done)
    return min(count, stop - step) if stop is not None else count


def make_steps(
    model: tf.keras.Model,
    optimizer: tf.keras.Optimizer,
    running: RunningMetrics,
    split: Split,
    config: TrainConfig,
    rung: Rung,
) -> tuple[RunSteps, Callable[[tf.Tensor], Sums]]:
    """Two functions: one runs any number of full batches, the other the partial last batch.

    Both return the epoch's sums after each of their steps. The images stay on the device as
    uint8 and are gathered by index.
    """
    optimizer.build(model.trainable_variables)
    if rung.compiled:
        # Brings Numba, which is slow to import and serves this rung alone
        from loops.fast.compiled import runner

        return runner.make_steps(model, optimizer, running, split, config)
    images, labels = tf.constant(split.images), tf.constant(split.labels)
    size, rest = config.batch_size, len(split) % config.batch_size
    apply = fused_adam(optimizer) if rung.fused_adam else _keras_update(optimizer, model)
    gradients_of = functools.partial(loss_and_gradients, rung, model)
    if config.jit_compile:
        gradients_of = tf.function(gradients_of, jit_compile=True)

    def step(indices: tf.Tensor, count: int) -> None:
        if rung.static_shapes:
            indices = tf.ensure_shape(indices, [count])
        classes = tf.gather(labels, indices)
        batch_images, batch_labels = prepare(tf.gather(images, indices), classes)
        loss, probabilities, gradients = gradients_of(batch_images, batch_labels)
        apply(gradients)
        running.add(loss, classes, probabilities)

    @tf.function
    def many(order: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        rows = tf.TensorArray(tf.float32, count, element_shape=(len(Sums._fields),))
        for number in tf.range(first, first + count):
            step(order[number * size : (number + 1) * size], size)
            rows = rows.write(number - first, tf.stack(running.now()))
        return tf.transpose(rows.stack())

    @tf.function
    def one(order: tf.Tensor) -> tf.Tensor:
        step(order[-rest:], rest)
        return tf.stack(running.now())[:, tf.newaxis]

    return lambda *call: Sums(*many(*call)), lambda order: Sums(*one(order))


def _make_validation(
    model: tf.keras.Model, running: RunningMetrics, split: Split, config: TrainConfig, rung: Rung
) -> Callable[[], Mapping[str, float]]:
    """A function that gives the validation's metrics, by the same code as the steps."""
    if rung.compiled:
        from loops.fast.compiled import validation

        return validation.make_validation(model, running, split)
    step = make_test_step(model, running, jit_compile=config.jit_compile)
    batches = evaluation_stream(split, config.batch_size)
    return lambda: validate(step, batches, running)


def _keras_update(optimizer: tf.keras.Optimizer, model: tf.keras.Model) -> Apply:
    return lambda gradients: optimizer.apply(gradients, model.trainable_variables)


def fused_adam(optimizer: tf.keras.optimizers.Adam) -> Apply:
    """Keras's Adam as one op a variable, on the Keras optimizer's own slots.

    The op computes what Keras computes, epsilon outside the bias correction (Kingma and Ba 2015,
    section 2, "epsilon hat"), but rounds otherwise.
    """
    slots = zip(optimizer._trainable_variables, optimizer._momentums, optimizer._velocities, strict=True)
    handles = [tuple(each.value.handle for each in three) for three in slots]  # no public names for slots
    constants: dict[str, Any] = {
        "beta1": optimizer.beta_1,
        "beta2": optimizer.beta_2,
        "epsilon": optimizer.epsilon,
    }

    def apply(gradients: Sequence[tf.Tensor]) -> None:
        step = tf.cast(optimizer.iterations + 1, tf.float32)
        for (weight, momentum, velocity), gradient in zip(handles, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=weight,
                m=momentum,
                v=velocity,
                beta1_power=tf.pow(optimizer.beta_1, step),
                beta2_power=tf.pow(optimizer.beta_2, step),
                lr=tf.convert_to_tensor(optimizer.learning_rate),
                grad=gradient,
                **constants,
            )
        optimizer.iterations.assign_add(1)

    return apply
