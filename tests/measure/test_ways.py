"""Ways to run a step faster: the pasted code computes the same, or is refused with the reason."""

import functools
from pathlib import Path
from typing import Any

import pytest

from loops.case.loading import Case
from loops.diagnose.trainings import Trainings, train_both
from loops.measure.engine import fit_of
from loops.measure.makes import Makes, Samples
from loops.measure.ways import code
from loops.measure.ways import facts as module
from loops.measure.ways.code import Names
from loops.measure.ways.facts import Facts, facts_of, read_facts
from loops.measure.ways.grade import BIT_IDENTICAL, OTHER, REFUSED, WITHIN_ROUNDING, Grader
from loops.measure.ways.trying import Search
from tests.case.sources import LINE, SCRIPT, write

CASE = """
import numpy as np
import tensorflow as tf
from tensorflow import keras
X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
Y = X.sum(1, keepdims=True) ** 2
def make_model():
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), LAYER keras.layers.Dense(1)])
def make_optimizer(): return keras.optimizers.Adam(0.01)
loss = "mse"
def batches(): return ((X[i : i + 12], Y[i : i + 12]) for i in range(0, 40, 12))
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(tf.square(y - model(x, training=True)))
    gradients = tape.gradient(value, model.trainable_variables)
    CLIP
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return value
""".lstrip()
WORDS = """
import numpy as np
import tensorflow as tf
from tensorflow import keras
X, Y = np.arange(24).reshape(8, 3) % 5, np.arange(8).reshape(8, 1) % 2
def make_model():
    layers = keras.layers
    return keras.Sequential([keras.Input((3,)), layers.Embedding(5, 4), layers.Flatten(), layers.Dense(1)])
def make_optimizer(): return keras.optimizers.Adam(0.01)
loss = "mse"
def batches(): return [(X, Y.astype("float32"))]
@tf.function
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(tf.square(y - model(x, training=True)))
    optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
    return {"loss": value}
""".lstrip()


def case_with(folder: Path, layer: str = "", clip: str = "") -> Path:
    return write(folder, CASE.replace("LAYER", layer).replace("CLIP", clip or "pass"))


def known(path: Path) -> tuple[Trainings, Facts, Names]:
    trainings = train_both(path, 6, lambda line: None)
    facts = facts_of(path, trainings.epoch, trainings.start, 1)
    assert facts.names
    return trainings, facts, facts.names


def test_parts_of_a_batch_agree_within_rounding_and_the_odd_last_batch_is_whole(tmp_path: Path) -> None:
    trainings, _, names = known(case_with(tmp_path))
    grade = Grader(trainings).step(code.in_parts(names, 3))
    assert (grade.word, grade.why) == (WITHIN_ROUNDING, "")


def test_parts_of_a_step_that_returns_nothing_are_graded_like_any(tmp_path: Path) -> None:
    source = case_with(tmp_path).read_text(encoding="utf-8").replace("return value", "return None")
    trainings, _, names = known(write(tmp_path, source))
    assert Grader(trainings).step(code.in_parts(names, 3)).word == WITHIN_ROUNDING


def test_arguments_of_compile_are_added_to_those_that_a_case_has(tmp_path: Path) -> None:
    source = case_with(tmp_path).read_text(encoding="utf-8")
    bare, own = (
        known(write(tmp_path, source + more))[1] for more in ("", "compile_args = {'jit_compile': False}\n")
    )
    codes = [code.compiled(added=facts.has_compile_args, steps_per_execution=2) for facts in (bare, own)]
    assert codes[0] == "compile_args = {'steps_per_execution': 2}\n"
    pasted = Case(write(tmp_path, source + "compile_args = {'jit_compile': False}\n"), codes[1])
    assert pasted.compile_args == {"jit_compile": False, "steps_per_execution": 2}


