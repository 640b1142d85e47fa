"""One worker of a cluster: joins the others, sees that all agree, and trains with them."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loops import device
from loops.commands.options import given_settings, load_images
from loops.commands.workers import refuse_undivided, shards_of
from loops.config import THREADS_AN_OP, TrainConfig
from loops.distribute import cluster, launch
from loops.errors import UserError

if TYPE_CHECKING:
    from loops.data import FashionMnist
    from loops.distribute.workers import Workers
    from loops.run.context import Training


def work(
    options: argparse.Namespace,
    settle: Callable[[], tuple[TrainConfig, Path | None]],
    train: "Callable[[Training, Path | None, Workers], int]",
) -> int:
    """Be one worker: join, see that all agree, and train; `settle` gives the chief's config and run.

    Raises:
        UserError: the cluster cannot be joined, the workers differ, or the chief refuses.
    """
    launch.end_with_parent()
    options.ends_at_once = True  # TensorFlow's own clean-up would wait for workers that may be gone
    found = cluster.find(os.environ)
    images = load_images(options, writes=found.rank == 0)
    where, workers = _join(options, found)
    from loops.distribute.agreement import refuse_differences

    refuse_differences(workers, _facts(options, images, where))
    settled = _settled(workers, settle)
    if settled is None:  # a run that is done
        return 0
    config, resume = settled
    from loops.run.context import Training

    training = Training("tape", config, images, where)
    if workers.is_chief:
        return train(training, resume, workers)
    from loops.run.following import follow

    print(f"worker {workers.rank} of {workers.size} trains with {workers.name(0)}", file=sys.stderr)
    follow(training, workers, options.stop)
    return 0


def _join(options: argparse.Namespace, found: cluster.Cluster) -> "tuple[device.Device, Workers]":
    print(f"starting TensorFlow, and waiting for {found.size} workers …", file=sys.stderr)
    where = device.start(options.device, threads_an_op=THREADS_AN_OP, runtime=False)
    from loops.distribute.workers import ALONE, Joined

    return where, ALONE if found.size == 1 else Joined(found, options.wait)


def _settled(
    workers: "Workers", settle: Callable[[], tuple[TrainConfig, Path | None]]
) -> tuple[TrainConfig, Path | None] | None:
    """The chief's config and its run to go on with; None where that is done. The others hear it."""
    from loops.run.following import hear_chief
    from loops.run.resume import is_done

    if not workers.is_chief:
        given = hear_chief(workers)["config"]
        return (TrainConfig(**given), None) if given else None
    try:
        config, resume = settle()
        refuse_undivided(workers.size, config)
    except UserError as error:
        workers.tell({"refused": str(error)})
        raise
    done = resume is not None and is_done(resume)
    workers.tell({"config": None if done else asdict(config)})
    if done:
        print(f"{resume}: this run is done; result.json holds its scores")
    return None if done else (config, resume)


def _facts(options: argparse.Namespace, images: "FashionMnist", where: device.Device) -> Mapping[str, Any]:
    """What must be the same on all workers, by the words of a message."""
    from loops.run.environment import SHARED, describe

    environment = describe(where, jit_compile=False)
    defaults = asdict(replace(TrainConfig(**shards_of(options)), **given_settings(options)))
    given = given_settings(options) if options.resume else defaults
    return {
        "data": images.sha256(),
        "device": where.kind,
        **{name: environment[name] for name in SHARED},
        **environment["variables"],
        **{f"--{name.replace('_', '-')}": value for name, value in given.items()},
        "--resume": options.resume,
    }
