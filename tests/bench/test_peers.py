"""Other frameworks' rows: the problem that they get, refused arms, and frameworks that are not installed."""

import sys
from pathlib import Path

import numpy as np
import pytest

from bench.peers.frameworks import PEERS, Peer, version_in
from bench.peers.problem import PeerArm, load
from bench.peers.tape_losses import problem_of
from bench.report.peers import peers_table
from loops.data import FashionMnist
from loops.errors import UserError

PLACE = {"device": "cpu", "device_name": "some CPU", "machine": "m"}
RATIO = {"ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6, "pairs": 24, "batch_size": 8}
SPEED = {"ms_per_step": 2.0, "images_per_second": 4000.0}


def test_problem_comes_back_as_it_was_saved(fashion: FashionMnist, tmp_path: Path) -> None:
    problem = problem_of(fashion, 5)
    problem.save(tmp_path / "5.npz")
    found = load(tmp_path / "5.npz")
    for one, two in zip((*problem.weights, *problem[1:]), (*found.weights, *found[1:]), strict=True):
        np.testing.assert_array_equal(one, two)
    assert problem.losses[0] == pytest.approx(np.log(10), abs=0.5)
    assert (np.diff(problem.losses) < 0).all()


def test_an_arm_whose_losses_are_others_is_refused() -> None:
    losses = np.array([2.3, 2.1, 2.0, 1.9])
    steps = iter([2.3, 2.1, 2.0, 1.9, 1.8, 1.7])
    arm = PeerArm(lambda: next(steps), float, losses)
    arm.run(2)
    for wrong in ([2.30002, 2.1, 2.0, 1.9], [2.3, 2.1, 2.0, 1.92], [2.3, float("nan"), 2.0, 1.9]):
        others = iter(wrong)
        with pytest.raises(UserError, match="losses of the first steps"):
            PeerArm(lambda others=others: next(others), float, losses)  # type: ignore[misc]


def test_a_framework_that_is_not_there_has_no_version() -> None:
    assert version_in(Path(sys.executable), "numpy") == np.__version__
    assert version_in(Path(sys.executable), "no_such_framework") == ""
    assert version_in(Path("/no/such/python"), "numpy") == ""


def test_table_puts_the_fast_loop_beside_each_framework() -> None:
    peer = {**PLACE, **RATIO, **SPEED, "kind": "peer", "arm": Peer(*PEERS[0]).name, "version": "2.13.0"}
    rung = {**PLACE, **RATIO, **SPEED, "kind": "rung", "arm": "compiled step", "ratio": 0.07}
    text = peers_table([peer, rung, {**rung, "machine": "other", "ratio": 0.01}]).as_text()
    for part in ("PyTorch eager", "2.13.0", "0.500 [0.400, 0.600]", "0.070 [0.400, 0.600]", "faster"):
        assert part in text
    assert "0.010" not in text
