"""What a result depends on besides its config: versions, threads, switches, processors, commit."""

import contextlib
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loops.device import Device, cpu_name
from loops.run.cores import cpu_quota, usable_cores

# What bit-identical is claimed for, beside the variables; a run resumed under another drops the claim
CLAIMED = (
    *("tensorflow", "keras", "numpy", "onednn", "threads_intra_op", "threads_inter_op", "cores", "cpu_quota"),
    *("op_determinism", "xla", "tf32", "cpu", "gpu", "numba", "llvmlite", "commit"),
    "reduced_by",  # where the order of a sum depends on the number of workers
)
# What each worker of a cluster may have of its own, since with shards it changes no bits
OF_ONE_WORKER = ("threads_inter_op", "cores", "cpu_quota", "numba", "llvmlite", "reduced_by")
SHARED = tuple(name for name in CLAIMED if name not in OF_ONE_WORKER)
# Environment variables, by how they begin, that can change the arithmetic. No library tells what it made of
# them, but for those behind a fact above.
VARIABLES = (
    *("TF_", "ONEDNN_", "DNNL_", "OMP_", "MKL_", "KERAS_", "XLA_", "NUMBA_"),
    "NVIDIA_TF32_OVERRIDE",  # overrules TensorFlow's own switch, which "tf32" is
)
LEFT_OUT = (
    # Only for the log, and loops.device sets one of them
    "TF_CPP_",
    # Set by loops.device, always to "tensorflow"
    "KERAS_BACKEND",
    # Names the workers of a cluster, which do not change the bits
    "TF_CONFIG",
    # Where Numba keeps what it compiled
    "NUMBA_CACHE_DIR",
    # Terraform's, not TensorFlow's: they hold paths and passwords
    *("TF_CLI_", "TF_CLOUD_", "TF_HTTP_", "TF_TOKEN_", "TF_VAR_"),
)
NOT_RECORDED = "not recorded"


def describe(device: Device, *, jit_compile: bool) -> dict[str, Any]:
    """Facts for `result.json`, all of types that JSON knows."""
    import keras
    import numpy
    import tensorflow as tf

    threads = tf.config.threading
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": numpy.__version__,
        "numba": version("numba"),
        "llvmlite": version("llvmlite"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "onednn": onednn_enabled(),
        "cores": usable_cores(),
        "cpu_quota": cpu_quota(),
        "threads_intra_op": _threads(threads.get_intra_op_parallelism_threads(), "TF_NUM_INTRAOP_THREADS"),
        "threads_inter_op": _threads(threads.get_inter_op_parallelism_threads(), "TF_NUM_INTEROP_THREADS"),
        "op_determinism": op_determinism_enabled(),
        "xla": jit_compile,
        "tf32": bool(tf.config.experimental.tensor_float_32_execution_enabled()),
        "cpu": cpu_name(),
        "gpu": device.name if device.kind == "gpu" else None,
        "commit": commit(),
        "variables": variables(os.environ),
    }


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those environment variables that are set and can change the arithmetic, by name."""
    found = {name: value for name, value in environ.items() if name.startswith(VARIABLES)}
    return {name: found[name] for name in sorted(found) if not name.startswith(LEFT_OUT)}


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What the claim rests on and has changed: name → [then, now], the variables by their own names.

    Older files lack some facts. One of them counts as changed, from NOT_RECORDED, only where something is
    set now: a variable, a quota. Where nothing is, its absence alone is no reason to drop a claim.
    """
    found = different(then, now, CLAIMED)
    return {name: pair for name, pair in found.items() if pair != [NOT_RECORDED, None]}


def different(one: Mapping[str, Any], two: Mapping[str, Any], facts: Iterable[str]) -> dict[str, list[Any]]:
    """Those of the named facts, and of all variables, that are not the same: name → [one, two]."""
    names = sorted({*one.get("variables", {}), *two.get("variables", {})})
    pairs = {name: [each.get(name, NOT_RECORDED) for each in (one, two)] for name in facts}
    pairs |= {name: [_variable(each, name) for each in (one, two)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _variable(facts: Mapping[str, Any], name: str) -> str | None:
    return facts["variables"].get(name) if "variables" in facts else NOT_RECORDED


def worded(changed: Mapping[str, list[Any]]) -> str:
    """`changes` for a message."""
    return "; ".join(
        f"{name} was {word(name, then)}, is {word(name, now)}" for name, (then, now) in changed.items()
    )


def word(name: str, value: Any) -> str:
    """The value of a fact or variable in a sentence or a table."""
    if value is None:
        return "not set" if name.startswith(VARIABLES) else "none"
    return "empty" if value == "" else str(value)


def _threads(asked: int, variable: str) -> int:
    """Threads of one of TensorFlow's pools, `asked` for by its API; 0 leaves it to the variable.

    TensorFlow passes over a variable that is no number or 0, ends at a negative one, and makes as many
    threads as there are cores where none is left. It does not look at a container's quota.
    """
    with contextlib.suppress(ValueError):
        asked = asked or int(os.environ.get(variable, ""))
    return asked or usable_cores()


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
