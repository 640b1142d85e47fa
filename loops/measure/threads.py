"""A step under other numbers of threads, which TensorFlow takes when it starts: each in its own process."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from loops.measure.case_process import CaseProcess

INTRA, INTER = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
SETTINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"one thread an op": {INTRA: "1"}, "one thread in all": {INTRA: "1", INTER: "1"}}
)


def process_with(path: Path, setting: str) -> CaseProcess:
    """A process of the case with one of SETTINGS."""
    return CaseProcess(path, setting, SETTINGS[setting])
