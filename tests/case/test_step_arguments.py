"""A step is called with the arguments that it takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loops.case.arguments import WrongArgumentsError, arguments_of
from loops.case.loading import CaseError
from tests.case.sources import GOOD, run_steps, write

X, XY, XYW = ("x",), ("x", "y"), ("x", "y", "w")
Step = Callable[..., Any]

FILE: list[tuple[Step, tuple[str, ...], Any]] = [
    (lambda model, optimizer, x: 0, X, ("M", "O", "x")),
    (lambda model, optimizer, x, y: 0, XY, ("M", "O", "x", "y")),
    (lambda model, optimizer, x, y, sample_weight: 0, XYW, ("M", "O", "x", "y", "w")),
    (lambda model, optimizer, x, y: 0, XYW, ("M", "O", "x", "y")),
    (lambda model, optimizer, x, y, training=True: 0, XYW, ("M", "O", "x", "y")),
    (lambda model, optimizer, x, y, weight=None: 0, XYW, ("M", "O", "x", "y", "w")),
    (lambda model, optimizer, x, y=None: 0, X, ("M", "O", "x")),
    (lambda model, optimizer, *data: 0, XYW, ("M", "O", "x", "y", "w")),
    (lambda model, optimizer, data: 0, XY, ("M", "O", XY)),
]
SCRIPT: list[tuple[Step, tuple[str, ...], Any]] = [
    *FILE[:2],
    (lambda x: 0, X, ("x",)),
    (lambda x, y: 0, XY, ("x", "y")),
    (lambda x, y: 0, XYW, ("x", "y")),
    (lambda x, y, sample_weight: 0, XYW, XYW),
    (lambda x, y, sample_weight=None: 0, XY, ("x", "y")),
    (lambda x, y, training=True: 0, XYW, ("x", "y")),
    (lambda batch: 0, XY, (XY,)),
    (lambda *data: 0, XYW, XYW),
]


@pytest.mark.parametrize(
    ("step", "data", "called", "of_script"),
    [*((*row, False) for row in FILE), *((*row, True) for row in SCRIPT)],
)
def test_step_gets_the_arguments_that_it_takes(
    step: Step, data: tuple[str, ...], called: tuple[Any, ...], of_script: bool
) -> None:
    assert arguments_of(step, len(data), of_script).of("M", "O", data) == called


@pytest.mark.parametrize(
    ("step", "size", "of_script", "message"),
    [
        (lambda x, y: 0, 2, False, "takes (x, y); it must take (model, optimizer, x, y); a step that closes"),
        (lambda model, x, y: 0, 2, False, "after the model comes the optimizer: (model, optimizer, x, y)"),
        (lambda model, optimizer, x, y: 0, 1, False, "but batches() yields (x,)"),
        (lambda x, y, sample_weight: 0, 2, True, "(x, y, sample_weight), but batches() yields (x, y)"),
        (lambda x: 0, 2, True, "takes (x), but batches() yields (x, y). Let it take y too, or yield (x,)"),
        (lambda x, y, *, rate: 0, 2, True, "it is called by position"),
        (lambda: 0, 2, True, "takes (), but batches() yields (x, y)"),
    ],
)
def test_step_that_takes_other_arguments_is_refused(
    step: Step, size: int, of_script: bool, message: str
) -> None:
    with pytest.raises(WrongArgumentsError) as refusal:
        arguments_of(step, size, of_script)
    assert message in str(refusal.value)


def test_refusal_comes_before_the_first_step(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("(model, optimizer, x, y)", "(x, y)"))
    with pytest.raises(CaseError, match=r"case\.py: train_step takes \(x, y\); it must take \(model, opt"):
        run_steps(path)


def test_step_that_takes_no_weights_is_called_without_them(tmp_path: Path) -> None:
    run_steps(write(tmp_path, GOOD.replace("yield ONES", "yield *ONES, np.ones(4)")))
