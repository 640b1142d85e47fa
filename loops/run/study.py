"""Trainings over many seeds: each loop for each seed, less what is there, from where it was stopped."""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.files import read_json
from loops.history import Hooks
from loops.run.checkpoint import PREFIX
from loops.run.context import Training
from loops.run.environment import describe
from loops.run.experiment import LOOPS, RunOptions, run_experiment
from loops.run.saver import FOLDER as CHECKPOINTS
from loops.run.seeds import Result
from loops.run.settings import is_done
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
            outcome = run_experiment(training, self._folder, hooks, options)
        shutil.rmtree(outcome.folder / CHECKPOINTS)  # of many runs, what the summary needs is enough


def find_result(folder: Path, training: Training) -> Result | None:
    """The finished run of this training in `folder`, if there is one."""
    config = training.config
    for path in sorted(folder.glob(f"*-{training.loop}-seed{config.seed}*/result.json")):
        try:
            result: Result = json.loads(path.read_text(encoding="utf-8"))
            settings = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        wanted = (config.epochs, config.batch_size, config.learning_rate, config.seed)
        keys = ("epochs", "batch_size", "learning_rate", "seed")
        same = tuple(settings.get(key) for key in keys) == wanted and settings.get("loop") == training.loop
        if same and result.get("status") == "done" and _made_here(result, training.device):
            return result
    return None


def find_unfinished(folder: Path, training: Training) -> Path | None:
    """A run of this training that was stopped or killed, and has checkpoints to go on from."""
    name = f"*-{training.loop}-seed{training.config.seed}*"
    for path in sorted(folder.glob(f"{name}/{CHECKPOINTS}")):
        run = path.parent
        same = read_json(run / "config.json") == training.settings
        if same and not is_done(run) and any(path.glob(f"{PREFIX}*")):
            return run
    return None


def _made_here(result: Result, device: Device) -> bool:
    """Whether it comes from this processor, build, thread count and oneDNN setting, as the claim is about."""
    now, then = describe(device, jit_compile=False), result.get("environment", {})
    keys = ("tensorflow", "keras", "cpu", "gpu", "onednn", "threads_intra_op", "threads_inter_op")
    return result.get("device") == device.kind and all(then.get(key) == now[key] for key in keys)
