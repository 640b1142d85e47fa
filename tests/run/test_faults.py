"""Faults on real processes: killed anywhere, signalled, out of disk, without rights, on damaged files.

Each test injects many faults and adds to the counts that close the run (make test-faults).
"""

import contextlib
import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loops import data
from loops.data import DataError
from loops.files import CHECKPOINTS
from loops.run import checkpoint
from tests.fault_counts import count

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
EPOCHS = 20  # of 5 steps on 250 images; with a checkpoint at each step, most moments lie in a save
SMALL = [sys.executable, "-m", "tests.small_cli"]
SETTINGS = ["--epochs", str(EPOCHS), "--batch-size", "60", "--seed", "5", "--checkpoint-every", "1"]
LOOPS = {"fit": ["fit"], "tape": ["tape"], "fast": ["tape", "--rung", "compiled"]}
TOGETHER = 2  # processes at a time


def start(loop: str, runs: Path, *more: str) -> "subprocess.Popen[str]":
    command = [*SMALL, *LOOPS[loop], *SETTINGS, "--runs", str(runs), *more]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
    )


def environment() -> dict[str, str]:
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors


def resume(loop: str, runs: Path, name: str) -> tuple[int, str]:
    return finish(start(loop, runs, "--resume", name))


def the_run(runs: Path) -> Path:
    (folder,) = runs.iterdir()
    return folder


def result_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def note_fault(folder: Path, expected: str) -> None:
    """Count a fault, and whether the run's result was lost to it."""
    same = result_of(folder).get("weights_sha256") == expected
    count(**{"faults injected": 1, "results lost": int(not same)})
    assert same


def wait_for_training(runs: Path, process: "subprocess.Popen[str]") -> None:
    wait_for(runs, f"*/{CHECKPOINTS}/*", process)


def wait_for(runs: Path, pattern: str, process: "subprocess.Popen[str]") -> None:
    while process.poll() is None and not any(runs.glob(pattern)):
        time.sleep(0.005)


class Whole(NamedTuple):
    """An uninterrupted run."""

    folder: Path
    weights_sha256: str
    seconds: float  # from the run's folder to the end


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    """An uninterrupted run of each loop."""
    found = {}
    for loop in LOOPS:
        runs = tmp_path_factory.mktemp(f"whole-{loop}")
        process = start(loop, runs)
        wait_for(runs, "*/config.json", process)
        began = time.monotonic()
        code, errors = finish(process)
        assert code == 0, errors
        seconds = time.monotonic() - began
        found[loop] = Whole(the_run(runs), result_of(the_run(runs))["weights_sha256"], seconds)
    return found


@pytest.mark.parametrize("loop", LOOPS)
def test_killed_at_random_moments_it_ends_at_the_same_bits(
    loop: str, whole: dict[str, Whole], tmp_path: Path, kills: int
) -> None:
    _, expected, seconds = whole[loop]
    dice = random.Random(loop)
    delays = [dice.uniform(0, seconds) for _ in range(kills)]

    def kill_and_resume(number: int) -> tuple[bool, bool]:
        runs = tmp_path / str(number)
        process = start(loop, runs)
        wait_for(runs, "*/config.json", process)
        time.sleep(delays[number])
        process.kill()
        finish(process)
        folder = the_run(runs)
        in_save = any(folder.glob(f"{CHECKPOINTS}/{checkpoint.PARTIAL}*"))
        code, errors = resume(loop, runs, folder.name)
        assert code == 0, errors
        assert not any(folder.glob(f"{CHECKPOINTS}/{checkpoint.PARTIAL}*"))
        return in_save, result_of(folder)["weights_sha256"] == expected

    with ThreadPoolExecutor(TOGETHER) as pool:
        outcomes = list(pool.map(kill_and_resume, range(kills)))
    exact = sum(same for _, same in outcomes)
    count(
        **{
            "kills tried": kills,
            "of them inside a save": sum(in_save for in_save, _ in outcomes),
            "bit-exact resumes": exact,
        }
    )
    assert exact == kills


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("loop", LOOPS)
def test_signal_ends_with_its_code_and_the_run_goes_on_to_the_same_bits(
    loop: str, number: signal.Signals, whole: dict[str, Whole], tmp_path: Path
) -> None:
    process = start(loop, tmp_path)
    wait_for_training(tmp_path, process)
    process.send_signal(number)
    code, errors = finish(process)
    assert code == 128 + number
    assert "Traceback" not in errors
    folder = the_run(tmp_path)
    assert f"--resume {folder.name}" in errors
    assert result_of(folder)["status"] == "interrupted"
    assert resume(loop, tmp_path, folder.name)[0] == 0
    note_fault(folder, whole[loop].weights_sha256)


