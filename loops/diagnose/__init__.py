"""Why two trainings part: from a case to a verdict with its evidence and the mended code.

    from loops.diagnose import diagnose

is what others may use; TensorFlow is imported when it is called.
"""

from pathlib import Path

from loops.device import quiet
from loops.diagnose.diagnosis import STEPS, Diagnosis

__all__ = ["Diagnosis", "diagnose"]


def diagnose(case: Path | str, steps: int = STEPS) -> Diagnosis:
    """Train the case file `case` by fit() and by its own step for `steps` steps, and compare the two.

    Use it in a test of your own loop: `assert diagnose("my_case.py").identical`.

    Raises:
        UserError: the case cannot be run: it raises, lacks a name, trains nothing, or gives NaN.
    """
    quiet()
    from loops.diagnose import engine  # noqa: PLC0415 (imports TensorFlow)

    return engine.diagnose(Path(case), steps)
