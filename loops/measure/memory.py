"""Peak memory of a piece of work, on the host and on the device."""

import contextlib
import ctypes
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
            "peak_host_bytes": resident_bytes("VmHWM") if self._resettable else None,
            "peak_device_bytes": tf.config.experimental.get_memory_info("GPU:0")["peak"] if gpu else None,
        }


class _Mallinfo2(ctypes.Structure):
    """glibc's struct mallinfo2: bytes and counts over all its arenas (mallinfo(3))."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def allocated_bytes() -> int | None:
    """What this process has allocated and not freed, without the allocator's free blocks.

    To the byte, so that a small leak shows after a few steps. None where no glibc of 2.33 or later is.
    """
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except (AttributeError, TypeError, OSError):
        return None
    mallinfo2.restype = _Mallinfo2
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)


def resident_bytes(field: str = "VmRSS") -> int | None:
    """The process's resident set size, or with VmHWM its peak, as Linux counts it (proc(5), status)."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * KIB
    return None