def test_parts_of_a_scripts_step_update_its_own_optimizer(tmp_path: Path) -> None:
    trainings, _, names = known(write(tmp_path, SCRIPT + LINE))
    assert (names.step, names.optimizer) == ("one_step", "adam")
    assert Grader(trainings).step(code.in_parts(names, 2)).passed


def test_rows_of_an_embedding_stay_rows(tmp_path: Path) -> None:
    trainings, _, names = known(write(tmp_path, WORDS))
    assert names.sparse
    assert Grader(trainings).step(code.in_parts(names, 2)).passed
    dense = code.in_parts(Names("train_step", traced=True), 2)
    assert Grader(trainings).step(dense) != Grader(trainings).step(code.in_parts(names, 2))


def test_parts_are_refused_where_rows_meet(tmp_path: Path) -> None:
    trainings, facts, names = known(case_with(tmp_path, "keras.layers.BatchNormalization(),"))
    assert Grader(trainings).step(code.in_parts(names, 2)).word == REFUSED
    assert "whole batch" in facts.meet[0]


def test_parts_are_refused_where_the_step_clips(tmp_path: Path) -> None:
    trainings, _, names = known(
        case_with(tmp_path, clip="gradients, _ = tf.clip_by_global_norm(gradients, 0.1)")
    )
    assert "rounding gives" in Grader(trainings).step(code.in_parts(names, 2)).why


def test_many_steps_in_one_call_and_steps_per_execution_keep_the_bits(tmp_path: Path) -> None:
    trainings, _, names = known(write(tmp_path, SCRIPT + LINE))
    grader = Grader(trainings)
    assert grader.many(code.many_steps(names)).word == BIT_IDENTICAL
    assert grader.steps_per_execution().word == BIT_IDENTICAL


@pytest.mark.parametrize("sparse", [False, True])
def test_recommended_code_fits_on_a_page(sparse: bool) -> None:
    names = Names("train_step", traced=True, sparse=sparse)
    whole = f"{code.in_parts(names, 4)}{code.many_steps(names)}"
    assert len([line for line in whole.splitlines() if line.strip()]) <= (26 if sparse else 20)


def test_pasted_code_takes_the_place_of_what_case_was_given(tmp_path: Path) -> None:
    path = write(tmp_path, SCRIPT + LINE)
    assert Case(path, "def one_step(x, y): return 7.0").train_step is not None
    pasted = Case(path, "def one_step(x, y): return 7.0").train_step
    assert pasted
    assert pasted(1, 2) == 7.0


def test_parts_divide_the_batch_and_follow_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, of_12_rows, _ = known(case_with(tmp_path))
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    assert list(of_12_rows.part_counts) == [2, 4, 6]
    monkeypatch.setattr(module, "usable_cores", lambda: 16)  # at most 8, of which 6 divides 12
    assert list(of_12_rows.part_counts) == [6]


@pytest.mark.parametrize("takes", ["model, optimizer, batch", "model, optimizer, x, y"])
def test_many_steps_give_a_step_what_it_takes(takes: str, tmp_path: Path) -> None:
    """A batch as one tuple, or two of the three parts that there are."""
    source = case_with(tmp_path).read_text(encoding="utf-8")
    if "batch" in takes:
        more = (
            "@tf.function\ndef train_step(model, optimizer, batch): return plain(model, optimizer, *batch)\n"
        )
    else:
        more = "old = batches\ndef batches(): return ((x, y, np.ones(len(x))) for x, y in old())\n"
        more += "@tf.function\ndef train_step(model, optimizer, x, y): return plain(model, optimizer, x, y)\n"
    trainings, _, names = known(write(tmp_path, f"{source}\nplain = train_step\n{more}"))
    assert names.data == ("next(batches)" if "batch" in takes else "*next(batches)[:2]")
    assert Grader(trainings).many(code.many_steps(names)).passed


