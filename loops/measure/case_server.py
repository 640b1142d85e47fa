"""What a process of a case does when it is asked: makes an arm, runs or drops it, or trains."""

import pickle
from pathlib import Path
from typing import Any

from loops.case.loading import Case
from loops.case.running import start_of, train_by_step
from loops.measure.arms import Arm
from loops.measure.verdict import STEPS_COMPARED
from loops.measure.ways.facts import Facts, read_facts
from loops.measure.ways.trying import Way, make_arm


class Server:
    """One case, and its arms by the numbers that they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._facts: Facts | None = None
        self._arms: dict[int, Arm] = {}

    def answer(self, request: dict[str, Any]) -> None:
        """Make, run or drop an arm, or train and save the states.

        Raises:
            CaseError: the case raises.
        """
        if "run" in request:
            self._arms[request["arm"]].run(request["run"])
        elif "make" in request:
            self._make(request["arm"], request["make"], with_input=request["with_input"])
        elif "drop" in request:
            self._arms.pop(request["drop"]).close()
        else:
            self._train(request["code"], Path(request["states"]))

    def _make(self, number: int, given: dict[str, Any], *, with_input: bool) -> None:
        self._facts = self._facts or read_facts(self._path)
        self._arms[number] = make_arm(self._facts, Way(**given), with_input=with_input)

    def _train(self, code: str, saved: Path) -> None:
        case = Case(self._path)
        epoch = case.epoch(STEPS_COMPARED)
        start = start_of(case, epoch[0])
        states = train_by_step(Case(self._path, code), epoch, STEPS_COMPARED, start).states
        saved.write_bytes(pickle.dumps(states))
