"""What user code raises is told in one line: the kind, the line of the file, and what was wrong."""

from pathlib import Path

import pytest

from loops.case.errors import reason
from loops.case.loading import CaseError
from tests.case.sources import GOOD, run_steps, write

TRACED = "@tf.function\ndef train_step(model, optimizer, x, y):\n    {}"
RUNTIME = (
    "@tf.function(input_signature=[tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1])])\n"
    "def inner(x, y):\n    return x + tf.zeros([tf.shape(x)[0] + 1, 2])\n"
    "def train_step(model, optimizer, x, y): return inner(x, y)"
)
STEPS = {
    "eager": (
        "def train_step(model, optimizer, x, y): x @ y",
        "(step 1) raised InvalidArgumentError (line 9): Matrix size-incompatible: In[0]: [4,2], In[1]: [4,1]",
    ),
    "traced": (
        TRACED.format("return x.foo"),
        "raised AttributeError (line 11): 'SymbolicTensor' object has no attribute 'foo'",
    ),
    "two lines": (TRACED.format("raise ValueError('first\\nsecond')"), "raised ValueError (line 11): first"),
    "static shapes": (
        TRACED.format("return x @ tf.ones([7, 7])"),
        "raised ValueError (line 11): Dimensions must be equal, but are 2 and 7 for MatMul with input shapes",
    ),
    "in a graph": (RUNTIME, "raised InvalidArgumentError (line 11): Incompatible shapes: [4,2] vs. [5,2]"),
    "in a layer": (
        "def train_step(model, optimizer, x, y): model(tf.ones([2, 5]))",
        "raised ValueError (line 9): Input 0 with name 'None' of layer 'dense' is incompatible with the lay",
    ),
    "in a layer, traced": (
        TRACED.format("return model(tf.ones([2, 5]))"),
        "raised ValueError (line 11): Input 0 with name 'None' of layer 'dense' is incompatible with the la",
    ),
    "in py_function": (
        TRACED.format("return tf.py_function(lambda: sys.exit(0), [], tf.float32)"),
        "raised UnknownError (line 11): SystemExit: 0",
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_error_of_a_step_is_told_with_its_line(name: str, tmp_path: Path) -> None:
    step, message = STEPS[name]
    source = GOOD.replace("def train_step(model, optimizer, x, y): pass", step)
    with pytest.raises(CaseError) as refusal:
        run_steps(write(tmp_path, source))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "Graph execution error" not in str(refusal.value)


def test_line_in_a_module_beside_the_case_is_told_with_its_file(tmp_path: Path) -> None:
    write(tmp_path, "\n\ndef fail(): raise KeyError('rate')", "helper.py")
    source = GOOD.replace(": pass", ":\n    import helper\n    helper.fail()")
    with pytest.raises(CaseError, match=r"KeyError \(helper\.py, line 3\): 'rate'"):
        run_steps(write(tmp_path, source))
    write(tmp_path, "def (", "helper.py")
    with pytest.raises(CaseError, match=r"SyntaxError \(helper\.py, line 1\): invalid syntax"):
        run_steps(write(tmp_path, source))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("a\nb"), "ValueError: a"),
        (ValueError(), "ValueError: no message"),
        (RuntimeError("RuntimeError: said twice"), "RuntimeError: said twice"),
        (
            ValueError(
                "Exception encountered when calling X.call().\n\n\x1b[1mno\x1b[0m\n\nArguments received by X"
            ),
            "ValueError: no",
        ),
        (
            ValueError(
                "Graph execution error:\n\n2 root error(s) found.\n  (0) INVALID: no\n\t [[{{node a}}]]"
            ),
            "ValueError: INVALID: no",
        ),
        (TypeError("{{function_node f}} no [Op:Add] name: "), "TypeError: no"),
    ],
)
def test_reason_is_the_line_that_says_what_is_wrong(error: Exception, told: str) -> None:
    assert reason(error) == told
