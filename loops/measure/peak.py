"""Peak memory of training a case in one way, measured in a process of its own.

In one process with others, an arm's memory could not be told from theirs, or from what the allocator keeps.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loops.measure.threads import SETTINGS

if TYPE_CHECKING:
    from loops.measure.ways.trying import Way

FIT = "fit"
TIMEOUT = 300.0  # seconds, beyond which the table goes without the figure


@dataclass(frozen=True)
class Peak:
    """Bytes: the process's peak resident set less what TensorFlow held when it had started.

    `device_bytes` is the peak on a GPU, None on a CPU.
    """

    host_bytes: int | None
    device_bytes: int | None = None

    @property
    def bytes(self) -> int | None:
        """What the table shows: a GPU's memory where one trains."""
        return self.device_bytes if self.device_bytes is not None else self.host_bytes


class PeakProcess:
    """Trains a few steps in a process that runs beside this one until `result` is asked for.

    `way` is how the step is run: None as it stands, FIT for fit().
    """

    def __init__(self, path: Path, way: "Way | str | None", device_kind: str) -> None:
        command = [sys.executable, "-m", "loops.measure.peak_child", str(path), device_kind]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **SETTINGS.get(getattr(way, "threads", ""), {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdin
        self._process.stdin.write(json.dumps(way if way is None or isinstance(way, str) else asdict(way)))
        self._process.stdin.close()
        self._process.stdin = None

    def result(self) -> Peak:
        """Wait for it; a process that failed gives a Peak without figures."""
        try:
            out, _ = self._process.communicate(timeout=TIMEOUT)
            return Peak(**json.loads(out.splitlines()[-1]))
        except (subprocess.TimeoutExpired, ValueError, IndexError, TypeError):
            return Peak(None)
        finally:
            self.close()

    def close(self) -> None:
        """End the process, if it still runs."""
        self._process.kill()
        self._process.wait()
