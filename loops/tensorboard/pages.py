"""TensorBoard's pages besides curves: a first page, text, graph, pictures, histograms, PR curves, HParams."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import tensorflow as tf

from loops.batches import evaluation_stream
from loops.data import CLASS_NAMES, Split
from loops.evaluate import Evaluation
from loops.tensorboard.events import ROOT, EventLog
from model import IMAGE_SHAPE

THRESHOLDS = 101  # of a PR curve
GRADIENT_IMAGES, GRADIENT_BATCH = 300, 60  # all at once, the tape would hold 100 MB
HPARAMS = ("loop", "device", "batch_size", "learning_rate", "seed", "xla", "threads")
SCORES = ("test_accuracy", "f1_micro", "f1_macro")
PACE = "final_ms_per_step"
METRICS = (*SCORES, PACE, "total_seconds")
BENCH_KIND = "kind"  # of the bench's rows, beside loop, device and batch_size
BENCH_RATIO = "ratio_to_reference"  # beside their pace
# TensorBoard shows the first five at first
SCORE_COLUMNS = ("test_accuracy", "f1_macro", PACE, BENCH_RATIO, "total_seconds", "f1_micro")
CHARTS = (
    ("fit and tape: loss by step", ["^batch_loss$"]),
    ("fit and tape: accuracy by step", ["^batch_accuracy$"]),
    ("difference fit − tape by step", ["^difference_batch_.*$"]),
    ("fit and tape: loss and accuracy by epoch", ["^epoch_(loss|accuracy)$"]),
    ("difference fit − tape by epoch", ["^difference_(?!batch_).*$"]),
    ("fit and tape: ms/step", ["^ms_per_step$"]),
)


def log_start(log: EventLog, model: tf.keras.Model, settings: Mapping[str, Any]) -> None:
    """Once a run: the first page's layout, the summary and settings as text, the model's graph."""
    from tensorboard.plugins.custom_scalar import layout_pb2, summary  # noqa: PLC0415 (needs TensorBoard)

    charts = [
        layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
        for title, tags in CHARTS
    ]
    layout = layout_pb2.Layout(category=[layout_pb2.Category(title="fit against tape", chart=charts)])
    log.raw(ROOT, "custom_scalars__config__", summary.pb(layout))
    log.once(ROOT, "run", 0, lambda: tf.summary.text("run", run_text(model, settings)))
    traced = tf.function(lambda images: model(images, training=False))
    graph = traced.get_concrete_function(tf.TensorSpec((None, *IMAGE_SHAPE))).graph
    log.once(ROOT, "graph", 0, lambda: tf.summary.graph(graph))
    log.flush()


def log_pages(
    log: EventLog, model: tf.keras.Model, evaluation: Evaluation, train: Split, test: Split, epoch: int
) -> None:
    """The heavy pages of one epoch: three pictures, PR curves, histograms of weights and gradients."""
    from tensorboard.plugins.histogram import summary_v2  # noqa: PLC0415 (needs TensorBoard)

    from loops.tensorboard import pictures as draw  # noqa: PLC0415 (Matplotlib is slow to import)

    pictures = {
        "confusion matrix": draw.confusion_picture(evaluation.confusion),
        "surest mistakes": draw.mistakes_picture(test, evaluation.probabilities),
        "first filters": draw.filters_picture(model.conv1.kernel.numpy()),
    }
    for name, picture in pictures.items():
        log.once(ROOT, name, epoch, partial(tf.summary.image, name, picture[tf.newaxis]))
    _log_pr_curves(log, evaluation, test, epoch)
    # By NumPy, since TensorFlow's own op takes 90 MB for the hidden layer's kernel
    for name, values in _histograms(model, train).items():
        log.raw(ROOT, name, summary_v2.histogram_pb(name, values.numpy()), epoch)
    log.flush()


def log_result(log: EventLog, result: Mapping[str, Any], learning_rate: float, steps: int) -> None:
    """The run as a row of HParams, with its scores; `steps` are those of the whole training."""
    from tensorboard.plugins.hparams import api  # noqa: PLC0415 (needs TensorBoard)

    environment = result["environment"]
    settings = {
        **result,
        "learning_rate": learning_rate,
        "xla": environment["xla"],
        "threads": environment["threads_intra_op"],
    }
    row = {name: settings[name] for name in HPARAMS}
    scores = {
        **{name: result[name] for name in SCORES},
        PACE: 1000 * result["train_seconds"] / steps,
        "total_seconds": result["train_seconds"],
    }
    log.once(ROOT, "_hparams_/experiment", 0, write_hparams_columns)
    log.once(ROOT, "_hparams_/session_start_info", 0, lambda: api.hparams(row, trial_id=log.name))
    for name, value in scores.items():
        log.scalar(ROOT, name, value, 0)


def write_hparams_columns() -> None:
    """The columns: one list for trainings and bench, since TensorBoard takes the first that it finds."""
    from tensorboard.plugins.hparams import api  # noqa: PLC0415 (needs TensorBoard)

    hparams = [api.HParam(name) for name in (*HPARAMS, BENCH_KIND)]
    api.hparams_config(hparams, [api.Metric(name) for name in SCORE_COLUMNS])


def run_text(model: tf.keras.Model, settings: Mapping[str, Any]) -> str:
    """Markdown: the model's layers, then config and environment."""
    rows = [f"| {layer.name} | {type(layer).__name__} | {layer.count_params():,} |" for layer in model.layers]
    layers = ["| layer | type | parameters |", "| --- | --- | ---: |", *rows]
    total = f"| **all** | | **{model.count_params():,}** |"
    return "\n".join([*layers, total, "", "```json", json.dumps(settings, indent=1), "```"])


def _log_pr_curves(log: EventLog, evaluation: Evaluation, test: Split, epoch: int) -> None:
    from tensorboard.plugins.pr_curve import summary  # noqa: PLC0415 (needs TensorBoard)

    for index, name in enumerate(CLASS_NAMES):
        tag = f"PR/{name.replace('/', ' or ')}"
        curve = summary.pb(
            tag,
            labels=test.labels == index,
            predictions=evaluation.probabilities[:, index],
            num_thresholds=THRESHOLDS,
        )
        log.raw(ROOT, curve.value[0].tag, curve, epoch)


def _histograms(model: tf.keras.Model, train: Split) -> dict[str, Any]:
    """Weights, and the gradients of the first images' mean loss, by variable."""
    some = train.first(GRADIENT_IMAGES)
    parts = [_gradients(model, *part) for part in evaluation_stream(some, GRADIENT_BATCH)]
    gradients = [tf.add_n(each) / len(some) for each in zip(*parts, strict=True)]
    names = [variable.path.partition("/")[2] for variable in model.trainable_variables]
    weights = {f"weights/{name}": v for name, v in zip(names, model.trainable_variables, strict=True)}
    return weights | {f"gradients/{name}": g for name, g in zip(names, gradients, strict=True)}


def _gradients(model: tf.keras.Model, images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
    """The gradients of the images' losses, added."""
    with tf.GradientTape() as tape:
        loss = tf.keras.losses.CategoricalCrossentropy(reduction="sum")(labels, model(images, training=True))
    found: list[tf.Tensor] = tape.gradient(loss, model.trainable_variables)
    return found