def test_mixed_precision_is_other_mathematics_and_is_timed_but_never_passes(tmp_path: Path) -> None:
    source = case_with(tmp_path).read_text(encoding="utf-8")
    source = source.replace(
        "tf.square(y - model(x, training=True))", "tf.square(y - tf.cast(model(x), tf.float32))"
    )
    trainings, _, names = known(write(tmp_path, source))
    grade = Grader(trainings).other_mathematics(code.mixed_precision(names))
    assert (grade.word, grade.timed, grade.passed) == (OTHER, True, False)
    early = f"{source}\nmodel = make_model()\nmake_model = lambda: model\n"
    trainings, _, names = known(write(tmp_path, early))
    assert Grader(trainings).other_mathematics(code.mixed_precision(names)).why == (
        "the model is made before this code stands"
    )


def test_the_input_of_the_fastest_way_is_timed_beside_that_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings, facts, _ = known(case_with(tmp_path))
    seconds = {"fit()": 4.0, "as it is": 2.0, "input kept in memory": 1.0}
    asked: list[tuple[list[str], bool]] = []

    def time(makes: Makes, rounds: int) -> None:
        given: list[Any] = [each.make for each in makes._contestants.values()]
        with_input = [make.keywords["with_input"] for make in given]
        asked.append((list(makes._contestants), all(with_input)))
        for name in makes._contestants:
            value = seconds.get(name.rpartition(", ")[2], 3.0)
            makes.samples[name] = Samples([1.0], [[value] * rounds])

    monkeypatch.setattr(Makes, "time", time)
    search = Search(trainings, facts, functools.partial(fit_of, facts), lambda line: None)
    best = search.best()
    assert best
    assert (best.name, best.with_input) == ("input kept in memory", True)
    assert asked[-1] == (["fit()", "as it is", "input kept in memory"], True)


def test_ways_on_a_base_that_raises_with_input_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings, facts, _ = known(case_with(tmp_path))

    def time(makes: Makes, rounds: int) -> None:
        given: list[Any] = [each.make for each in makes._contestants.values()]
        with_input = all(make.keywords["with_input"] for make in given)
        for name in makes._contestants:
            if with_input and name == "as it is":
                makes.refused[name] = "out of memory"
            else:
                value = 1.0 if "tf.function" in name else 4.0
                makes.samples[name] = Samples([1.0], [[value] * rounds])

    monkeypatch.setattr(Makes, "time", time)
    search = Search(trainings, facts, functools.partial(fit_of, facts), lambda line: None)
    best = search.best()
    assert best
    assert not best.with_input
    refused = [tried for tried in search.tried if tried.way.with_input]
    assert refused
    assert all("raises with input: out of memory" in tried.grade.why for tried in refused)


@pytest.mark.parametrize(
    ("layer", "draws"),
    [
        ("keras.layers.Dropout(0.1),", True),
        ("keras.layers.Dropout(0.0),", False),
        ("keras.layers.GaussianNoise(0.1),", True),
        ("keras.layers.Reshape((8, 1)), keras.layers.LSTM(4),", False),
        ("keras.layers.Reshape((8, 1)), keras.layers.LSTM(4, dropout=0.2),", True),
    ],
)
def test_only_layers_that_draw_are_said_to(layer: str, *, draws: bool, tmp_path: Path) -> None:
    assert bool(read_facts(case_with(tmp_path, layer)).random) == draws


def test_one_variable_beyond_its_rounding_is_named(tmp_path: Path) -> None:
    trainings, _, names = known(case_with(tmp_path))
    one_bias = code.in_parts(names, 3) + "\nplain = train_step\ndef train_step(model, optimizer, x, y):\n"
    one_bias += "    value = plain(model, optimizer, x, y)\n"
    one_bias += "    model.layers[-1].bias.assign_add([1e-7])\n    return value\n"
    grade = Grader(trainings).step(one_bias)
    assert grade.word == REFUSED
    assert "after step 1 variable 3 sequential/dense/bias is further" in grade.why
