"""Options, fixtures and the closing table of `pytest bench`; one process measures one device."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.gpu_process import measure_gpu
from bench.options import add_options, refuse_bad_values
from bench.report.closing import closing_table
from loops import data
from loops import device as devices
from loops.config import TrainConfig
from loops.data import DataError, FashionMnist
from loops.device import Device, DeviceError
from loops.errors import UserError
from loops.run.environment import changes, describe, worded

if TYPE_CHECKING:
    from bench.harness import References

ENVIRONMENT = dict(os.environ)  # as it was before a GPU was hidden from this process
NO_GPU = "TensorFlow sees no GPU on this machine"
HERE = pytest.StashKey[Device]()
LOAD = pytest.StashKey[float]()
PROBE = pytest.StashKey[subprocess.Popen[bytes]]()
ROWS = pytest.StashKey[list[dict[str, Any]]]()
ELSEWHERE_FACTS = pytest.StashKey[dict[str, Any]]()
ELSEWHERE = pytest.StashKey[list[dict[str, Any]]]()  # rows that the GPU's own process measured


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the bench alone."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Start TensorFlow on the one device of this process, before a test module imports it."""
    refuse_bad_values(config)
    if config.getoption("--device") == "all" and not (config.option.help or config.option.collectonly):
        config.stash[PROBE] = devices.look_for_gpu(ENVIRONMENT)  # while this process starts TensorFlow
    config.addinivalue_line("markers", "grid: only with --grid")
    config.stash[LOAD] = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    try:
        config.stash[HERE] = devices.start("gpu" if config.getoption("--device") == "gpu" else "cpu")
    except DeviceError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[ROWS], config.stash[ELSEWHERE], config.stash[ELSEWHERE_FACTS] = [], [], {}


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no process behind."""
    if PROBE in config.stash:
        config.stash[PROBE].wait()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A row for each device that `--device` names, and for each arm of each case."""
    if "case_row" in metafunc.fixturenames:
        from bench.cases import rows_of  # imports TensorFlow, which pytest_configure starts

        rows = rows_of(metafunc.config.getoption("--case"))
        metafunc.parametrize("case_row", rows, ids=[row.name for row in rows])
    if "device" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--device")
        metafunc.parametrize("device", ["cpu", "gpu"] if chosen == "all" else [chosen], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the grid's extra rows out unless asked for, and all rows of the CNN where a case is given."""
    of_case = bool(config.getoption("--case"))
    extra = [
        item
        for item in items
        if ("case_row" in getattr(item, "fixturenames", ())) != of_case
        or (item.get_closest_marker("grid") and not config.getoption("--grid"))
        or (item.path.name == "test_peers.py" and not config.getoption("--peers"))
    ]
    items[:] = [item for item in items if item not in extra]
    config.hook.pytest_deselected(items=extra)


@pytest.fixture
def pairs(pytestconfig: pytest.Config) -> int:
    """How many pairs of blocks stand behind a ratio."""
    return int(pytestconfig.getoption("--pairs"))


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Device:
    """The device that this process measures; rows of another one are skipped here, with the reason."""
    here = request.config.stash[HERE]
    gpu = gpu_is_there(request.config)  # asked for the CPU's rows too: none is timed beside that process
    if request.param != here.kind:
        pytest.skip("measured in a process of its own, below" if gpu else NO_GPU)
    return here


@pytest.fixture(scope="session")
def fashion() -> FashionMnist:
    """The 70,000 real images."""
    try:
        return data.load(data.find_folder(None))
    except DataError as error:
        pytest.exit(f"error: {error}", returncode=1)


@pytest.fixture(scope="session")
def needed(fashion: FashionMnist, pytestconfig: pytest.Config) -> dict[str, float]:
    """Multiply-adds an image that a step needs on these images, by part of the step."""
    # They import TensorFlow, which pytest_configure starts
    from bench.needed import needed_in_training
    from loops.fast.rungs import best_rung

    return needed_in_training(fashion, best_rung(pytestconfig.stash[HERE].kind))


@pytest.fixture(scope="module")
def references() -> Iterator["References"]:
    """The arms that rows of one file are timed against."""
    from bench.harness import References  # imports TensorFlow, which pytest_configure starts

    own = References()
    yield own
    own.close()


@pytest.fixture(scope="session")
def trainings(fashion: FashionMnist, pytestconfig: pytest.Config) -> Iterator[Any]:
    """The full trainings of this session, kept as runs for TensorBoard unless --no-board is given."""
    from bench.trainings import Trainings  # imports TensorFlow, which pytest_configure starts

    config = TrainConfig(epochs=pytestconfig.getoption("--epochs"))
    with contextlib.ExitStack() as stack:
        runs = pytestconfig.getoption("--board")
        if pytestconfig.getoption("--no-board"):
            runs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield Trainings(fashion, config, pytestconfig.stash[HERE], runs, _announcer(pytestconfig))


def _announcer(config: pytest.Config) -> Callable[[str], None]:
    """Prints a line at once, past pytest's capture: a training takes longer than people wait in silence."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def announce(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {line}", end="", flush=True)

    return announce


@pytest.fixture(autouse=True)
def collect_row(request: pytest.FixtureRequest, device: Device, benchmark: Any) -> Iterator[None]:
    """Say which row runs, and collect what it found, as the JSON file will hold it, for the closing table."""
    _announcer(request.config)(request.node.name)
    yield
    if benchmark.stats is not None and not benchmark.has_error:
        request.config.stash[ROWS].append(dict(benchmark.extra_info))


def gpu_is_there(config: pytest.Config) -> bool:
    """Whether --device all found a GPU; waits for the process that looks."""
    return PROBE in config.stash and config.stash[PROBE].wait() == 0


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark writes its JSON
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --device all and a GPU in the machine: measure it now, in a process of its own."""
    config = session.config
    if config.getoption("--device") != "all" or not config.stash[ROWS] or not gpu_is_there(config):
        return
    status, measured = measure_gpu(config.invocation_params.args, ENVIRONMENT)
    session.exitstatus = session.exitstatus or status
    if measured:
        config.stash[ELSEWHERE].extend(measured["benchmarks"])
        config.stash[ELSEWHERE_FACTS].update(measured["machine_info"]["fit_vs_tape"])


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Put the GPU's rows beside the CPU's in one file."""
    output_json["benchmarks"].extend(config.stash[ELSEWHERE])
    if config.stash[ELSEWHERE_FACTS]:
        output_json["machine_info"]["fit_vs_tape_gpu"] = config.stash[ELSEWHERE_FACTS]


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Record what timings depend on beside pytest-benchmark's own facts."""
    facts = describe(config.stash[HERE], jit_compile=False)
    machine_info["fit_vs_tape"] = facts | {"load_at_start": config.stash[LOAD]}


@pytest.hookimpl(wrapper=True)
def pytest_benchmark_compare_machine_info(
    benchmarksession: Any, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
) -> Iterator[None]:
    """What differs, in place of two whole descriptions, which always differ in load and commit."""
    then, compared_benchmark["machine_info"] = compared_benchmark["machine_info"], machine_info
    yield  # pytest-benchmark finds no difference
    compared_benchmark["machine_info"] = then
    changed = changes(then.get("fit_vs_tape", {}), machine_info["fit_vs_tape"])
    changed.pop("commit", None)
    if changed:
        benchmarksession.logger.warning(
            f"the saved figures are of another machine or setting: {worded(changed)}. "
            "What looks like a regression may be no more than that."
        )


@pytest.hookimpl(wrapper=True)  # after everybody else's
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> Iterator[None]:
    """The closing table, and why rows are missing from it."""
    yield
    rows = config.stash[ROWS] + [row["extra_info"] for row in config.stash[ELSEWHERE]]
    if rows:
        terminalreporter.section("fit against tape")
        terminalreporter.write_line(closing_table(rows, load_at_start=config.stash[LOAD]))
        if not (config.getoption("--no-board") or config.getoption("--no-figures")):
            terminalreporter.write_line(f"\nfor TensorBoard: {_write_board(rows, config)}")
    if any(NO_GPU in str(skipped.longrepr) for skipped in terminalreporter.getreports("skipped")):
        terminalreporter.write_line(f"\nGPU rows skipped: {NO_GPU}")


def _write_board(rows: list[dict[str, Any]], config: pytest.Config) -> str:
    """Where the rows were written, or why not: the table above must not be lost to it."""
    from bench.report.board import write_board  # imports TensorFlow, which pytest_configure starts

    try:
        return str(write_board(rows, config.getoption("--board")) or "not written, it is not installed")
    except (OSError, UserError) as error:
        return f"not written ({error})"
