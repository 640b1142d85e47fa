"""Several real processes: the same bits for every number of them, and what is refused before training."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from loops import cli
from loops.distribute import launch
from loops.distribute.cluster import ClusterError
from loops.distribute.launch import free_ports
from tests.distribute.processes import (
    ROOT,
    SMALL,
    WHOLE,
    cluster,
    environment,
    finish,
    the_run,
    trained,
)

SETTINGS = [
    "--epochs",
    "2",
    "--batch-size",
    "60",
    "--seed",
    "7",
]  # 250 images: the last batch has 10 for 8 shards
SHORT = ["--epochs", "1", "--batch-size", "250"]


def test_one_two_and_four_workers_end_at_the_same_bits(tmp_path: Path) -> None:
    results = [trained(tmp_path / n, *SETTINGS, "--workers", n) for n in ("1", "2", "4")]
    alone = trained(tmp_path / "alone", *SETTINGS, "--shards", "8")
    for result in (*results, alone):
        assert result["weights_sha256"] == results[0]["weights_sha256"]
        assert [each["metrics"] for each in result["history"]] == [
            each["metrics"] for each in results[0]["history"]
        ]
        assert result["bit_identical_claimed"]
    assert [result["environment"]["workers"] for result in results] == [1, 2, 4]
    assert json.loads((the_run(tmp_path / "4") / "config.json").read_text())["shards"] == 8


def test_real_images_give_the_same_bits_on_one_and_two_workers(tmp_path: Path) -> None:
    settings = ["--epochs", "1", "--batch-size", "2570", "--seed", "7"]  # 24 steps, the last of 890 images
    hashes = [
        trained(tmp_path / n, *settings, "--workers", n, program=WHOLE)["weights_sha256"] for n in ("1", "2")
    ]
    assert hashes[0] == hashes[1]


@pytest.mark.slow
def test_fast_reduction_trains_alike_and_claims_its_number_of_workers(tmp_path: Path) -> None:
    ordered = trained(tmp_path / "ordered", *SETTINGS, "--workers", "2")
    fast = trained(tmp_path / "fast", *SETTINGS, "--workers", "2", "--reduce", "fast")
    assert fast["environment"]["reduced_by"] == "2 workers"
    losses = [result["history"][-1]["metrics"]["loss"] for result in (ordered, fast)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def refused(
    tmp_path: Path, *options: list[str], variables: dict[int, dict[str, str]] | None = None
) -> list[str]:
    """The messages of workers that all end with 1 before they train."""
    with cluster(tmp_path, *options, variables=variables or {}) as processes:
        ends = [finish(process) for process in processes]
    assert [code for code, _ in ends] == [1] * len(options), ends
    for _, errors in ends:
        assert "Traceback" not in errors
    assert not any(tmp_path.glob("*/checkpoints/*"))
    return [errors for _, errors in ends]


def test_a_worker_with_another_seed_is_refused_by_name(tmp_path: Path) -> None:
    for errors in refused(tmp_path, [*SHORT, "--seed", "1"], [*SHORT, "--seed", "2"]):
        assert "worker 1 (127.0.0.1:" in errors
        assert "--seed is 2 there and 1 on worker 0" in errors
    assert not any(tmp_path.iterdir())


def test_a_worker_with_another_version_is_refused_by_name(tmp_path: Path) -> None:
    pretended = {1: {"PRETENDED_KERAS": "3.14.0"}}
    for errors in refused(tmp_path, SHORT, SHORT, variables=pretended):
        assert "keras is 3.14.0 there" in errors


def test_a_worker_with_other_data_is_refused_by_name(tmp_path: Path) -> None:
    pretended = {1: {"PRETENDED_IMAGES": "249"}}
    for errors in refused(tmp_path, SHORT, SHORT, variables=pretended):
        assert "worker 1 (127.0.0.1:" in errors
        assert "data is " in errors


def test_what_the_chief_refuses_is_told_by_all(tmp_path: Path) -> None:
    more = [*SHORT, "--resume", "no-such-run"]
    first, second = refused(tmp_path, more, more)
    assert "error: --resume no-such-run: no run of that name" in first
    assert "refuses: --resume no-such-run" in second


def test_a_worker_that_does_not_come_is_named_in_time(tmp_path: Path) -> None:
    described = json.dumps(
        {
            "cluster": {"worker": [f"127.0.0.1:{free_ports(1)[0]}", "127.0.0.1:9"]},
            "task": {"type": "worker", "index": 0},
        }
    )
    command = [*SMALL, "tape", "--runs", str(tmp_path), "--cluster", "auto", "--wait", "3"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment({"TF_CONFIG": described}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "worker 1 (127.0.0.1:9) did not come within 3 seconds" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workers", "3"], "8 shards cannot be shared evenly by 3 workers: use 1, 2, 4 or 8"),
        (["--workers", "2", "--fast"], "--workers with --fast: the fast loop runs in one process"),
        (["--shards", "4", "--rung", "parts"], "--shards with --rung"),
        (["--cluster", "auto"], "neither TF_CONFIG nor a Slurm step is set"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(
    options: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable in ("TF_CONFIG", "SLURM_PROCID"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "_exit", lambda code: None)
    monkeypatch.setattr(launch, "run", lambda *_, **__: pytest.fail("workers were started"))
    assert cli.main(["tape", "--runs", str(tmp_path), *options]) == 1
    assert told in capsys.readouterr().err


def test_fewer_gpus_than_workers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert launch.gpus_for(2, "auto") == ["3", "5"]
    assert launch.gpus_for(4, "cpu") == ()
    with pytest.raises(ClusterError, match="there are 2 GPUs"):
        launch.gpus_for(4, "auto")
