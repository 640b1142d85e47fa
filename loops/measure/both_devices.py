"""`--device all`: a case measured on the GPU by a process of its own, and what the GPU is worth."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loops.measure.measurement import Measurement
from loops.measure.ratios import independent_ratio


def measure_on_gpu(
    case: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> Mapping[str, Any] | None:
    """What the JSON of `measure CASE --device gpu` holds, with further `arguments`; None if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "gpu.json"
        command = [sys.executable, "-m", "loops", "measure", str(case), "--device", "gpu", "--no-board"]
        done = subprocess.run(
            [*command, "--json", str(saved), *arguments], env=dict(environment), check=False
        )
        if done.returncode or not saved.exists():
            return None
        found: Mapping[str, Any] = json.loads(saved.read_text(encoding="utf-8"))
        return found


def worth(cpu: Measurement, gpu: Mapping[str, Any]) -> list[str]:
    """A line for each arm that both measured: how many times as long a step takes on the CPU.

    The makes of the two were not timed in pairs, so that each side is resampled on its own.
    """
    told = []
    for row in cpu.rows:
        there = [
            other
            for other in gpu["rows"]
            if (other["arm"], other["with_input"]) == (row.arm, row.with_input) and other["makes_ms"]
        ]
        if there and row.makes_ms:
            ratio = independent_ratio(row.makes_ms, there[0]["makes_ms"])
            told.append(
                f"{row.arm}, {'with' if row.with_input else 'without'} input: a step takes {ratio} times as "
                f"long on the CPU ({row.ms_per_step:.3f} ms) as on {gpu['device_name']} "
                f"({there[0]['ms_per_step']:.3f} ms)"
            )
    return told
