"""The GPU's rows of `--device all`, measured by a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


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
