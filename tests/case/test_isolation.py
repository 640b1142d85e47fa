"""Two executions of a case share nothing, whatever it imports and sets; and nothing of it stays behind."""

import functools
import importlib
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from loops.case import keras_state
from loops.case.keras_state import KerasState
from loops.case.loading import Case
from tests.case.sources import GOOD, LINE, SCRIPT, run_steps, write

IMPORTS = "from {0} import net, adam, criterion, train_data, one_step\nfrom loops.case import case\n" + LINE


def parts(path: Path) -> tuple[Case, Any, Any]:
    case = Case(path)
    return case, case.model(case.epoch(1)[0]), case.optimizer()


def beside(folder: Path) -> Path:
    write(folder, SCRIPT, "training.py")
    return write(folder, IMPORTS.format("training"))


def package_below(folder: Path) -> Path:
    for package in ("parts", "parts/inner"):
        (folder / package).mkdir()
    write(folder, "", "parts/__init__.py")
    write(folder, SCRIPT, "parts/inner/training.py")  # parts.inner is a package without a file
    return write(folder, IMPORTS.format("parts.inner.training"))


def elsewhere(folder: Path) -> Path:
    (folder / "lib").mkdir()
    (folder / "cases").mkdir()
    write(folder, SCRIPT, "lib/training.py")
    source = "import sys, os\nsys.path.append(os.path.join(os.path.dirname(__file__), '..', 'lib'))\n"
    return write(folder, source + IMPORTS.format("training"), "cases/case.py")


@pytest.mark.parametrize("place", [beside, package_below, elsewhere])
def test_imported_model_optimizer_and_traced_step_are_new_each_time(place: Any, tmp_path: Path) -> None:
    path = place(tmp_path)
    before, paths = dict(sys.modules), list(sys.path)
    first, model, optimizer = parts(path)
    begin = [variable.numpy().tolist() for variable in model.variables]
    first.run("train_step", lambda: first.step(model, optimizer, tf.ones([4, 2]), tf.ones([4, 1])))
    second, other, other_optimizer = parts(path)
    assert other is not model
    assert other_optimizer is not optimizer
    assert second.train_step is not first.train_step
    assert (int(optimizer.iterations), int(other_optimizer.iterations)) == (1, 0)
    assert [variable.numpy().tolist() for variable in other.variables] == begin
    assert [variable.path for variable in other.variables] == [variable.path for variable in model.variables]
    assert [name for name in sys.modules if name not in before and "training" in name] == []
    assert sys.path == paths


def test_import_within_the_step_finds_the_modules_of_its_own_execution(tmp_path: Path) -> None:
    write(tmp_path, "seen = []", "state.py")
    source = GOOD.replace(
        ": pass", ":\n    import state\n    state.seen.append(1)\n    return len(state.seen)"
    )
    path = write(tmp_path, source)
    (first, model), (second, _) = run_steps(path, 2), run_steps(path, 1)
    for case, count in ((first, 3), (second, 2)):
        assert case.run("train_step", functools.partial(case.step, model, None, 0, 0)) == count
    assert "state" not in sys.modules


def test_module_that_the_process_has_imported_is_executed_anew_and_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    for name in ("own/__init__.py", "own/cases/__init__.py", "own/cases/state.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path, "seen = []", name)
    monkeypatch.syspath_prepend(tmp_path)
    outside = importlib.import_module("own.cases.state")
    outside.seen.append("outside")
    source = "from own import cases\nimport own.cases.state as state\nassert cases.state is state\n"
    case = Case(write(tmp_path, source + GOOD + "\nseen = state.seen", "own/cases/case.py"))
    assert case._execution.module.seen == []
    assert sys.modules["own.cases.state"] is sys.modules["own.cases"].state is outside
    for name in [name for name in sys.modules if name.partition(".")[0] == "own"]:
        del sys.modules[name]


def test_libraries_are_imported_once(tmp_path: Path) -> None:
    (tmp_path / "site-packages").mkdir()
    write(tmp_path, "", "site-packages/installed.py")
    libraries = (
        "\nsys.path.append(os.path.join(os.path.dirname(__file__), 'site-packages'))\nimport installed"
    )
    path = write(tmp_path, GOOD + "\nfrom loops.case import batches as room" + libraries)
    modules = [Case(path)._execution.module for _ in range(2)]
    assert modules[0].np is modules[1].np
    assert modules[0].installed is modules[1].installed is sys.modules.pop("installed")
    assert modules[0].room is modules[1].room is sys.modules["loops.case.batches"]


@pytest.fixture
def keras_as_it_was() -> Any:
    before = KerasState.now()
    yield
    before.restore()


SETS = """
assert keras.config.dtype_policy().name == "float32"
assert keras.config.floatx() == "float32"
assert keras.config.epsilon() == 1e-7
assert not tf.config.functions_run_eagerly()
keras.mixed_precision.set_global_policy("mixed_float16")
keras.config.set_epsilon(1e-3)
tf.config.run_functions_eagerly(True)
drawn = float(tf.random.normal([])), float(keras.random.normal([])), random.random(), np.random.rand()
drawn += (float(tf.random.get_global_generator().normal([])),)
name = keras.layers.Dense(1).name
"""


@pytest.mark.usefixtures("keras_as_it_was")
def test_policy_random_numbers_and_names_begin_alike(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + SETS)
    first, second = (Case(path) for _ in range(2))
    assert keras.config.dtype_policy().name == "mixed_float16"  # as the file wants it, while it is used
    assert first._execution.module.drawn == second._execution.module.drawn
    assert second._execution.module.name == "dense"
    (batch,) = second.epoch(1)
    assert second.model(batch).layers[0].compute_dtype == "float16"


@pytest.mark.usefixtures("keras_as_it_was")
def test_a_case_file_of_float64_leaves_the_next_one_alone(tmp_path: Path) -> None:
    wide = "from tensorflow import keras\nkeras.config.set_floatx('float64')\n" + GOOD
    assert Case(write(tmp_path, wide)).epoch(1)[0].x.dtype == tf.float32  # the data is float32
    assert keras.config.floatx() == "float64"
    Case(write(tmp_path, GOOD))
    assert keras.config.floatx() == keras_state.AT_START.floatx == "float32"
