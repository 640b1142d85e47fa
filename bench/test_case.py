"""A reader's own model, by `--case CASE.py`: its step against fit(), as rows to be saved and compared."""

from typing import Any

import pytest

from bench.cases import CaseRow, load_case
from bench.harness import References, fewer, measure
from bench.rows import start_row
from loops.case.errors import CaseError
from loops.device import Device
from loops.measure.measurement import AGAIN

pytestmark = pytest.mark.filterwarnings("default")  # a reader's file may warn


def test_case(benchmark: Any, device: Device, case_row: CaseRow, references: References, pairs: int) -> None:
    """The arm of a case, as `measure` times it; rows with input have fewer pairs."""
    try:
        loaded = load_case(case_row.path, device)
        start_row(
            benchmark,
            device,
            case_row.path.stem,
            kind="case",
            arm=case_row.arm,
            case=case_row.path.stem,
            with_input=case_row.with_input,
            control=case_row.arm == AGAIN,
            verdict="" if case_row.arm == AGAIN else loaded.verdict,
        )
        measure(
            benchmark,
            loaded.maker(case_row),
            loaded.reference(case_row, references),
            pairs=fewer(pairs) if case_row.with_input else pairs,
            batch_size=loaded.batch_size,
            multiple=loaded.multiple,
        )
    except CaseError as error:
        pytest.fail(str(error), pytrace=False)
