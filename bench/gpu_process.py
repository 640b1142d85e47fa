"""The GPU's rows of `--device all`: one process looks for a GPU, and if there is one, another measures it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def look_for_gpu(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process, from which this one's setting hides no GPU, that ends with 0 if it finds one."""
    ask = [sys.executable, "-c", "from loops import device; device.start('gpu')"]
    return subprocess.Popen(ask, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure_gpu(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Run the bench again with the same arguments, on the GPU: its exit code, and what its JSON file holds.

    The second is empty where it ended before it wrote the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "gpu.json"
        own = ["--device", "gpu", "--no-figures", f"--benchmark-json={saved}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments, *own], env=environment, check=False
        )
        return done.returncode, json.loads(saved.read_text()) if saved.exists() else {}
