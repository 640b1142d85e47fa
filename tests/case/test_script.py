"""A script becomes a case by one line, which does nothing in an ordinary run."""

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from loops.case import case as case_line
from loops.case.loading import Case, CaseError
from loops.case.template import SKELETON
from loops.cli import main
from tests.case.sources import GOOD, LINE, SCRIPT, run_steps, write

LOOP = 'if __name__ == "__main__":\n    raise RuntimeError("the loop must not run")\n'


def test_script_with_its_line_is_a_case(tmp_path: Path) -> None:
    case, model = run_steps(write(tmp_path, SCRIPT + LOOP + LINE), 2)
    assert case.has_step
    assert case.optimizer().iterations == 2
    assert case.loss().name == "mean_squared_error"
    assert model is case.model(case.epoch(1)[0])
    assert len(case.epoch(9)) == 2


def test_line_takes_all_settings_and_functions_that_make_the_parts(tmp_path: Path) -> None:
    line = (
        "case(model=lambda: net, optimizer=keras.optimizers.SGD, batches=iter(list(train_data)), "
        "loss='mse', train_step=lambda model, optimizer, x, y: 5, metrics=['mae'], seed=3, "
        "compile_args={'jit_compile': True}, fit_args={'initial_epoch': 2}, "
        "on_epoch_begin=print, on_epoch_end=print, on_train_end=print)"
    )
    case, _ = run_steps(write(tmp_path, SCRIPT + line))
    assert case.seed == 3
    assert (case.metrics(), case.compile_args, case.fit_args) == (
        ["mae"],
        {"jit_compile": True},
        {"initial_epoch": 2},
    )
    assert isinstance(case.optimizer(), tf.keras.optimizers.SGD)


WRONG = {
    "unknown keyword": (
        LINE.replace("case(", "case(class_weights={}, "),
        r"TypeError \(.*line 15\): case\(\): class_weights is unknown. Did you mean class_weight\? If so: ",
    ),
    "wrong value": (LINE.replace("case(", "case(seed='a', "), "seed is 'a'; it must be a whole number"),
    "no model": (LINE.replace("model=net", "model=3"), r"model of case\(\) gave int, not a Keras model"),
    "twice": (LINE + LINE, r"case\(\) is called more than once \(.*:15 and .*:16\)"),
    "lacks batches": (LINE.replace("batches=train_data, ", ""), "missing 1 required keyword-only argument"),
    "not reached": (
        'if __name__ == "__main__":\n    ' + LINE,
        r"case\(…\) in line 16 was not reached: .* Move it to the left margin",
    ),
    "consumed data": (
        "stream = iter([])\n" + LINE.replace("train_data", "stream"),
        "It is an iterator, which yields once",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_line_is_refused(name: str, tmp_path: Path) -> None:
    line, message = WRONG[name]
    with pytest.raises(CaseError, match=message):
        run_steps(write(tmp_path, SCRIPT + line))


def test_line_does_nothing_in_an_ordinary_run_and_does_not_start_tensorflow(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        "import sys\nfrom loops.case import case\n"
        "assert case(model=1, optimizer=2, batches=3) is None\nassert 'tensorflow' not in sys.modules\n",
    )
    subprocess.run(
        [sys.executable, script], check=True, cwd=Path(__file__).parents[2], env={"PYTHONPATH": "."}
    )
    case_line(model=1, optimizer=2, batches=3)
    with pytest.raises(TypeError, match=r"case\(\): epochs does not belong there"):
        case_line(model=1, optimizer=2, batches=3, epochs=3)  # type: ignore[call-arg]


def test_line_of_the_file_itself_wins_over_that_of_a_script_it_imports(tmp_path: Path) -> None:
    write(tmp_path, SCRIPT + LINE.replace("case(", "case(seed=1, "), "training.py")
    parts = "from training import *\n"
    assert Case(write(tmp_path, parts + LINE.replace("case(", "case(seed=2, "))).seed == 2
    assert Case(write(tmp_path, parts)).seed == 1


def test_plain_script_gets_the_line_to_add_with_its_own_names(tmp_path: Path) -> None:
    extra = "\nval_data = train_data\ndef test_step(x, y): pass\n"
    path = write(
        tmp_path, SCRIPT.replace("from loops.case import case\n", extra).replace("val_data = train_data", "")
    )
    with pytest.raises(CaseError) as refusal:
        Case(path)
    assert f"    from loops.case import case\n    {LINE}" in str(refusal.value)
    assert "Not found" not in str(refusal.value)
    path.write_text(path.read_text() + "\nfrom loops.case import case\n" + LINE)
    run_steps(path)


def test_what_a_plain_script_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaseError) as refusal:
        Case(write(tmp_path, "print('hello')"))
    assert "case(model=…, optimizer=…, loss=…, batches=…, train_step=…)" in str(refusal.value)
    assert "Not found at its top level: the model (model=), the Keras optimizer (optimizer=)" in str(
        refusal.value
    )


def test_case_file_with_a_misspelled_name_is_no_plain_script(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"make_modell \(line 4\) is no name of a case .*mean make_model\?"):
        Case(write(tmp_path, GOOD.replace("make_model", "make_modell")))


def test_template_is_a_right_case(tmp_path: Path) -> None:
    case, model = run_steps(write(tmp_path, SKELETON))
    assert [batch.x.shape[0] for batch in case.epoch(9)] == [32, 32, 10]
    assert isinstance(case.optimizer(), tf.keras.optimizers.Adam)
    commented = SKELETON.replace("# seed", "seed").replace("# metrics", "metrics").replace("# def", "def")
    commented = commented.replace("# compile_args", "compile_args").replace("#                 ", " ")
    commented = commented.replace("# fit_args", "fit_args").replace('"callbacks": []', '"callbacks": None')
    full, _ = run_steps(write(tmp_path, commented))
    assert full.fit_args["class_weight"] == {0: 1.0, 1: 9.0}
    assert full.metrics() == ["accuracy"]
    full.on_train_end(model, None)


def test_template_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    assert main(["diagnose", "--template", str(path)]) == 0
    assert path.read_text() == SKELETON
    assert f"python -m loops diagnose {path}" in capsys.readouterr().out
    path.write_text("# mine")
    assert main(["diagnose", "--template", str(path)]) == 1
    assert "mine.py: is there already" in capsys.readouterr().err
    assert path.read_text() == "# mine"
    assert main(["diagnose", "--template", str(tmp_path / "mine.txt")]) == 1
    assert main(["diagnose", "--template", str(tmp_path / "no" / "mine.py")]) == 1
    assert "cannot be written" in capsys.readouterr().err
