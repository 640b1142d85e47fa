"""A step under other numbers of threads: an arm in a process that has them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loops.case.errors import CaseError
from loops.diagnose.trainings import train_both
from loops.measure.case_process import CaseProcess, arm_of_way
from loops.measure.threads import SETTINGS, process_with
from loops.measure.verdict import STEPS_COMPARED
from loops.measure.ways.grade import Grader
from loops.measure.ways.trying import Way
from tests.case.sources import write
from tests.measure.test_ways import case_with

SETTING = "one thread in all"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[CaseProcess]:
    source = case_with(tmp_path).read_text(encoding="utf-8") + 'print("a case may print")\n'
    own = process_with(write(tmp_path, source), SETTING)
    yield own
    own.close()


def test_an_arm_runs_there_and_its_training_is_graded_here(process: CaseProcess, tmp_path: Path) -> None:
    arm = arm_of_way([process], Way("as it is", "step", "", threads=SETTING), with_input=True)
    arm.run(2)
    trainings = train_both(tmp_path / "case.py", STEPS_COMPARED, lambda line: None)
    states = process.states("")
    assert len(states) == STEPS_COMPARED
    assert Grader(trainings).states(lambda: states).passed
    assert not Grader(trainings).states(lambda: states[::-1]).passed


def test_the_process_has_the_threads_of_its_setting(tmp_path: Path) -> None:
    source = case_with(tmp_path).read_text(encoding="utf-8")
    assert SETTINGS[SETTING] == {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    check = "import os\nraise ValueError(os.environ['TF_NUM_INTRAOP_THREADS'])\n"
    process = process_with(write(tmp_path, source + check), SETTING)
    try:
        with pytest.raises(CaseError, match=r"ValueError \(line \d+\): 1"):
            process.states("")
    finally:
        process.close()


def test_a_process_that_ended_is_an_error_of_the_case(process: CaseProcess) -> None:
    process.close()
    with pytest.raises(CaseError, match=f"the process for {SETTING} ended"):
        process.states("")