def test_second_interrupt_leaves_at_once(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\nfrom loops.run.signals import StopRequest\n"
        "with StopRequest() as stop:\n    stop.polite = True\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    assert stop.number == signal.SIGINT\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    print('still here', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 130
    assert "still here" not in done.stdout


def test_second_process_on_a_run_leaves_and_names_the_first(whole: dict[str, Whole], tmp_path: Path) -> None:
    first = start("tape", tmp_path)
    wait_for_training(tmp_path, first)
    first.send_signal(signal.SIGSTOP)  # at work, but not done before the second has looked
    try:
        code, errors = resume("tape", tmp_path, the_run(tmp_path).name)
    finally:
        first.send_signal(signal.SIGCONT)
    assert code == 1
    assert f"belongs to process {first.pid}" in errors
    assert finish(first)[0] == 0
    note_fault(the_run(tmp_path), whole["tape"].weights_sha256)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("loop", LOOPS)
def test_full_disk_keeps_checkpoint_and_results_and_goes_on_once_there_is_room(
    loop: str, whole: dict[str, Whole], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "18m"):  # three checkpoints of 5 MB
        earlier = disk / "earlier.json"
        earlier.write_text('{"accuracy": 1}')
        process = start(loop, disk / "runs")
        wait_for(disk / "runs", f"*/{CHECKPOINTS}/{checkpoint.PREFIX}*", process)
        with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while True:  # somebody else fills the disk
                ballast.write(bytes(2**12))
        code, errors = finish(process)
        folder = the_run(disk / "runs")
        assert code == 1, errors
        assert "No space left on device" in errors
        assert "bytes" in errors
        assert "Traceback" not in errors
        assert not any(folder.glob(f"{CHECKPOINTS}/{checkpoint.PARTIAL}*"))
        assert checkpoint.latest(folder / CHECKPOINTS, pytest.fail)
        assert earlier.read_text() == '{"accuracy": 1}'
        (disk / "ballast").unlink()
        code, errors = resume(loop, disk / "runs", folder.name)
        assert code == 0, errors
        note_fault(folder, whole[loop].weights_sha256)


def test_folder_without_rights_is_refused_before_training(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    runs = tmp_path / "runs"
    runs.mkdir(mode=0o755)
    for folder in [tmp_path, *tmp_path.parents[:2]]:
        folder.chmod(0o755)
    code = (
        "import os, sys\nfrom loops import cli, data, device\n"
        "cli.parse(['tape'])  # imports what lies where only root may look\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "device.start = lambda choice: sys.exit('TensorFlow was started')\n"
        f"sys.exit(cli.main(['tape', '--runs', {str(runs)!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stderr
    assert f"--runs {runs}: cannot be written (Permission denied)" in done.stderr
    assert "Traceback" not in done.stderr
    count(**{"faults injected": 1})


@pytest.fixture
def saved(whole: dict[str, Whole]) -> Path:
    """The checkpoints of a finished run."""
    return whole["tape"].folder / CHECKPOINTS


EXAMPLES = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@EXAMPLES
@given(data=st.data())
def test_damaged_checkpoint_is_always_detected(data: st.DataObject, saved: Path) -> None:
    (folder,) = saved.iterdir()
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    raw = path.read_bytes()
    path.write_bytes(damaged(data, raw))
    count(**{"damaged files tried": 1})
    try:
        with pytest.raises(checkpoint.CheckpointError):
            checkpoint.verify(folder)
    finally:
        path.write_bytes(raw)
    count(**{"damaged files detected": 1})


@EXAMPLES
@given(data=st.data())
def test_damaged_data_file_is_refused_or_holds_the_official_contents(
    data: st.DataObject, tmp_path: Path
) -> None:
    spec = data.draw(st.sampled_from([FILES["train_labels"], FILES["test_labels"], FILES["test_images"]]))
    path = tmp_path / spec.name
    path.write_bytes(damaged(data, (EMBEDDED / spec.name).read_bytes()))
    count(**{"damaged files tried": 1})
    try:
        array = read_idx(path, spec)
    except DataError as refusal:
        named = str(path) in str(refusal)
    else:  # a byte of the gzip header that says nothing of the contents, such as the time
        assert hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == spec.sha256
        assert array.shape == spec.shape
        count(**{"damaged files whose contents are intact all the same": 1})
        return
    assert named
    count(**{"damaged files detected": 1})


FILES, EMBEDDED, read_idx = data.FILES, data.EMBEDDED, data.read_idx


def damaged(data: st.DataObject, raw: bytes) -> bytes:
    """One byte flipped, or the end cut off."""
    position = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        return raw[:position]
    return raw[:position] + bytes([raw[position] ^ data.draw(st.integers(1, 255))]) + raw[position + 1 :]


def test_config_that_is_damaged_is_refused(tmp_path: Path, saved: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(saved.parent, runs / "run")
    (runs / "run" / "result.json").unlink()
    (runs / "run" / "config.json").write_text("{")
    code, errors = finish(
        subprocess.Popen(
            [*SMALL, "tape", "--runs", str(runs), "--resume", "run"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    assert code == 1
    assert "config.json: unreadable" in errors
    assert "Traceback" not in errors
    count(**{"faults injected": 1})
