"""Every name and every value of a case is taken or refused: nothing is ignored in silence."""

import ast
import inspect
from pathlib import Path

import keras
import pytest

from loops.case.ignored import ignored
from loops.case.loading import Case, CaseError
from loops.case.names import COMPILE_ARGS, FIT_ARGS, FORMAT, place_of
from tests.case.sources import GOOD, write

GIVEN = """
compile_args = {"loss_weights": [0.5], "weighted_metrics": [keras.metrics.MeanSquaredError()],
                "auto_scale_loss": True, "steps_per_execution": 2, "run_eagerly": False,
                "jit_compile": "auto"}
fit_args = {"class_weight": {0: 1, np.int64(1): 9.0}, "initial_epoch": 3,
            "callbacks": keras.callbacks.TerminateOnNaN()}
metrics = [keras.metrics.MeanSquaredError()]
seed = np.int64(2**32 - 1)
"""


def test_all_arguments_of_compile_and_fit_are_taken(tmp_path: Path) -> None:
    case = Case(write(tmp_path, GOOD + GIVEN))
    assert tuple(case.compile_args) == COMPILE_ARGS
    assert set(case.fit_args) == set(FIT_ARGS)
    assert len(case.fit_args["callbacks"]) == 1
    assert case.seed == 2**32 - 1
    module = case._execution.module
    assert case.metrics()[0] is not module.metrics[0]
    assert case.compile_args["weighted_metrics"][0] is not module.compile_args["weighted_metrics"][0]


WRONG = {
    'compile_args = {"loss_weight": 1}': "compile_args: loss_weight is unknown. Did you mean loss_weights?",
    'compile_args = {"zzz": 1}': "compile_args: zzz is unknown. Known: loss_weights, weighted_metrics",
    'compile_args = {"optimizer": 1}': "optimizer does not belong there: make_optimizer() returns the optim",
    'compile_args = {"class_weight": {}}': 'class_weight does not belong there: write fit_args = {"class_we',
    'compile_args = {"loss": "mse"}': "loss does not belong there: loss is a name of its own at the top lev",
    'fit_args = {"class_weights": {}}': "fit_args: class_weights is unknown. Did you mean class_weight?",
    'fit_args = {"callback": []}': "Did you mean callbacks?",
    'fit_args = {"epochs": 3}': "epochs does not belong there: --steps says how long the trainings are",
    'fit_args = {"epoch": 3}': "epoch is unknown. Did you mean epochs? If so: --steps says how long",
    'fit_args = {"batch_size": 3}': "batch_size does not belong there: batches() decides how large",
    'fit_args = {"shuffle": True}': "batches() decides the order",
    'fit_args = {"validation_data": 3}': "nothing is validated",
    'fit_args = {"verbose": 2}': "fit() runs without its progress bar",
    'fit_args = {"loss_weights": [1]}': 'write compile_args = {"loss_weights": …}',
    'compile_args = ["loss_weights"]': "compile_args is list; it must be a dict with any of loss_weights",
    'compile_args = {"loss_weights": "a"}': "compile_args[\"loss_weights\"] is 'a'; it must be a number for",
    'compile_args = {"run_eagerly": 1}': 'compile_args["run_eagerly"] is 1; it must be True or False',
    'compile_args = {"steps_per_execution": 0}': "it must be a whole number from 1 on",
    'compile_args = {"jit_compile": "no"}': 'it must be True, False or "auto"',
    'fit_args = {"class_weight": [1, 9]}': "it must be a dict from each label to its weight",
    'fit_args = {"callbacks": ["x"]}': "it must be a list of Keras callbacks",
    'fit_args = {"initial_epoch": -1}': "it must be a whole number from 0 on",
    'seed = "3"': "seed is '3'; it must be a whole number from 0 to 4294967295",
    "seed = None": "seed is None",
    "seed = -1": "seed is -1",
    "seed = 2**32": "seed is 4294967296",
    "seed = True": "seed is True",
    'metrics = "accuracy"': "metrics is 'accuracy' (str); it must be a list or a dict",
    "loss = 3": "loss is 3 (int); compile() takes a name",
    "batches = 3": "batches is 3 (int); it must be a function, or an iterable as a Dataset is",
    "class_weights = {0: 1.0}": "class_weights (line 10) is no name of a case and nothing reads it. Did",
}


@pytest.mark.parametrize("line", WRONG)
def test_unknown_names_and_wrong_values_are_refused(line: str, tmp_path: Path) -> None:
    case = write(tmp_path, GOOD + line)
    with pytest.raises(CaseError) as refusal:
        Case(case)
    assert WRONG[line] in str(refusal.value)
    assert str(refusal.value).startswith(f"{case}: ")


IGNORED = {
    "class_weight = {0: 1.0}": "class_weight (line 1) is no name of a case and nothing reads it: write fit_",
    "class_weights = {0: 1.0}": "Did you mean class_weight?",
    "EPOCHS = 3": "EPOCHS (line 1) is no name of a case and nothing reads it: --steps says",
    "a, callbacks = 1, []": "callbacks (line 1)",
    "optimizer = 1": "make_optimizer() returns the optimizer",
    "loss_weights: list = [1]": 'write compile_args = {"loss_weights": …}',
    "seeds = 3": "Did you mean seed?",
    "Seed = 3": "Did you mean seed?",
    "def train_steps(): pass": "train_steps (line 1) is no name of a case and nothing reads it. Did you m",
    "def on_epoch_start(): pass": "on_epoch_start (line 1) is no hook of a case. There are on_ep",
    "if True:\n  metric = []": "metric (line 2) is no name of a case and nothing reads it. Did yo",
    "from settings import class_weight": "class_weight (line 1)",
}


@pytest.mark.parametrize("source", IGNORED)
def test_name_that_looks_like_a_setting_and_is_none_is_told(source: str) -> None:
    assert IGNORED[source] in str(ignored(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "EPOCHS = 3\ndef batches(): return range(EPOCHS)",
        "class_weight = {}\nfit_args = {'class_weight': class_weight}",
        "_seeds = 3",
        "def helper():\n  class_weight = 3",
        "for x, y in []: pass",
        "losses = 3\nloss = 'mse'",
        "WIDTH = 3\ndef make_layers(): pass",
        "from tensorflow import keras",
    ],
)
def test_names_of_the_users_own_are_left_alone(source: str) -> None:
    assert ignored(ast.parse(source)) is None


def test_every_argument_of_compile_and_fit_has_a_place() -> None:
    arguments = {
        *inspect.signature(keras.Model.compile).parameters,
        *inspect.signature(keras.Model.fit).parameters,
    }
    assert [name for name in arguments - {"self"} if not place_of(name)] == []
    assert not set(FORMAT) & {*COMPILE_ARGS, *FIT_ARGS}
