"""A worker's arms: the step of the tape in shards, and the sending and adding of its gradients alone."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from bench.report.workers import STEP
from bench.sweep import BATCH_SIZE
from loops import data
from loops.batches import index_stream
from loops.config import TrainConfig
from loops.distribute.cluster import TF_CONFIG, find
from loops.distribute.loop import make_train_step, numbers_sent
from loops.distribute.sharing import Sharing
from loops.distribute.stops import NO_STOPS
from loops.distribute.workers import ALONE, Joined
from loops.measure.arms import Arm, FunctionArm
from loops.metrics import RunningMetrics
from model import new_model

WAIT = 60.0  # seconds for the other workers


class WorkerServer:
    """One worker of the tape on the real images."""

    def __init__(self, shards: int, environ: Mapping[str, str]) -> None:
        cluster = find(environ) if environ.get(TF_CONFIG) else None
        self._workers = Joined(cluster, WAIT) if cluster else ALONE
        self._config = TrainConfig(epochs=10**6, batch_size=BATCH_SIZE, shards=shards)
        self._images = data.load(data.find_folder(None)).train
        self._arms: dict[int, Arm] = {}

    def answer(self, request: Mapping[str, Any]) -> None:
        """Make, run or drop an arm."""
        if "run" in request:
            self._arms[request["arm"]].run(request["run"])
        elif "make" in request:
            make = self._step if request["make"] == STEP else self._sending
            self._arms[request["arm"]] = make()
        else:
            del self._arms[request["drop"]]

    def _step(self) -> Arm:
        """A step on one batch that lies in memory, as in the other rows."""
        sharing = Sharing(self._config, self._workers)
        model, optimizer = new_model(0), tf.keras.optimizers.Adam()
        optimizer.build(model.trainable_variables)
        step = make_train_step(model, optimizer, RunningMetrics(), sharing, NO_STOPS)
        indices = index_stream(len(self._images), self._config)
        batch = next(iter(sharing.batches(indices, self._images)))
        return FunctionArm(lambda: step(*batch))

    def _sending(self) -> Arm:
        sharing = Sharing(self._config, self._workers)
        own = [tf.zeros([numbers_sent(new_model(0))]) for _ in sharing.own]
        add = tf.function(lambda: sharing.sum(own))
        return FunctionArm(add)
