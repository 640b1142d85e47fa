"""The claim "bit-identical" tried under one setting, in a process of its own; prints JSON.

    python -m bench.claim [--threads N] [--determinism]

oneDNN is switched by TF_ENABLE_ONEDNN_OPTS, which TensorFlow reads when it starts.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

SEEDS = 2
IMAGES = 1_000
BATCH_SIZE = 257  # three full batches and a partial one of 229
EPOCHS = 2


def check(*, onednn: bool, threads: int, determinism: bool, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run this module in a fresh process under the setting and return what it printed.

    Raises:
        RuntimeError: the process failed; the text is its standard error.
    """
    command = [sys.executable, "-m", "bench.claim", "--threads", str(threads)]
    command += ["--determinism"] if determinism else []
    settings = {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn)), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        command, env={**environment, **settings}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Train by both loops for each seed, compare to the bit, print the counts."""
    parser = argparse.ArgumentParser(prog="python -m bench.claim")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--determinism", action="store_true")
    options = parser.parse_args()

    from loops import device

    device.quiet()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    if options.determinism:
        tf.config.experimental.enable_op_determinism()
    here = device.start("cpu")
    from loops.run.environment import describe

    found = _compare_all()
    print(json.dumps({**found, "environment": describe(here, jit_compile=False)}))
    return 0


def _compare_all() -> dict[str, int]:
    """How many pairs of trainings and steps were compared, and how many trainings agree in every bit.

    Compared are weights, slots and running metrics after each step, and all that is left at the end.
    """
    from loops import data
    from loops.config import TrainConfig
    from loops.data import FashionMnist
    from loops.parity.differences import differences, first_divergence, training_state
    from loops.parity.states import Follower
    from loops.run.experiment import LOOPS
    from model import new_model

    images = data.load()
    images = FashionMnist(images.train.first(IMAGES), images.test.first(IMAGES // 4))
    trained = identical = steps = 0
    for seed in range(SEEDS):
        config = TrainConfig(epochs=EPOCHS, batch_size=BATCH_SIZE, seed=seed)
        ends, followers = [], (Follower(), Follower())
        for loop, follower in zip(("fit", "tape"), followers, strict=True):
            model = new_model(seed)
            ends.append(training_state(model, LOOPS[loop](model, images, config, follower.hooks)))
        fit, tape = (follower.states for follower in followers)
        trained += 1
        steps += len(fit)
        identical += first_divergence(fit, tape) is None and not differences(*ends)
    return {"trained": trained, "steps": steps, "identical": identical}


if __name__ == "__main__":
    sys.exit(main())
