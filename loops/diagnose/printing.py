"""Prints a diagnosis; the last line is the verdict."""

from loops.diagnose.diagnosis import Diagnosis


def print_diagnosis(diagnosis: Diagnosis) -> int:
    """Print evidence, advice and verdict; returns the exit code 0, since a diagnosis is a success."""
    print()
    for line in diagnosis.evidence:
        print(f"  {line}")
    for line in diagnosis.advice:
        print(f"\n  mend it:  {line}")
    print(f"\nverdict: {diagnosis.verdict}")
    return 0
