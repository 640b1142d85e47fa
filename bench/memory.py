"""Peak memory of a piece of work, on the host and on the device."""

import contextlib
from pathlib import Path
from typing import Any

import tensorflow as tf

from loops.device import Device

KIB = 1024


class PeakMemory:
    """Resets the high-water marks when made; reads them in bytes. None where they cannot be had."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._resettable = False
        with contextlib.suppress(OSError):
            # Linux 4.0 and later: "5" resets the peak resident set size (proc(5), clear_refs)
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            self._resettable = True
        if device.kind == "gpu":
            tf.config.experimental.reset_memory_stats("GPU:0")

    def read(self) -> dict[str, Any]:
        """`peak_host_bytes` of this process and `peak_device_bytes` since the reset."""
        gpu = self._device.kind == "gpu"
        return {
            "peak_host_bytes": _peak_resident_bytes() if self._resettable else None,
            "peak_device_bytes": tf.config.experimental.get_memory_info("GPU:0")["peak"] if gpu else None,
        }


def resident_bytes() -> int:
    """This process's memory now; 0 where Linux's /proc is missing."""
    return _from_status("VmRSS") or 0


def _peak_resident_bytes() -> int | None:
    return _from_status("VmHWM")


def _from_status(field: str) -> int | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * KIB
    return None
