"""What result.json holds of a finished training."""

from dataclasses import asdict
from typing import Any

from loops.evaluate import Evaluation
from loops.history import History
from loops.parity.differences import weights_sha256
from loops.run.context import Run
from model import FashionCNN


def describe_result(run: Run, model: FashionCNN, history: History, evaluation: Evaluation) -> dict[str, Any]:
    """All fields of a finished run.

    Bit-identical is claimed for a processor whose sums have one order, and unless a resumption dropped it.
    """
    training, environment = run.training, run.environment
    config, device = training.config, training.device
    ordered = device.kind == "cpu" or environment["op_determinism"]
    unchanged = not any(each["changed"] for each in run.resumed)
    return {
        "status": "done",
        **run.facts,
        "device": device.kind,
        "device_name": device.name,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "params": model.count_params(),
        "train_seconds": history.train_seconds,
        "images_per_second": config.epochs * len(training.data.train) / history.train_seconds,
        **_scores(evaluation),
        "weights_sha256": weights_sha256(model),
        "bit_identical_claimed": ordered and unchanged,
        "history": [asdict(record) for record in history.epochs],
        "environment": environment,
    }


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "test_loss": evaluation.loss,
        "test_accuracy": evaluation.accuracy,
        "f1_micro": evaluation.f1_micro,
        "f1_macro": evaluation.f1_macro,
        "confusion": evaluation.confusion.tolist(),
    }
