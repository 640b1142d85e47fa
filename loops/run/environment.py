"""What a result depends on besides its config: versions, threads, switches, processors, commit."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loops.device import Device, cpu_name

# What bit-identical is claimed for; a run resumed under another drops the claim
CLAIMED = (
    *("tensorflow", "keras", "numpy", "onednn", "threads_intra_op", "threads_inter_op"),
    *("op_determinism", "xla", "tf32", "cpu", "gpu", "numba", "llvmlite", "commit"),
)


def describe(device: Device, *, jit_compile: bool) -> dict[str, Any]:
    """Facts for `result.json`, all of types that JSON knows."""
    import keras
    import numpy
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": numpy.__version__,
        "numba": version("numba"),
        "llvmlite": version("llvmlite"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "onednn": onednn_enabled(),
        "cores": cores,
        # 0 is TensorFlow's word for "as many as there are cores"
        "threads_intra_op": tf.config.threading.get_intra_op_parallelism_threads() or cores,
        "threads_inter_op": tf.config.threading.get_inter_op_parallelism_threads() or cores,
        "op_determinism": op_determinism_enabled(),
        "xla": jit_compile,
        "tf32": bool(tf.config.experimental.tensor_float_32_execution_enabled()),
        "cpu": cpu_name(),
        "gpu": device.name if device.kind == "gpu" else None,
        "commit": commit(),
    }


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What the claim rests on and has changed: name → [then, now]."""
    return {key: [then.get(key), now[key]] for key in CLAIMED if then.get(key) != now[key]}


def worded(changed: Mapping[str, list[Any]]) -> str:
    """`changes` for a message."""
    return "; ".join(f"{key} was {then}, is {now}" for key, (then, now) in changed.items())


def onednn_enabled() -> bool:
    """Whether TensorFlow's CPU kernels use oneDNN in this process.

    TensorFlow decides by TF_ENABLE_ONEDNN_OPTS and, unset, by the processor's instructions; it
    has no public name for the outcome.
    """
    from tensorflow.python.util import _pywrap_util_port

    return bool(_pywrap_util_port.IsMklEnabled())


def op_determinism_enabled() -> bool:
    """Whether enable_op_determinism() was called in this process; TensorFlow has no public getter."""
    from tensorflow.python.framework import config

    return bool(config.is_op_determinism_enabled())


def commit() -> str | None:
    """The checkout's commit, "-dirty" where it has changes; None outside a checkout."""
    folder = Path(__file__).resolve().parent
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
