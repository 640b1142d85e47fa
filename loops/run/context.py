"""What is trained, and the folder that keeps it: what all pieces of this room share."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device

# Settings that came later and their defaults, which config.json leaves out, as older runs have it
LATER = {"rung": None, "shards": 1, "reduce": "ordered"}
Resumptions = Sequence[Mapping[str, Any]]  # of the run so far: at which step, and what had changed


@dataclass(frozen=True)
class Training:
    """What is trained, on what: the loop ("fit", "tape" or "fast"), its settings, images and processor."""

    loop: str
    config: TrainConfig
    data: FashionMnist
    device: Device

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the training images."""
        return self.config.steps_per_epoch(len(self.data.train))

    @property
    def steps(self) -> int:
        """Batches in all epochs."""
        return self.config.epochs * self.steps_per_epoch

    @property
    def settings(self) -> dict[str, Any]:
        """The loop and its settings, as config.json holds them."""
        settings = asdict(self.config)
        for name, default in LATER.items():
            if settings[name] == default:
                del settings[name]
        return {"loop": self.loop, **settings}

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint must have been made by, to go on with it here."""
        return {**self.settings, "images": len(self.data.train), "optimizer": "adam"}


@dataclass(frozen=True)
class Run:
    """One training in its folder, under one environment; `resumed` are its resumptions, this one included."""

    training: Training
    folder: Path
    environment: Mapping[str, Any]
    resumed: Resumptions = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What result.json says of a run whether it finishes or not."""
        known = {"loop": self.training.loop, "seed": self.training.config.seed}
        return {**known, "resumed": list(self.resumed)} if self.resumed else known

    @property
    def resume_command(self) -> str:
        """The command line that goes on with this run, and how on several workers where it can be shared."""
        command, shards = resume_command(self.folder, self.training.loop), self.training.config.shards
        several = f" (with --workers N or --cluster auto for several workers: N must divide {shards})"
        return command if shards == 1 else command + several


def resume_command(folder: Path, loop: str) -> str:
    """The command line that goes on with the run in `folder`."""
    runs = "" if folder.parent == Path("runs") else f" --runs {folder.parent}"
    return f"python -m loops {'fit' if loop == 'fit' else 'tape'}{runs} --resume {folder.name}"
