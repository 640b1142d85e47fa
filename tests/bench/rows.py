"""Rows with made-up figures, and files that hold them."""

import json
from pathlib import Path
from typing import Any


def step(arm: str, ms: float, ratio: float, **more: Any) -> dict[str, Any]:
    row = {"kind": "step", "arm": arm, "device": "cpu", "device_name": "C", "control": arm == "fit"}
    row |= {"batch_size": 300, "ms_per_step": ms, "samples_ms": [ms] * 3, "images_per_second": 300_000 / ms}
    row |= {"ratio": ratio, "ratio_low": ratio - 0.02, "ratio_high": ratio + 0.02, "pairs": 20}
    return row | {"first_call_seconds": 1.5, "relative_iqr": 0.05, "flops": 10**9, "bytes": 10**6} | more


def training(loop: str, **more: Any) -> dict[str, Any]:
    row = {"kind": "training", "loop": loop, "device": "cpu", "device_name": "C", "params": 1}
    row |= {"test_accuracy": 0.9, "f1_micro": 0.9, "f1_macro": 0.9, "train_seconds": 20.0}
    row |= {"images_per_second": 1.0, "peak_host_bytes": None, "peak_device_bytes": None}
    return row | {"config": {"epochs": 3}, "epoch_seconds": [7.0, 6.5]} | more


ROWS = [
    step("fit", 40.0, 1.0),
    step("tape", 20.0, 0.5),
    step("tape", 2.0, 0.5, device="gpu", device_name="G"),
]
RATES = [
    {"kind": "rate", "arm": "matrix multiply", "device": "cpu", "device_name": "C", "per_second": 1e11},
    {"kind": "rate", "arm": "copy", "device": "cpu", "device_name": "C", "per_second": 1e10},
]
PARITY = {"kind": "parity", "device": "cpu", "device_name": "C", "verdict": "bit-identical"}


def save(path: Path, rows: list[dict[str, Any]], **facts: Any) -> None:
    """A file like those of `pytest bench --benchmark-json`."""
    machine = {"cpu": "C", "gpu": None, "cores": 2, "tensorflow": "2", "keras": "3", "onednn": False}
    saved = {
        "benchmarks": [{"extra_info": row} for row in rows],
        "machine_info": {"fit_vs_tape": {**machine, "load_at_start": 0.5, **facts}},
    }
    path.write_text(json.dumps(saved))
