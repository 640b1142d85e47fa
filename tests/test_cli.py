"""The command line: what it refuses, with which exit code, and that a usage error is instant."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loops import cli, device
from loops.commands import train
from loops.data import EMBEDDED, FashionMnist
from loops.device import Device


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sgd"],
        ["tape", "--epochs", "0"],
        ["tape", "--epochs", "1.5"],
        ["tape", "--epochs", "99999999999999999999999"],
        ["tape", "--learning-rate", "1e39"],
        ["tape", "--batch-size", "-3"],
        ["tape", "--batch-size", "many"],
        ["tape", "--learning-rate", "0"],
        ["tape", "--learning-rate", "nan"],
        ["tape", "--learning-rate", "inf"],
        ["tape", "--seed", "-1"],
        ["tape", "--seed", str(2**32)],
        ["tape", "--device", "tpu"],
        ["tape", "--shards", "2000"],
        ["tape", "--wait", "-1"],
        ["tape", "--pages-every", "2", "--no-pages"],
        ["tape", "--fsat"],
    ],
)
def test_bad_option_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    message = capsys.readouterr().err
    assert not arguments or arguments[-1] in message


def test_usage_error_shows_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["tape", "--fsat"])
    assert capsys.readouterr().err.startswith("usage: python -m loops tape [-h] [--seed")


@pytest.mark.parametrize(("named", "looked_for"), [("one", "runs/one"), ("elsewhere/one", "elsewhere/one")])
def test_compared_run_is_looked_for_where_it_was_named(
    named: str,
    looked_for: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare", named, "two"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {looked_for}: is not a run's folder")


def test_gpu_asked_for_and_absent_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert cli.main(["tape", "--device", "gpu"]) == 1
    assert "--device gpu: TensorFlow sees no GPU" in capsys.readouterr().err


def test_bad_data_is_refused_without_a_traceback_or_a_run(tmp_path: Path) -> None:
    for file in EMBEDDED.glob("*.gz"):
        (tmp_path / file.name).write_bytes(file.read_bytes()[:-1000])
    command = [
        sys.executable,
        "-m",
        "loops",
        "fit",
        "--data",
        str(tmp_path),
        "--runs",
        str(tmp_path / "runs"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_runs_folder_that_cannot_be_written_is_refused_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(device, "start", lambda choice, **_: pytest.fail("TensorFlow was started"))
    assert cli.main(["tape", "--runs", str(tmp_path / "file")]) == 1
    assert f"--runs {tmp_path / 'file'}: cannot be written" in capsys.readouterr().err


def test_interrupt_ends_with_130_and_a_marked_run(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **more: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("loops.data.load", lambda folder: small)
    monkeypatch.setattr(device, "start", lambda choice, **_: Device("cpu", "Test CPU"))
    monkeypatch.setattr("loops.run.experiment.LOOPS", {"tape": interrupted})
    assert cli.main(["tape", "--runs", str(tmp_path)]) == 130
    (result,) = tmp_path.glob("*/result.json")
    assert json.loads(result.read_text())["status"] == "interrupted"


def test_help_and_usage_errors_do_not_import_tensorflow() -> None:
    code = (
        "import sys\n"
        "from loops.cli import main\n"
        "try: main(['--help'])\n"
        "finally: assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)


@pytest.mark.parametrize(
    ("code", "closing", "wanted"),
    [
        (0, "", 0),
        (1, "", 1),
        (3, "sys.stdout = None", 3),  # as it is where standard output is closed
        (0, "sys.stdout = open('/dev/full', 'w')", 1),
    ],
)
def test_process_ends_with_the_code_and_all_that_was_printed(code: int, closing: str, wanted: int) -> None:
    program = (
        f"import sys; from loops import cli; print('before', end='', flush=True); {closing or 'pass'}\n"
        f"cli.main = lambda: [sys.stdout and print(' last', end=''), {code}][1]; cli.entry()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == wanted
    assert done.stdout == ("before" if closing else "before last")
    assert done.stderr.startswith("error: the output cannot be written" if "full" in closing else "")
    assert "Traceback" not in done.stderr


def test_output_that_is_full_in_the_middle_is_an_error_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(options: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(train, "run", full)
    assert cli.main(["tape"]) == 1
    assert capsys.readouterr().err == "error: the output cannot be written (No space left on device)\n"


@pytest.mark.parametrize(
    ("options", "gpu", "begun"),
    [
        (["--fast"], False, 1),
        (["--rung", "compiled"], False, 1),
        (["--fast", "--device", "cpu"], True, 1),
        (["--fast"], True, 0),
        (["--rung", "parts"], False, 0),
        ([], False, 0),
    ],
)
def test_step_is_compiled_ahead_only_where_it_may_be_used(
    options: list[str],
    gpu: bool,
    begun: int,
    small: FashionMnist,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[int] = []
    monkeypatch.setattr("loops.data.load", lambda folder: small)
    monkeypatch.setattr(device, "may_have_gpu", lambda: gpu)
    monkeypatch.setattr("loops.fast.compiled.build.begin", lambda: found.append(1))
    monkeypatch.setattr(train, "start", lambda *_, **__: sys.exit(9))
    with pytest.raises(SystemExit):
        cli.main(["tape", "--runs", str(tmp_path), *options])
    assert len(found) == begun


def test_both_prints_everything_and_ends_with_the_verdict(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("loops.data.load", lambda folder: small)
    monkeypatch.setattr(device, "start", lambda choice, **_: Device("cpu", "Test CPU"))
    arguments = ["both", "--epochs", "1", "--batch-size", "60", "--seed", "12345", "--runs", str(tmp_path)]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    for part in ("411,242", "epoch 1/1", "total training time", "test accuracy", "F1 micro", "9 Ankle boot"):
        assert part in printed
    assert printed.splitlines()[-1].startswith("verdict, fit against tape: bit-identical: 30 weights")
    assert len(list(tmp_path.glob("*/result.json"))) == 2
