"""The study over seeds: resumed from what is there, summarised, saved."""

import contextlib
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.trainings import SEEDS_MEAN, SEEDS_STD
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.history import NO_HOOKS, Hooks
from loops.run import study
from loops.run.comparison import class_f1
from loops.run.context import Training
from loops.run.environment import describe
from loops.run.experiment import LOOPS
from loops.run.seeds import draw, parity_line, summarise, write_csv
from tests.conftest import CPU
from tests.run.test_checkpoint import CONFIG as SETTINGS_THERE
from tests.run.test_checkpoint import stopped_run

CONFIG = TrainConfig(epochs=1, batch_size=125)


def result(loop: str, seed: int, accuracy: float, sha: str = "a") -> dict[str, Any]:
    confusion = np.diag(np.full(10, 7)).tolist()
    scores = {"test_accuracy": accuracy, "f1_micro": accuracy, "f1_macro": accuracy, "test_loss": 0.3}
    return {
        "loop": loop,
        "seed": seed,
        "confusion": confusion,
        "weights_sha256": sha,
        "train_seconds": 1.0,
    } | scores


def test_study_trains_each_seed_by_each_loop_once(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Training] = []

    def follow(training: Training) -> contextlib.AbstractContextManager[Hooks]:
        trained.append(training)
        return contextlib.nullcontext(NO_HOOKS)

    own = study.Study(small, CONFIG, CPU, tmp_path)
    results = own.results(range(2), follow)
    text = summarise(results)
    assert "tape against fit: 2 of 2 seeds bit-identical" in text
    assert "fast against fit: 0 of 2 seeds bit-identical" in text
    assert "Ankle boot" in text
    with write_csv(results, tmp_path / "study.csv").open() as file:
        rows = list(csv.DictReader(file))
    loops = ("fit", "tape", "fast")
    assert [(row["seed"], row["loop"]) for row in rows] == [(seed, loop) for seed in "01" for loop in loops]
    assert draw(results, tmp_path / "study.png").read_bytes().startswith(b"\x89PNG")
    assert len(trained) == 6
    monkeypatch.setattr(study, "run_experiment", lambda *_: pytest.fail("trained again"))
    assert own.results(range(2), follow) == results


def test_run_that_failed_or_had_other_settings_does_not_count(small: FashionMnist, tmp_path: Path) -> None:
    folder, training = tmp_path / "1-fit-seed0", Training("fit", CONFIG, small, CPU)
    folder.mkdir()
    settings = {"loop": "fit", "epochs": 1, "batch_size": 125, "learning_rate": 1e-3, "seed": 0}
    (folder / "result.json").write_text(json.dumps({"status": "failed", "device": "cpu"}))
    (folder / "config.json").write_text(json.dumps(settings))
    assert study.find_result(tmp_path, training) is None
    done = {"status": "done", "device": "cpu", "environment": describe(CPU, jit_compile=False)}
    (folder / "result.json").write_text(json.dumps(done))
    assert study.find_result(tmp_path, training) is not None
    elsewhere = done | {"environment": done["environment"] | {"cpu": "another"}}  # type: ignore[operator]
    (folder / "result.json").write_text(json.dumps(elsewhere))
    assert study.find_result(tmp_path, training) is None
    (folder / "result.json").write_text(json.dumps(done))
    (folder / "config.json").write_text(json.dumps(settings | {"batch_size": 300}))
    assert study.find_result(tmp_path, training) is None


def saved_result(runs: Path, environment: dict[str, Any], **more: Any) -> None:
    """A finished run of fit on seed 0."""
    folder = runs / "1-fit-seed0"
    folder.mkdir(exist_ok=True)
    settings = {"loop": "fit", "epochs": 1, "batch_size": 125, "learning_rate": 1e-3, "seed": 0}
    (folder / "config.json").write_text(json.dumps(settings))
    done = {"status": "done", "device": "cpu", "environment": environment, **more}
    (folder / "result.json").write_text(json.dumps(done))


def test_run_under_other_variables_or_cores_does_not_count(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training("fit", CONFIG, small, CPU)
    here = describe(CPU, jit_compile=False) | {"cpu_quota": None, "variables": {}}
    monkeypatch.setattr(study, "describe", lambda *_, **__: here)
    for other in ({"variables": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}, {"cpu_quota": 0.5}, {"cores": 99}):
        saved_result(tmp_path, here | other)
        assert study.find_result(tmp_path, training) is None
    saved_result(tmp_path, here, resumed=[{"step": 1, "changed": {"threads_intra_op": [1, 2]}}])
    assert study.find_result(tmp_path, training) is None  # part of it was trained elsewhere
    saved_result(tmp_path, here | {"commit": "0af"}, resumed=[{"step": 1, "changed": {"commit": ["0", "1"]}}])
    assert study.find_result(tmp_path, training) is not None
    older = {name: value for name, value in here.items() if name not in ("variables", "cpu_quota")}
    saved_result(tmp_path, older)
    assert study.find_result(tmp_path, training) is not None
    monkeypatch.setattr(study, "describe", lambda *_, **__: here | {"variables": {"TF_X": "1"}})
    assert study.find_result(tmp_path, training) is None


def test_stopped_run_is_gone_on_with_under_the_same_variables_alone(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = stopped_run("tape", small, tmp_path, after=4)
    training = Training("tape", SETTINGS_THERE, small, CPU)
    assert study.find_unfinished(tmp_path, training) == stopped
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2")
    assert study.find_unfinished(tmp_path, training) is None


def test_summary_places_the_post_in_the_distribution() -> None:
    results = [result(loop, seed, 0.8762 + 0.01 * seed) for seed in (0, 1) for loop in LOOPS]
    text = summarise(results)
    # mean 0.8812, std of two values 0.01 apart is 0.00707; 0.8862 lies 0.7 of it above
    assert "test_accuracy  0.8812 ± 0.0071  (from 0.8762 to 0.8862)" in text
    assert "the post's 88.62%: 1 of 2 seeds reach it, +0.7 standard deviations" in text


def test_bits_that_differ_are_answered_by_the_equivalence_test() -> None:
    results = []
    for seed in range(5):
        results += [result("fit", seed, 0.88), result("tape", seed, 0.88 + 0.0001 * (seed - 2), sha="b")]
    line = parity_line(results, "tape")
    assert line.startswith("tape against fit: 0 of 5 seeds bit-identical; accuracy tape − fit +0.0000")
    assert line.endswith("equivalent within ± 0.005")


def test_class_f1_worked_out_by_hand() -> None:
    confusion = np.zeros((10, 10), int)
    confusion[0, 0], confusion[0, 1], confusion[1, 1] = 2, 1, 1
    assert class_f1(confusion.tolist())[:3] == pytest.approx([4 / 5, 2 / 3, 0])


def test_committed_study_is_the_distribution_that_the_bench_holds_scores_against() -> None:
    with (Path(__file__).parents[2] / "docs" / "study" / "study.csv").open() as file:
        rows = list(csv.DictReader(file))
    accuracies = np.array([float(row["test_accuracy"]) for row in rows if row["loop"] == "fit"])
    assert len(accuracies) == 20
    assert round(accuracies.mean(), 4) == SEEDS_MEAN
    assert round(accuracies.std(ddof=1), 4) == SEEDS_STD
