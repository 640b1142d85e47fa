"""The public threads that are replayed: what each reported, and how it is measured here."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.claims import measures
from bench.claims.finding import Finding

TENSORFLOW = "https://github.com/tensorflow/tensorflow/issues/"
KERAS = "https://github.com/keras-team/keras/"


@dataclass(frozen=True)
class Thread:
    """A thread: its short name and address, its year, what it reported, and how it is replayed.

    `factor` is the reported ratio of the first finding, None where it reported none. `hardware` is what it
    was about and this machine lacks. `verdict` replaces the verdict that follows from the ratio.
    """

    name: str
    address: str
    year: int
    reported: str
    measure: Callable[[], Sequence[Finding]]
    factor: float | None = None
    hardware: str = ""
    verdict: str = ""


THREADS = (
    Thread(
        "tensorflow/models 7193",
        "https://github.com/tensorflow/models/issues/7193",
        2019,
        "fit() 1 min 41 s, an eager loop more than 7 min (a small LeNet; GPU); the same as tensorflow 30596",
        functools.partial(measures.step_over_fit, "lenet_eager", with_input=True),
        factor=420 / 101,
    ),
    Thread(
        "tensorflow 28714",
        f"{TENSORFLOW}28714",
        2019,
        "fit() is far faster than a GradientTape loop (two Dense layers, RMSprop)",
        functools.partial(measures.step_over_fit, "mlp_eager", with_input=True),
        factor=1.0001,
    ),
    Thread(
        "tensorflow 31938",
        f"{TENSORFLOW}31938",
        2019,
        "a tf.function with GradientTape is more than 10 times slower than fit()",
        functools.partial(measures.step_over_fit, "guide_graph", with_input=True),
        factor=10,
    ),
    Thread(
        "tensorflow 33898",
        f"{TENSORFLOW}33898",
        2019,
        "an eager loop is slower than fit(), and converges more slowly; its author found the shuffling to be "
        "the cause of the second",
        lambda: [*measures.step_over_fit("factors_eager"), *measures.shuffled_or_not("factors_eager")],
        factor=1.0001,
    ),
    Thread(
        "tensorflow 34008",
        f"{TENSORFLOW}34008",
        2019,
        "a loop under MirroredStrategy takes 1.2 to 1.3 times as long as fit() on several GPUs",
        functools.partial(measures.step_over_fit, "mnist_graph", with_input=True),
        factor=1.2,
        hardware="several GPUs",
    ),
    Thread(
        "tensorflow 40453",
        f"{TENSORFLOW}40453",
        2020,
        "fit() takes 10 to 15 % longer than a loop on a TPU (a loop over fit() of about 0.9)",
        functools.partial(measures.step_over_fit, "clipped_graph", with_input=True),
        factor=0.9,
        hardware="a TPU",
    ),
    Thread(
        "tensorflow 46165 (found in 46126)",
        f"{TENSORFLOW}46165",
        2021,
        "train_on_batch is 3 times slower than a loop (a GPU)",
        functools.partial(measures.train_on_batch_over_loop, "mlp_eager"),
        factor=3,
        hardware="a GPU",
    ),
    Thread(
        "tensorflow 48732",
        f"{TENSORFLOW}48732",
        2021,
        "a loop's memory grows with each step, and it is slower than fit(); answered in 2022: the whole loop "
        "had been put under tf.function",
        functools.partial(measures.memory_of_loop, "mlp_eager"),
        verdict="still so for a tf.function around a Python loop over batches: each batch is traced",
    ),
    Thread(
        "tensorflow 50198",
        f"{TENSORFLOW}50198",
        2021,
        "with jit_compile a step whose loss a loop adds up within the tape takes 1.7 times as long on a CPU, "
        "and 12 GB in place of 1.4 GB",
        functools.partial(measures.xla_over_graph, "loop_in_tape_graph"),
        factor=1.7,
    ),
    Thread(
        "tensorflow 59961",
        f"{TENSORFLOW}59961",
        2023,
        "in an eager loop apply_gradients takes twice as long as model and loss",
        functools.partial(measures.apply_over_forward, "mlp_eager"),
        factor=2,
    ),
    Thread(
        "keras 19953",
        f"{KERAS}issues/19953",
        2024,
        "Keras 3 is slower than Keras 2 on TensorFlow (ten Dense layers with Dropout), with XLA and without",
        functools.partial(measures.xla_over_plain, "dense_dropout_graph"),
        verdict="Keras 2 is not measured here; the ratio says whether XLA helps",
    ),
    Thread(
        "keras 20451",
        f"{KERAS}pull/20451",
        2024,
        "unrolling steps_per_execution=4 makes a MobileNet at batch size 1 twice as fast on a GPU",
        measures.unrolled_over_rolled,
        factor=0.5,
        hardware="a GPU",
    ),
)
