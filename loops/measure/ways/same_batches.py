"""Does pasted code give a step the very batches that the case gives: both are read and compared."""

import functools
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from loops.case.batches import one_epoch
from loops.case.loading import Case
from loops.measure.ways.grade import BIT_IDENTICAL, REFUSED, Grade, or_refused
from loops.measure.ways.source import KEPT

COMPARED = 8  # batches of each of two passes
MOST_BYTES = 2**30  # of a pass that is kept
MOST_SECONDS = 10.0  # to read a pass, before it is taken for one without end


def grade_of_input(path: Path, name: str, paste: str) -> Grade:
    """Whether the pasted code gives the step the very batches that the case gives, in each pass."""
    return or_refused(lambda: _grade(path, name, paste))


def _grade(path: Path, name: str, paste: str) -> Grade:
    own, passes = Case(path), []
    source: Any = None
    for _ in range(2):
        if not isinstance(source, tf.data.Dataset):  # which each pass begins anew
            source = own.run("batches", own.source)
        passes.append(own.run("batches", functools.partial(_bytes, source)))
    if name == KEPT:
        if passes[0] != passes[1]:
            return Grade(REFUSED, "your batches are others in each pass, and kept ones would stay the same")
        why = own.run("batches", lambda: _why_not_kept(own.source()))
        if why:
            return Grade(REFUSED, why)
    pasted = Case(path, paste)
    found = pasted.run("batches", lambda: _bytes(pasted.source()))
    if found != passes[0]:
        return Grade(REFUSED, "the batches are others")
    return Grade(BIT_IDENTICAL, "timed with input")


def _bytes(source: Any) -> list[list[bytes]]:
    """The first batches of a pass, part by part."""
    batches = one_epoch(itertools.islice(source, COMPARED), COMPARED)  # as all trainings take them
    return [[_told(part.numpy()) for part in tf.nest.flatten(batch.data())] for batch in batches]


def _told(array: np.ndarray) -> bytes:
    return f"{array.shape} {array.dtype} ".encode() + array.tobytes()


def _why_not_kept(source: Any) -> str:
    size, began = 0, time.monotonic()
    for item in source:
        size += sum(np.asarray(part).nbytes for part in tf.nest.flatten(item) if part is not None)
        if size > MOST_BYTES:
            return f"a pass has more than {MOST_BYTES / 2**20:,.0f} MiB"
        if time.monotonic() - began > MOST_SECONDS:
            return f"a pass takes more than {MOST_SECONDS:.0f} s to read"
    return ""
