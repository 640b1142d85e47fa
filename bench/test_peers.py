"""How long do other frameworks take for the same step: each against fit()'s, on one batch in memory."""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.arms import make_arm
from bench.harness import References, fewer, measure
from bench.peers.frameworks import PEERS, Peer, PeerProcesses, version_in
from bench.peers.tape_losses import problem_of
from bench.rows import start_row
from bench.steps import fixed_batch
from bench.sweep import BATCH_SIZE, FIT
from loops.data import FashionMnist
from loops.device import Device

SIZES = (8, 32, BATCH_SIZE)
HOW = "pip install -e '.[peers]', or --peers PYTHON for the interpreter that has it"


@functools.cache
def versions(interpreter: Path) -> dict[str, str]:
    """The version of each framework there."""
    return {framework: version_in(interpreter, framework) for framework, _ in PEERS}


@pytest.fixture(scope="module")
def processes(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PeerProcesses]:
    """The frameworks' processes."""
    own = PeerProcesses(pytestconfig.getoption("--peers"), tmp_path_factory.mktemp("peers"))
    yield own
    own.close()


@pytest.mark.parametrize(("peer", "batch_size"), [*itertools.product(map(Peer._make, PEERS), SIZES)], ids=str)
def test_peer(
    benchmark: Any,
    device: Device,
    peer: Peer,
    batch_size: int,
    fashion: FashionMnist,
    references: References,
    processes: PeerProcesses,
    pytestconfig: pytest.Config,
    pairs: int,
) -> None:
    """The same network, batch, loss and optimizer in float32; first losses are held against the tape's."""
    if device.kind != "cpu":
        pytest.skip("peers are measured on the CPU")
    version = versions(pytestconfig.getoption("--peers"))[peer.framework]
    if not version:
        interpreter = pytestconfig.getoption("--peers")
        pytest.skip(f"{interpreter} cannot import {peer.framework}: {HOW}")
    start_row(benchmark, device, "peers", kind="peer", arm=peer.name, version=version)
    problem = problem_of(fashion, batch_size)
    fit = references.get(batch_size, lambda: make_arm(FIT, fixed_batch(fashion, batch_size)))
    measure(
        benchmark,
        lambda: processes.arm(peer, problem),
        fit,
        pairs=fewer(pairs),
        batch_size=batch_size,
    )
