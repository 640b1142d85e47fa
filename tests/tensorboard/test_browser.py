"""TensorBoard in a real browser over fresh runs: both loops there, no page empty; skipped without one."""

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

from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.run.context import Training
from loops.run.experiment import RunOptions, run_experiment
from tests.conftest import CPU

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--disable-quic"]
PAGES = {  # what a page must show: a text in it
    "timeseries": "ms_per_step",
    "custom_scalars": "difference fit − tape",
    "images": "confusion matrix",
    "graphs": "Main Graph",
    "histograms": "conv1/kernel",
    "text": "411,242",
    "pr_curves": "Ankle boot",
    "hparams": "test_accuracy",
}
WAIT = 60_000  # ms


@pytest.fixture(scope="module")
def address(small: FashionMnist, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on a free port of localhost, over a run of each loop."""
    runs = tmp_path_factory.mktemp("runs")
    for loop in ("fit", "tape"):
        config = TrainConfig(epochs=2, batch_size=60)
        run_experiment(Training(loop, config, small, CPU), runs, options=RunOptions(pages_every=1))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        found = f"http://localhost:{port}"
        _wait_for(f"{found}/data/runs")
        yield found
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, whatever it is called here."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=QUIET)
        yield opened
        opened.close()


@pytest.mark.parametrize("page_name", PAGES)
def test_page_holds_data(page_name: str, address: str, browser: Any, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    try:
        page.goto(f"{address}/#{page_name}")
        page.get_by_text(PAGES[page_name]).first.wait_for(state="attached", timeout=WAIT)
        page.screenshot(path=tmp_path / f"{page_name}.png")
    finally:
        page.close()


def test_time_series_lists_both_runs(address: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    try:
        page.goto(f"{address}/#timeseries")
        page.get_by_text(re.compile("-tape-seed0")).first.wait_for(timeout=WAIT)
        listed = page.inner_text("body")
        assert "-fit-seed0" in listed
    finally:
        page.close()


def _wait_for(address: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if b"tape" in answer.read():
                    return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail(f"{address}: no answer in a minute")
