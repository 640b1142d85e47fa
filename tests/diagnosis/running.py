"""Diagnoses generated cases in worker processes, each of which imports TensorFlow once."""

import functools
import multiprocessing
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.diagnosis.generate import Generated
from tests.diagnosis.outcome import Outcome

CASES_EACH = 12  # of one process, before a new one takes its place: traced graphs stay in memory


def outcomes(cases: Sequence[Generated], folder: Path, steps: int, jobs: int) -> Iterator[Outcome]:
    """The outcome of each case, in the order in which they are done."""
    for case in cases:
        (folder / f"{case.name}.py").write_text(f"# {case.family}; expected: {case.expect!r}\n{case.source}")
    context = multiprocessing.get_context("spawn")
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}  # processes fill the cores
    with context.Pool(jobs, maxtasksperchild=CASES_EACH) as pool:
        yield from pool.imap_unordered(functools.partial(diagnosed, folder, steps), cases)


def diagnosed(folder: Path, steps: int, case: Generated) -> Outcome:
    """The outcome of one case."""
    from loops.diagnose import diagnose  # noqa: PLC0415 (TensorFlow starts slowly)

    warnings.simplefilter("ignore")  # Keras may well warn about a planted mistake
    begin = time.perf_counter()
    try:
        found = diagnose(folder / f"{case.name}.py", steps)
    except Exception as error:  # a generated case that cannot run is a fault of the generator, and is shown
        return Outcome(case, "", "", time.perf_counter() - begin, f"{type(error).__name__}: {error}")
    return Outcome(case, found.verdict, "\n".join(found.evidence), time.perf_counter() - begin)
