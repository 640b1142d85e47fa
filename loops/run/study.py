"""Trainings over many seeds: each loop for each seed, less what is there, from where it was stopped."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.files import CHECKPOINTS, CONFIG, RESULT, read_json
from loops.history import Hooks, ignore
from loops.run import checkpoint
from loops.run.context import Training
from loops.run.environment import changes, describe
from loops.run.experiment import LOOPS, RunOptions, run_experiment
from loops.run.resume import is_done
from loops.run.seeds import Result
from loops.run.signals import StopRequest

Follow = Callable[[Training], AbstractContextManager[Hooks]]


class Study:
    """The trainings of one study, kept in `folder`."""

    def __init__(
        self,
        data: FashionMnist,
        config: TrainConfig,
        device: Device,
        folder: Path,
        stop: StopRequest | None = None,
    ) -> None:
        self._data, self._config, self._device = data, config, device
        self._folder, self._stop = folder, stop

    def results(self, seeds: Sequence[int], follow: Follow) -> list[Result]:
        """The result of each loop for each seed; what is missing is trained, with the hooks of `follow`."""
        trainings = [
            Training(loop, replace(self._config, seed=seed), self._data, self._device)
            for seed in seeds
            for loop in LOOPS
        ]
        return [self._result(training, follow) for training in trainings]

    def _result(self, training: Training, follow: Follow) -> Result:
        found = find_result(self._folder, training)
        if found is None:
            self._train(training, follow)
            found = find_result(self._folder, training)
        assert found is not None
        return found

    def _train(self, training: Training, follow: Follow) -> None:
        options = RunOptions(resume=find_unfinished(self._folder, training), stop=self._stop)
        with follow(training) as hooks:
            outcome = run_experiment(
                training, self._folder, on_step=hooks.on_step, on_epoch=hooks.on_epoch, options=options
            )
        shutil.rmtree(outcome.folder / CHECKPOINTS)  # of many runs, what the summary needs is enough


def find_result(folder: Path, training: Training) -> Result | None:
    """The finished run of this training in `folder`, if there is one."""
    config = training.config
    for path in sorted(folder.glob(f"*-{training.loop}-seed{config.seed}*/{RESULT}")):
        try:
            result: Result = json.loads(path.read_text(encoding="utf-8"))
            settings = json.loads((path.parent / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        wanted = (config.epochs, config.batch_size, config.learning_rate, config.seed)
        keys = ("epochs", "batch_size", "learning_rate", "seed")
        same = tuple(settings.get(key) for key in keys) == wanted and settings.get("loop") == training.loop
        if same and result.get("status") == "done" and _made_here(result, training):
            return result
    return None


def find_unfinished(folder: Path, training: Training) -> Path | None:
    """A run of this training that was stopped or killed, and can go on as if it had not been."""
    name = f"*-{training.loop}-seed{training.config.seed}*"
    for path in sorted(folder.glob(f"{name}/{CHECKPOINTS}")):
        run = path.parent
        same = read_json(run / CONFIG) == training.settings
        if same and not is_done(run) and _goes_on_here(path, training):
            return run
    return None


def _made_here(result: Result, training: Training) -> bool:
    """Whether all of it comes from an environment like this one, as far as the claim rests on it."""
    resumed = [each["changed"] for each in result.get("resumed", [])]
    same = _unchanged(result.get("environment", {}), resumed, training)
    return same and result.get("device") == training.device.kind


def _goes_on_here(checkpoints: Path, training: Training) -> bool:
    found = checkpoint.latest(checkpoints, ignore)
    resumed = [each["changed"] for each in found.resumed] if found else []
    return found is not None and _unchanged(found.environment, resumed, training)


def _unchanged(then: Mapping[str, Any], resumed: Sequence[Mapping[str, Any]], training: Training) -> bool:
    """A study may take longer than a commit, and many commits change no training."""
    now = describe(training.device, jit_compile=training.config.jit_compile)
    return not {name for changed in (changes(then, now), *resumed) for name in changed} - {"commit"}
