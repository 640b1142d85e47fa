"""A case on several workers: the same bits, what is said where they differ, and the code to paste."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loops.case.errors import CaseError
from loops.cli import main
from loops.distribute.cluster import tf_config
from loops.distribute.launch import free_ports
from loops.measure import scale as scaling
from loops.measure.printing_scale import as_text, write_scaling
from loops.measure.scale import Scaling, scale
from loops.measure.ways import shared_step as code
from loops.measure.ways.code import Names
from loops.measure.ways.shared_step import STRATEGY
from tests.case.sources import GOOD, write
from tests.distribute.processes import ROOT, environment

CASE = """
import numpy as np
import tensorflow as tf
from tensorflow import keras

seed = 1
loss = "mse"


def make_model():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), LAYERkeras.layers.Dense(1)])


def make_optimizer():
    return keras.optimizers.Adam(0.01)


def batches():
    random = np.random.default_rng(0)
    for rows in (16, 16, 10):
        x = random.normal(size=(rows, 3)).astype("float32")
        yield x, x[:, :1] * 2


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean((y - model(x, training=True)) ** 2)
    optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
    return value
"""
PLAIN = CASE.replace("LAYER", "")
PROGRAM = """
if __name__ == "__main__":
    keras.utils.set_random_seed(seed)
    model, optimizer = make_model(), make_optimizer()
    optimizer.build(model.trainable_variables)
    check_same_start(model)
    for _ in range(3):
        for batch in batches():
            train_step(model, optimizer, *map(tf.constant, batch))
    print([variable.numpy().tobytes().hex() for variable in model.variables], flush=True)
"""


@pytest.fixture(autouse=True, scope="module")
def short() -> Iterator[None]:
    before = scaling.MAKES, scaling.ROUNDS
    scaling.MAKES, scaling.ROUNDS = 3, 2
    yield
    scaling.MAKES, scaling.ROUNDS = before


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Scaling:
    return scale(write(tmp_path_factory.mktemp("plain"), PLAIN), [2], 4, lambda line: None)


def test_two_workers_end_at_the_bits_of_one_which_computes_what_the_step_does(found: Scaling) -> None:
    assert [row.workers for row in found.rows] == [1, 2]
    assert found.rows[1].same_bits
    assert found.grade.passed
    assert found.numbers == 3 * 4 + 4 + 4 + 1
    assert found.bytes_gathered == 4 * 21 * 4
    assert found.rows[1].gather_share
    text = as_text(found)
    assert "2 workers end at the weights of one, to the bit; a step takes" in text
    assert STRATEGY in text
    assert "Does your step compute the same as fit()? identical" in text


def test_figures_are_written_as_json(found: Scaling, tmp_path: Path) -> None:
    write_scaling(found, tmp_path / "scaling.json")
    saved = json.loads((tmp_path / "scaling.json").read_text())
    assert saved["rows"][1]["workers"] == 2
    assert saved["sentences"][0].startswith("2 workers end at the weights of one")


def weights_of(workers: int, source: str, tmp_path: Path) -> set[str]:
    """What a user's program with the pasted code prints, on each of some workers."""
    program = tmp_path / "program.py"
    program.write_text(f"import tensorflow as tf\n{STRATEGY}\n{source}")
    ports, processes = free_ports(workers), []
    for rank in range(workers):
        given = {
            "TF_CONFIG": tf_config(workers, rank, ports) if workers > 1 else "{}",
            "TF_NUM_INTRAOP_THREADS": "1",
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, str(program)],
                cwd=ROOT,
                env=environment(given),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        return {process.communicate(timeout=120)[0] or "nothing" for process in processes}
    finally:
        for process in processes:
            process.kill()


def test_pasted_code_ends_at_the_same_weights_on_one_and_two_workers(found: Scaling, tmp_path: Path) -> None:
    source = PLAIN + found.code + PROGRAM
    alone, together = (weights_of(workers, source, tmp_path) for workers in (1, 2))
    assert len(alone) == 1
    assert together == alone != {"nothing"}


@pytest.mark.slow
def test_layers_in_which_rows_meet_are_named(tmp_path: Path) -> None:
    case = write(tmp_path, CASE.replace("LAYER", "keras.layers.BatchNormalization(), "))
    apart = scale(case, [2], 4, lambda line: None)
    assert not apart.rows[1].same_bits
    told = " ".join(as_text(apart).split())
    assert "2 workers end at other weights than one (batch_normalization takes its statistics" in told


DENSE = 'keras.Input((3,)), keras.layers.Dense(4, "tanh")'
WORDS = "keras.Input((5,)), keras.layers.Embedding(20, 4), keras.layers.Flatten()"
NUMBERS = 'x = random.normal(size=(rows, 3)).astype("float32")'
EMBEDDED = (
    PLAIN.replace(DENSE, WORDS)
    .replace(NUMBERS, "x = random.integers(0, 20, size=(rows, 5))")
    .replace("yield x, x[:, :1] * 2", 'yield x, x[:, :1].astype("float32") / 10')
)


def test_rows_of_an_embedding_stay_rows(tmp_path: Path) -> None:
    found = scale(write(tmp_path, EMBEDDED), [2], 4, lambda line: None)
    assert found.rows[1].same_bits
    assert found.grade.passed, found.grade


@pytest.mark.slow
def test_a_step_that_clips_is_named_and_its_code_is_no_advice(tmp_path: Path) -> None:
    clipped = PLAIN.replace(
        "optimizer.apply(tape.gradient(value, model.trainable_variables), ",
        "gradients, _ = tf.clip_by_global_norm(tape.gradient(value, model.trainable_variables), 0.01)\n"
        "    optimizer.apply(gradients, ",
    )
    found = scale(write(tmp_path, clipped), [2], 4, lambda line: None)
    assert not found.grade.passed
    text = " ".join(as_text(found).split())
    assert "your step clips gradients, each shard its own" in text
    assert "This code does not compute what your step does" in text


def test_a_step_that_trains_nothing_and_batches_that_are_too_small_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="nothing to share"):
        scale(write(tmp_path, GOOD), [2], 4, lambda line: None)
    with pytest.raises(CaseError, match="a batch has 10 rows, which cannot be cut into 16 shards"):
        scale(write(tmp_path, PLAIN), [2], 16, lambda line: None)


def test_workers_that_do_not_divide_the_shards_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scale", str(write(tmp_path, PLAIN)), "--workers", "3"]) == 1
    assert "--workers 3: does not divide 8 shards" in capsys.readouterr().err


def test_the_code_is_python_in_the_names_of_the_case() -> None:
    names = Names("my_step", optimizer="adam", traced=True)
    text = code.shared(names, 8)
    compile(text, "pasted", "exec")
    assert "whole_step = my_step.python_function" in text
    assert "adam.apply(" in text
    compile(code.gathering(names, 8, 10), "pasted", "exec")
