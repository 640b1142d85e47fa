"""The fast loop: each rung keeps its grade, and the model stays the model."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numba import njit

from loops import cli, tape
from loops.batches import evaluation_stream, permutation
from loops.config import TrainConfig
from loops.data import FashionMnist
from loops.fast import loop as fast
from loops.fast.compiled import denormals, kernels, layout, runner, step, validation, variables
from loops.fast.rungs import COMPILED, LADDER, POOL_FIRST, Rung, best_rung
from loops.history import History
from loops.metrics import RunningMetrics
from loops.parity.differences import differences, training_state
from loops.parity.states import Array
from model import PARAM_COUNT, FashionCNN, new_model

CONFIG = TrainConfig(epochs=2, batch_size=60, seed=5)  # 250 images: 4 batches of 60, one of 10


def trained(train: object, data: FashionMnist, config: TrainConfig, **more: object) -> dict[str, Array]:
    model = new_model(config.seed)
    history: History = train(model, data, config, **more)  # type: ignore[operator]
    return training_state(model, history)


def ulps_of_largest(a: Array, b: Array) -> float:
    """The largest difference in units in the last place of the largest value of `a`."""
    gap = np.abs(a.astype(np.float64) - b.astype(np.float64)).max()
    return float(gap / np.spacing(np.abs(a).max()))


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)
def test_one_step_of_each_rung_keeps_its_grade(rung: Rung, small: FashionMnist) -> None:
    one_step = FashionMnist(small.train.first(60), small.test)
    config = TrainConfig(epochs=1, batch_size=60, seed=5)
    plain, own = trained(tape.train, one_step, config), trained(fast.train, one_step, config, rung=rung)
    moments = [name for name in plain if name.endswith("momentum")]  # a tenth of the gradients
    assert len(moments) == 8
    for name in moments:
        assert ulps_of_largest(plain[name], own[name]) <= rung.ulps


@pytest.mark.parametrize("rung", [rung for rung in LADDER if not rung.ulps], ids=lambda rung: rung.name)
def test_exact_rungs_are_bit_identical_with_partial_batches(rung: Rung, small: FashionMnist) -> None:
    assert not differences(trained(tape.train, small, CONFIG), trained(fast.train, small, CONFIG, rung=rung))


@pytest.mark.parametrize("rung", [rung for rung in LADDER if rung.ulps], ids=lambda rung: rung.name)
def test_other_rungs_stay_near_over_partial_batches(rung: Rung, small: FashionMnist) -> None:
    plain, own = trained(tape.train, small, CONFIG), trained(fast.train, small, CONFIG, rung=rung)
    assert own.keys() == plain.keys()
    for name in plain:
        if name.startswith("epoch"):
            np.testing.assert_allclose(own[name], plain[name], rtol=1e-3, err_msg=name)


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
@pytest.mark.parametrize("rung", [POOL_FIRST, COMPILED], ids=lambda rung: rung.name)
def test_pooling_sends_the_gradient_of_a_tie_to_the_first_as_tensorflow_does(
    rung: Rung, layer: str, small: FashionMnist
) -> None:
    """A kernel of zeros: all places of a window tie, on patches that differ: its gradient tells."""
    one_step, config = FashionMnist(small.train.first(60), small.test), TrainConfig(epochs=1, batch_size=60)

    def tied(train: object, **more: object) -> dict[str, Array]:
        model = new_model(0)
        conv = getattr(model, layer)
        conv.kernel.assign(np.zeros(conv.kernel.shape))
        conv.bias.assign(np.full(conv.bias.shape, 0.1))
        history: History = train(model, one_step, config, **more)  # type: ignore[operator]
        return training_state(model, history)

    plain, own = tied(tape.train), tied(fast.train, rung=rung)
    moments = [name for name in plain if name.endswith("momentum") and plain[name].any()]
    assert moments
    for name in moments:
        assert ulps_of_largest(plain[name], own[name]) <= rung.ulps


def test_rung_follows_the_device() -> None:
    assert best_rung("cpu") is COMPILED
    assert best_rung("gpu") is POOL_FIRST
    assert not best_rung("gpu").compiled


@pytest.mark.parametrize("images", [1, 3, 8, 60, 61])
def test_compiled_step_keeps_its_bits_on_any_number_of_threads(
    images: int, small: FashionMnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, few = TrainConfig(epochs=1, batch_size=images), replace(small, train=small.train.first(70))
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(runner, "cores", lambda threads=threads: threads)
        found.append(trained(fast.train, few, config, rung=COMPILED))
    assert not differences(found[0], found[1])
    assert not differences(found[0], found[2])


def test_compiled_step_knows_where_each_variable_lies() -> None:
    model, start = new_model(0), 0
    layers = ("CONV1", "CONV2", "HIDDEN", "CLASSIFIER")
    variables = [f"{layer}_{part}" for layer in layers for part in ("KERNEL", "BIAS")]
    for name, variable in zip(variables, model.trainable_variables, strict=True):
        assert getattr(layout, name) == start, name
        start += int(np.prod(variable.shape))
    assert start == layout.PARAMETERS == PARAM_COUNT


def test_compiled_step_keeps_its_bits_however_many_steps_a_call_runs(small: FashionMnist) -> None:
    """Weights, slots and the running loss and accuracy: a resumed run is cut elsewhere than the first."""
    config, found = TrainConfig(batch_size=5), []
    for cuts in ([20], [7, 7, 6], [1] * 20):
        model, optimizer, running = new_model(0), tf.keras.optimizers.Adam(), RunningMetrics()
        run_steps, _ = fast.make_steps(model, optimizer, running, small.train, config, COMPILED)
        order, done = permutation(len(small.train), 0, 0), 0
        for count in cuts:
            run_steps(order, tf.constant(done), tf.constant(count))
            done += count
        live = (*model.trainable_variables, *optimizer.variables, *running.variables)
        found.append([np.asarray(variable) for variable in live])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_compiled_step_trains_where_its_cache_cannot_be_written(
    small: FashionMnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: no thread may wait for one that failed."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    step.compiled.cache_clear()
    monkeypatch.setattr(step.compiled()._cache, "load_overload", lambda *_: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(step.compiled()._cache, "save_overload", full)  # type: ignore[attr-defined]
    monkeypatch.setattr(runner, "cores", lambda: 2)
    trained(fast.train, small, CONFIG, rung=COMPILED)


def test_error_that_is_not_about_the_cache_is_not_hidden(
    small: FashionMnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    step.compiled.cache_clear()
    monkeypatch.setattr(step.compiled()._cache, "load_overload", lambda *_: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(step.compiled()._cache, "save_overload", broken)  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="Input/output error"):
        trained(fast.train, small, CONFIG, rung=COMPILED)


def test_compiled_step_knows_whether_it_is_on_the_disk(
    small: FashionMnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.compiled.cache_clear()
    trained(fast.train, small, CONFIG, rung=COMPILED)
    assert step.is_compiled()
    cache = step.compiled()._cache._cache_file  # type: ignore[attr-defined]
    monkeypatch.setattr(cache, "_index_path", str(tmp_path / "none.nbi"))
    assert not step.is_compiled()


def test_compiled_step_lets_its_threads_go_when_one_cannot_start(
    small: FashionMnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "cores", lambda: 2)
    model, optimizer, running = new_model(0), tf.keras.optimizers.Adam(), RunningMetrics()
    optimizer.build(model.trainable_variables)
    own = runner.Runner(small.train, 60)
    parameters = variables.Variables(model, optimizer, running).read()
    submit = own._pool.submit
    started: list[Any] = []

    def first_only(*work: Any) -> Any:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(submit(*work))
        return started[0]

    monkeypatch.setattr(own._pool, "submit", first_only)
    order = np.asarray(permutation(len(small.train), 0, 0))[:60]
    with pytest.raises(RuntimeError, match="can't start"):
        own.run(order, parameters, runner.adam_rates(optimizer, 1))
    started[0].result(timeout=60)


@pytest.mark.parametrize("images", [1, 5, 70, 501, 4600])
def test_compiled_validation_is_the_models_own(images: int, fashion: FashionMnist) -> None:
    split, model = fashion.test.first(images), new_model(3)
    ours, theirs = RunningMetrics(), RunningMetrics()
    found = validation.make_validation(model, ours, split)()
    wanted = tape.validate(tape.make_test_step(model, theirs), evaluation_stream(split, 60), theirs)
    assert found.keys() == wanted.keys()
    assert found["val_loss"] == pytest.approx(wanted["val_loss"], rel=1e-6)
    assert found["val_accuracy"] == wanted["val_accuracy"]
    for one, two in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_compiled_step_refuses_xla(small: FashionMnist) -> None:
    with pytest.raises(ValueError, match="jit_compile"):
        fast.train(new_model(0), small, replace(CONFIG, jit_compile=True), rung=COMPILED)


def test_compiled_step_refuses_another_network(small: FashionMnist) -> None:
    with pytest.raises(ValueError, match="411,242"):
        fast.train(FashionCNN(width=2), small, CONFIG, rung=COMPILED)


@pytest.mark.parametrize("steps", [1, 9, 10, 11, 200])
def test_calls_cover_each_step_once(steps: int) -> None:
    cut: list[int] = []
    while sum(cut) < steps:
        cut.append(fast.steps_in_call(sum(cut), steps, None, sum(cut)))
    assert sum(cut) == steps
    assert len(cut) <= fast.CALLS_PER_EPOCH


def test_call_ends_where_the_hooks_want_control() -> None:
    assert fast.steps_in_call(0, 200, None, 400) == 20
    assert fast.steps_in_call(0, 200, 407, 400) == 7
    assert fast.steps_in_call(195, 200, 1000, 595) == 5


def test_fast_is_an_option_of_tape_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.parse(["tape", "--fast"]).fast
    with pytest.raises(SystemExit):
        cli.parse(["fit", "--fast"])


def test_denormals_are_0_within_a_compiled_step_and_not_after_it(small: FashionMnist) -> None:
    """As in TensorFlow's threads; they cost hundreds of cycles each, and decayed slots are full of them."""
    smallest = np.finfo(np.float32).tiny
    model, optimizer = new_model(0), tf.keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    for momentum in optimizer._momentums:
        momentum.assign(np.full(momentum.shape, smallest / 4))
    config = TrainConfig(batch_size=60)
    steps, _ = fast.make_steps(model, optimizer, RunningMetrics(), small.train, config, COMPILED)
    steps(permutation(len(small.train), 0, 0), tf.constant(0), tf.constant(1))
    left = np.concatenate([momentum.numpy().ravel() for momentum in optimizer._momentums])
    assert np.count_nonzero(left) > 1000
    assert not np.count_nonzero((left != 0) & (np.abs(left) < smallest))
    assert np.float32(smallest) * np.float32(0.5) != 0  # this thread is as it was


def test_control_word_is_set_and_restored() -> None:
    smallest = np.full(1, np.finfo(np.float32).tiny, np.float32)

    @njit(**kernels.OPTIONS)
    def halves(values: Array) -> tuple[float, float]:
        before = denormals.flush_denormals()
        within = values[0] * np.float32(0.5)
        denormals.set_control(before)
        return within, values[0] * np.float32(0.5) * np.float32(1.5)

    within, after = halves(smallest)
    assert after != 0
    if denormals.HAS_CONTROL:
        assert within == 0
