"""A diagnosis as text, whose last line is the verdict, and as JSON."""

from dataclasses import asdict
from pathlib import Path

from loops.diagnose.diagnosis import Diagnosis
from loops.files import write_json

DIFFERENT = 3  # the exit code of --check where the training is not fit()'s


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print evidence, advice and verdict."""
    print()
    for line in diagnosis.evidence:
        print(f"  {line}")
    for line in diagnosis.advice:
        print(f"\n  mend it:  {line}")
    print(f"\nverdict: {diagnosis.verdict}", flush=True)


def write_diagnosis(diagnosis: Diagnosis, path: Path) -> None:
    """Write verdict, identical, cause, evidence, advice and figures as JSON.

    Raises:
        FileError: the file cannot be written.
    """
    write_json(path, {**asdict(diagnosis), "identical": diagnosis.identical})
