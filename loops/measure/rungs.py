"""Which rung of the fast loop is the fastest on this machine: timed once, and kept for the next training."""

import functools
import os
import statistics
from pathlib import Path

import tensorflow as tf

from loops.batches import permutation
from loops.config import TrainConfig
from loops.data import Split
from loops.device import Device
from loops.errors import UserError
from loops.fast.loop import make_steps
from loops.fast.rungs import BY_KEY, IN_PARTS, Rung, runs_on
from loops.files import read_json, write_json
from loops.measure.makes import Contestant, Makes, Say
from loops.metrics import RunningMetrics
from loops.run.environment import describe
from model import new_model

FIRST_ROUNDS = 2  # blocks of each rung
ROUNDS = 5  # blocks of each rung that is near the fastest
NEAR = 1.5  # times the fastest's time in one block
LARGEST = 1000  # images of the batches that are timed; the largest below it that can be cut as the batch can
# A call of the compiled step costs some 10 ms, and the loop makes one a tenth of an epoch
BLOCK_SECONDS = 0.4
FACTS = (
    *("tensorflow", "numba", "onednn", "cores", "cpu_quota", "threads_intra_op", "threads_inter_op"),
    "variables",
)


class FastArm:
    """Steps of the fast loop, all of a block in one call; goes round its own order of images."""

    def __init__(self, rung: Rung, split: Split, batch_size: int) -> None:
        config = TrainConfig(batch_size=batch_size)
        optimizer = tf.keras.optimizers.Adam()
        self.model = new_model(0)
        self._steps, _ = make_steps(self.model, optimizer, RunningMetrics(), split, config, rung)
        self._order = permutation(len(split), config.seed, 0)
        self._in_epoch = len(split) // batch_size

    def run(self, steps: int) -> None:
        """Train `steps` steps, in as many calls as epochs they span, and wait for the device."""
        while steps > 0:
            count = min(steps, self._in_epoch)
            self._steps(self._order, tf.constant(0), tf.constant(count))
            steps -= count
        tf.test.experimental.sync_devices()

    def close(self) -> None:
        """Nothing runs between blocks."""


def fastest_rung(split: Split, batch_size: int, device: Device, say: Say) -> str:
    """The name of the rung that takes least time a step here, with its share of the input.

    It is timed once for a machine, its settings and a batch size; `rungs.json` in the user's cache keeps it.
    """
    path, key = cache_file(), _key(device, batch_size)
    kept = dict(read_json(path))
    known = kept.get(key)
    if isinstance(known, str) and known in BY_KEY and runs_on(BY_KEY[known], device.kind):
        return known
    rungs = {name: rung for name, rung in BY_KEY.items() if runs_on(rung, device.kind)}
    say(f"timing the rungs {', '.join(rungs)} for some 10 s, once for this machine and batch size …")
    seconds = time_rungs(rungs, split, _timed_size(batch_size, len(split)))
    found = min(seconds, key=seconds.__getitem__)
    say(", ".join(f"{name} {1000 * each:.2f} ms/step" for name, each in seconds.items()))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, kept | {key: found})
        say(f"{found} is the fastest, which {path} keeps; --rung names another")
    except (OSError, UserError):
        say(f"{found} is the fastest; {path} cannot be written, so the next training asks again")
    return found


def time_rungs(rungs: dict[str, Rung], split: Split, batch_size: int) -> dict[str, float]:
    """Seconds of a step by each rung: of two blocks, of more for those that are near the fastest."""
    if any(rung.compiled for rung in rungs.values()):
        from loops.fast.compiled import build

        build.finish()  # it would hold a core
    seconds = _medians(rungs, split, batch_size, FIRST_ROUNDS)
    near = {name: rung for name, rung in rungs.items() if seconds[name] < NEAR * min(seconds.values())}
    return seconds | _medians(near, split, batch_size, ROUNDS) if len(near) > 1 else seconds


def _medians(rungs: dict[str, Rung], split: Split, batch_size: int, rounds: int) -> dict[str, float]:
    arms = {name: functools.partial(FastArm, rung, split, batch_size) for name, rung in rungs.items()}
    makes = Makes({name: Contestant(make) for name, make in arms.items()}, block_seconds=BLOCK_SECONDS)
    makes.time(rounds)
    return {name: statistics.median(makes.samples[name].makes[0]) for name in rungs}


def _timed_size(batch_size: int, images: int) -> int:
    size = min(batch_size, images)
    return size if size <= LARGEST else LARGEST - LARGEST % IN_PARTS.parts + size % IN_PARTS.parts


def cache_file() -> Path:
    """Where the rungs are kept: in XDG_CACHE_HOME, by default ~/.cache."""
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # works without a home too
    return Path(folder) / "fit-vs-tape" / "rungs.json"


def _key(device: Device, batch_size: int) -> str:
    facts = describe(device, jit_compile=False)
    own = [f"{name}={facts[name]}" for name in FACTS]
    return "; ".join([device.name, *own, f"rungs={','.join(BY_KEY)}", f"batch_size={batch_size}"])
