"""What the bench refuses before it starts TensorFlow."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--pairs", "1"], "--pairs at least 2"),
        (["--case", "no.py"], "--case no.py: is not a file"),
        (["--peers", "/no/such/python"], "--peers /no/such/python: is no program"),
        (["--peers", "README.md"], "--peers README.md: is no program"),
    ],
)
def test_values_that_no_measurement_can_be_made_with_are_usage_errors(options: list[str], said: str) -> None:
    command = [sys.executable, "-m", "pytest", "bench", "--benchmark-only", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in done.stderr
