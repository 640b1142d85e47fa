"""What the bench writes for TensorBoard, and where TensorBoard lists it."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bench.report.board import write_board
from loops.run import folder as run_folder
from tests.bench.rows import ROWS

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training, the bench's measurements, and a training after them."""
    runs = tmp_path_factory.mktemp("runs")
    _write_training(runs, "fit")
    assert write_board([dict(row) for row in ROWS], runs)
    _write_training(runs, "tape")
    return runs


def _write_training(runs: Path, loop: str) -> None:
    with (
        run_folder.create(runs, {"loop": loop, "seed": 0}) as run,
        tf.summary.create_file_writer(str(run.path)).as_default(step=0),
    ):
        tf.summary.scalar("epoch_loss", 0.5)


def _is_training(name: str) -> bool:
    return "-seed0" in name


def test_board_holds_a_row_of_hparams_for_each_ratio_and_the_plots(tmp_path: Path) -> None:
    board = write_board([dict(row) for row in ROWS], tmp_path)
    assert board
    assert board.parent == tmp_path
    assert sorted(path.name for path in board.iterdir() if path.is_dir()) == [
        "step-fit-cpu-300",
        "step-tape-cpu-300",
        "step-tape-gpu-300",
    ]
    events = EventAccumulator(str(board / "step-tape-cpu-300")).Reload()
    assert tf.make_ndarray(events.Tensors("ratio_to_reference")[0].tensor_proto).item() == 0.5
    assert "_hparams_/session_start_info" in events.Tags()["tensors"]
    images = EventAccumulator(str(board)).Reload().Tags()["tensors"]
    assert {"ratio-by-batch-size", "gpu-against-cpu"} <= set(images)


def as_the_run_table_sorts(name: str) -> tuple[bool, int, str]:
    """TensorBoard 2.21's order of the table of runs: by the leading number, names without one first."""
    number = re.match(r"\d*", name)
    digits = number.group() if number else ""
    return bool(digits), int(digits or 0), name.removeprefix(digits)


def test_bench_comes_after_every_training_in_the_order_of_the_run_table(runs: Path) -> None:
    names = sorted((path.name for path in runs.iterdir()), key=as_the_run_table_sorts)
    assert [_is_training(name) for name in names] == [True, True, False]


@pytest.mark.browser
def test_bench_comes_after_every_training_in_the_browser(address: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    try:
        page.goto(f"{address}/#timeseries")
        page.get_by_text(re.compile("-tape-seed0")).first.wait_for(timeout=60_000)
        table = page.locator("runs-data-table").inner_text()
    finally:
        page.close()
    names = re.findall(r"^\d{8}\S+", table, flags=re.MULTILINE)
    assert [_is_training(name) for name in names] == [True] * 2 + [
        False
    ] * 4  # the rows, and tables with plots


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    """TensorBoard on a free port of localhost, once it has read all runs."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for_runs(f"http://localhost:{port}", 6)
        yield f"http://localhost:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for_runs(address: str, count: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/data/runs", timeout=5) as answer:
                if len(json.load(answer)) == count:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail(f"{address}: did not list {count} runs in a minute")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, whatever it is called here."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()
