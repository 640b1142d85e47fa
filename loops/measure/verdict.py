"""What diagnose says of a case, and the trainings by which ways to run it faster are graded."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loops.case import replicas
from loops.case.errors import CaseError
from loops.device import Device
from loops.diagnose.engine import judge
from loops.diagnose.trainings import Trainings, train_both

STEPS_COMPARED = 10
ON_CPU = "judged on the CPU"


@dataclass(frozen=True)
class Verdict:
    """What diagnose says, and the trainings on this device; None where the case could not be trained so."""

    words: str
    identical: bool
    trainings: Trainings | None


def judged(path: Path, device: Device) -> Verdict:
    """The verdict on the case; where there is none, the reason: such a step is still timed.

    On a GPU it is diagnose's on the CPU, by a process of its own: a GPU adds in another order each time, and
    what is known of rounding would not hold for it.
    """
    if device.kind == "cpu":
        return _judged_here(path)
    with _judging_on_cpu(path) as result:
        try:
            trainings = train_both(path, STEPS_COMPARED, lambda line: None)
        except CaseError as error:
            return Verdict(f"no verdict: {error}", identical=False, trainings=None)
        words, identical = result()
    return Verdict(f"{words} ({ON_CPU})", identical, trainings)


def _judged_here(path: Path) -> Verdict:
    try:
        with replicas.compared():
            trainings = train_both(path, STEPS_COMPARED, lambda line: None)
            found = judge(trainings)
        return Verdict(found.verdict, found.identical, trainings)
    except CaseError as error:
        if " raised " in str(error):  # so would the steps that are timed
            raise
        return Verdict(f"no verdict: {error}", identical=False, trainings=None)


@contextlib.contextmanager
def _judging_on_cpu(path: Path) -> Iterator[Callable[[], tuple[str, bool]]]:
    """Runs `diagnose` beside this process; what it yields waits for the verdict."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "verdict.json"
        command = [sys.executable, "-m", "loops", "diagnose", str(path), "--steps", str(STEPS_COMPARED)]
        process = subprocess.Popen(
            [*command, "--json", str(saved)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

        def result() -> tuple[str, bool]:
            _, errors = process.communicate()
            if process.returncode or not saved.exists():
                told = [line for line in errors.splitlines() if line.startswith("error: ")]
                return f"no verdict: {told[-1].removeprefix('error: ') if told else 'diagnose failed'}", False
            found = json.loads(saved.read_text(encoding="utf-8"))
            return str(found["verdict"]), bool(found["identical"])

        try:
            yield result
        finally:
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()
