"""Small data and small configs for all tests; TensorFlow on the CPU, quiet."""

import sys
from typing import Any

import pytest

from loops import device

CPU = device.start("cpu")

from loops import data  # noqa: E402  (TensorFlow must start on the CPU first)
from loops.data import FashionMnist  # noqa: E402
from tests.fault_counts import COUNTS, count  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the fault tests go on."""
    parser.addoption("--kills", type=int, default=20, help="random kills of each loop (20)")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes (pytest -n) hands its counts over."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = dict(COUNTS)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_testnodedown(node: Any) -> None:
    """Take over the counts of a process that is done."""
    count(**getattr(node, "workeroutput", {}).get("faults", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The counts of the fault tests."""
    if COUNTS:
        terminalreporter.section("faults")
        terminalreporter.write_line(", ".join(f"{name}: {number}" for name, number in COUNTS.items()))


@pytest.fixture
def without_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where TensorBoard is not installed."""
    for name in [name for name in sys.modules if name.startswith("tensorboard.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)


@pytest.fixture(scope="session")
def kills(pytestconfig: pytest.Config) -> int:
    """Random kills of each loop."""
    return int(pytestconfig.getoption("--kills"))


@pytest.fixture(scope="session")
def fashion() -> FashionMnist:
    """All 70,000 real images."""
    return data.load()


@pytest.fixture(scope="session")
def small(fashion: FashionMnist) -> FashionMnist:
    """250 images to train on and 70 to test: at batch size 60 both end with a partial batch."""
    return FashionMnist(fashion.train.first(250), fashion.test.first(70))
