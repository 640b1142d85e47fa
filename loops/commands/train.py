"""Train by one loop or by several in turn, print each, and say whether they agree."""

from collections.abc import Sequence
from pathlib import Path

from loops.commands.console import EpochBars, format_confusion, format_scores, format_verdict
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.device import Device
from loops.fast.rungs import best_rung
from loops.parity.differences import differences, training_state
from loops.run.experiment import DEFAULT_KEEPING, Keeping, Outcome, run_experiment
from loops.tensorboard.events import write_difference
from model import new_model


def train_and_print(
    loops: Sequence[str],
    data: FashionMnist,
    config: TrainConfig,
    device: Device,
    runs: Path,
    keeping: Keeping = DEFAULT_KEEPING,
) -> int:
    """Train by each loop in turn and print its scores; two loops end with a verdict.

    Returns the exit code: 1 where two loops differ on a CPU, where they never should.
    """
    new_model(config.seed).summary()
    outcomes = [_train_one(loop, data, config, device, runs, keeping) for loop in loops]
    if len(outcomes) == 1:
        return 0
    states = [training_state(outcome.model, outcome.history) for outcome in outcomes]
    found = differences(*states)
    print(f"\nverdict, {' against '.join(loops)}: {format_verdict(len(states[0]), found, device.name)}")
    first, last = ({r.epoch: r.metrics for r in outcome.history.epochs} for outcome in outcomes)
    write_difference(outcomes[-1].folder, first, last)
    return 1 if found and device.kind == "cpu" else 0


def _train_one(
    loop: str, data: FashionMnist, config: TrainConfig, device: Device, runs: Path, keeping: Keeping
) -> Outcome:
    print(
        f"\n{loop} on {device.name}: epochs {config.epochs}, batch size {config.batch_size}, "
        f"learning rate {config.learning_rate}, seed {config.seed}"
    )
    if loop == "fast":
        rung = best_rung(device.kind)
        print(f"rung: {rung.name}{' (compiles for some 15 s, once a checkout)' if rung.compiled else ''}")
    bars = EpochBars(config, config.steps_per_epoch(len(data.train)))
    try:
        outcome = run_experiment(loop, data, config, device, runs, bars.on_step, bars.on_epoch, keeping)
    finally:
        bars.close()
    print(f"\n{format_scores(outcome.history, outcome.evaluation)}")
    print(f"\nconfusion matrix\n{format_confusion(outcome.evaluation.confusion)}")
    print(f"\nsaved in {outcome.folder}")
    return outcome
