"""`measure` on small cases: what is timed, beside which verdict, and what bad input gets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loops.cli import main
from loops.errors import UserError
from loops.measure import engine, makes, parts, verdict
from loops.measure.measurement import AGAIN, PLANTED, STEP, Measurement, Row
from loops.measure.peak import Peak
from loops.measure.printing import as_text
from loops.measure.ratios import Ratio
from loops.measure.ways import trying
from loops.measure.ways.grade import BIT_IDENTICAL, REFUSED, Grade
from loops.measure.ways.trying import FIT, Tried, Way
from tests.case.sources import GOOD, LINE, SCRIPT, write

SLEEPING = GOOD.replace(
    "def train_step(model, optimizer, x, y): pass",
    """
import time
def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        value = tf.reduce_mean((y - model(x, training=True)) ** 2)
    optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
    time.sleep(0.05)
    return value
""",
)


class NoProcess:
    """In place of a process that measures memory, which starts TensorFlow."""

    def __init__(self, *_: object) -> None:
        pass

    def result(self) -> Peak:
        return Peak(1 << 20)

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "STEPS_COMPARED", 3)
    monkeypatch.setattr(engine, "MAKES", 3)
    monkeypatch.setattr(engine, "MAKES_WITH_INPUT", 3)
    monkeypatch.setattr(engine, "ROUNDS", 2)
    monkeypatch.setattr(makes, "BLOCK_SECONDS", 0.01)
    monkeypatch.setattr(trying, "ROUNDS", 2)
    monkeypatch.setattr(parts, "ROUNDS", 2)
    monkeypatch.setattr(engine, "PeakProcess", NoProcess)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("script"), SCRIPT + LINE)


def test_slow_eager_step_is_slower_and_said_to_be_eager(tmp_path: Path) -> None:
    measured = engine.measure(write(tmp_path, SLEEPING))
    own = measured.row(STEP)
    assert own
    assert own.ratio
    assert own.ms_per_step > 50
    assert own.ratio.median > 5
    assert own.examples_per_second == pytest.approx(4 / own.ms_per_step * 1000)
    assert measured.row(STEP, with_input=True)
    assert measured.best is not None
    faster = measured.best_row
    assert faster
    assert faster.ms_per_step < 50  # the sleep happens in tracing only
    assert "it runs eagerly; " in measured.sentence()
    assert measured.sentence().endswith("Does it compute the same as fit()? identical")
    assert "paste this" in as_text(measured)


@pytest.mark.parametrize(
    ("kind", "changed", "where"),
    [
        ("step", {}, "paste this below your step:"),
        ("many", {"with_input": True}, "paste this below your step and your batches:"),
        ("fit", {"with_input": True}, "paste this at the end of your file:"),
        ("step", {"threads": "one thread an op"}, "these threads: TF_NUM_INTRAOP_THREADS=1 python"),
    ],
)
def test_the_recommendation_says_where_its_code_goes(kind: str, changed: dict[str, Any], where: str) -> None:
    best, faster = Way("quicker", kind, "code = 1\n", **changed), Ratio(0.5, 0.4, 0.6, 96)
    rows = [
        Row(arm, with_input, 1.0, 1.0, 1.0, faster, faster if arm == best.name else None)
        for arm in (STEP, best.name)
        for with_input in (False, True)
    ]
    tried = [Tried(best, Grade(BIT_IDENTICAL))]
    text = as_text(
        Measurement(
            "case.py", 4, rows, eager=False, diagnosis="identical", identical=True, tried=tried, best=best
        )
    )
    assert where in text
    assert "    code = 1" in text


def test_script_with_a_graph_function_is_timed_as_it_is(script: Path) -> None:
    measured = engine.measure(script, ways=False)
    timed = {(row.arm, row.with_input) for row in measured.rows}
    assert timed == {(arm, with_input) for arm in (FIT, AGAIN, STEP) for with_input in (False, True)} | {
        (PLANTED, False)
    }
    assert not measured.eager
    assert "eagerly" not in measured.sentence()


def test_step_that_trains_nothing_is_timed_beside_the_reason_for_no_verdict(tmp_path: Path) -> None:
    measured = engine.measure(write(tmp_path, GOOD))
    assert measured.row(STEP)
    assert "trains nothing" in measured.diagnosis
    assert measured.diagnosis in as_text(measured).splitlines()[-1]


def test_step_that_cannot_be_traced_is_refused_with_its_reason(tmp_path: Path) -> None:
    source = SLEEPING.replace("time.sleep(0.05)", "float(value.numpy())")
    measured = engine.measure(write(tmp_path, source))
    traced = next(tried for tried in measured.tried if tried.way.name == "under tf.function")
    assert traced.grade.word == REFUSED
    assert "numpy" in traced.grade.why
    assert traced.ratio is None


def test_step_that_raises_is_one_message_with_its_line(tmp_path: Path) -> None:
    source = GOOD.replace("y): pass", "y): raise RuntimeError('no such thing')")
    with pytest.raises(UserError, match="no such thing"):
        engine.measure(write(tmp_path, source))


def test_iterator_that_yields_once_is_refused(tmp_path: Path) -> None:
    source = GOOD.replace("def batches(): yield ONES", "batches = iter([ONES, ONES])")
    with pytest.raises(UserError, match=r"second pass|iterator"):
        engine.measure(write(tmp_path, source))


def test_missing_file_is_refused_before_tensorflow_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", "no_such_case.py"]) == 1
    told = capsys.readouterr().err
    assert "no_such_case.py: there is no such file" in told
    assert "starting TensorFlow" not in told


@pytest.mark.parametrize("command", ["measure", "diagnose"])
def test_file_that_is_no_python_is_refused_before_tensorflow_starts(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = write(tmp_path, "x = 1\ndef step(:\n    pass\n")
    assert main([command, str(case)]) == 1
    told = capsys.readouterr().err
    assert "SyntaxError (line 2)" in told
    assert "def step(:" in told
    assert "starting TensorFlow" not in told


def measured_rows(of_step: dict[bool, Ratio], **more: Any) -> Measurement:
    rows = [Row(STEP, fed, 1.0, 1.0, 1.0, ratio) for fed, ratio in of_step.items()]
    return Measurement("c.py", 4, rows, eager=False, diagnosis="identical", identical=True, **more)


FASTER, SLOWER = Ratio(0.8, 0.7, 0.9, 9), Ratio(1.5, 1.4, 1.6, 9)


def test_sentence_names_the_ratio_with_input_where_it_says_something_else() -> None:
    differing = measured_rows({False: FASTER, True: SLOWER}).sentence()
    assert "time (faster), with its batches read from batches() 1.50 [1.40, 1.60] (slower)" in differing
    assert "batches()" not in measured_rows({False: FASTER, True: FASTER}).sentence()


def test_a_planted_slowdown_that_was_not_seen_is_told_before_the_sentence() -> None:
    for seen, low in ((False, 0.99), (True, 1.01)):
        planted = Row(PLANTED, False, 1.0, 1.0, 1.0, Ratio(1.05, low, 1.1, 9))
        own = measured_rows({False: FASTER})
        text = as_text(replace(own, rows=[*own.rows, planted]))
        assert ("did not see a planted slowdown" in text) is not seen


def test_where_fit_is_fastest_the_fastest_of_the_own_step_is_told_too() -> None:
    best, own = Way("fit(), so", "fit", "args", {"steps_per_execution": 16}), Way("many", "many", "code")
    tried = [Tried(best, Grade(BIT_IDENTICAL), 0.5), Tried(own, Grade(BIT_IDENTICAL), 0.6)]
    measured = measured_rows({False: FASTER}, tried=tried, best=best, best_own=own)
    row = Row(best.name, False, 1.0, 1.0, 1.0, FASTER, FASTER)
    text = as_text(replace(measured, rows=[*measured.rows, row]))
    assert "model.compile(…, steps_per_execution=16)" in text
    assert "The fastest of your own step is many: 0.60" in text
    assert "Call train_many in place of your loop" in text


def test_no_way_of_fit_is_tried_for_a_step_that_computes_something_else(tmp_path: Path) -> None:
    source = SLEEPING.replace("tf.reduce_mean((", "2.0 * tf.reduce_mean((")
    measured = engine.measure(write(tmp_path, source))
    assert not measured.identical
    assert measured.tried
    assert not [tried for tried in measured.tried if tried.way.kind == "fit"]


def test_sentence_without_a_timed_step() -> None:
    nothing = Measurement("c.py", 4, [], eager=False, diagnosis="x", identical=False)
    assert nothing.sentence().startswith("your step could")


def test_step_that_cannot_be_traced_keeps_its_figures_without_a_bound(tmp_path: Path) -> None:
    source = SLEEPING.replace("time.sleep(0.05)", "float(value.numpy())")
    measured = engine.measure(write(tmp_path, source), ways=False, assumed=[])
    assert measured.row(STEP)
    assert measured.bounds is None
