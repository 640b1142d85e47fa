"""What the bench reads of the process that compares the loops under deterministic ops."""

import subprocess
from typing import Any

import pytest

from bench import trainings


@pytest.mark.parametrize(
    ("printed", "errors", "verdict"),
    [
        ("saved in x\n\nverdict, fit against tape: bit-identical: 30 agree\n", "", "bit-identical: 30 agree"),
        (
            "verdict, fit against tape: not bit-identical on G: 28 differ\n",
            "",
            "not bit-identical on G: 28 differ",
        ),
        ("", "starting TensorFlow …\nerror: no GPU\n", "error: no GPU"),
        ("", "", "nothing was printed"),
    ],
)
def test_verdict_is_the_loops_own_or_the_last_message(
    printed: str, errors: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert env["TF_DETERMINISTIC_OPS"] == "1"
        return subprocess.CompletedProcess(command, 0, printed, errors)

    monkeypatch.setattr(subprocess, "run", run)
    assert trainings.deterministic_verdict("gpu", 1) == verdict
