"""Two finished runs side by side: which settings and which part of the environment differ."""

from pathlib import Path
from typing import Any

import pytest

from loops.files import CONFIG, RESULT, write_json
from loops.run.comparison import compare_runs

OLDER = {"tensorflow": "2.21.0", "cores": 2, "gpu": None}
NEWER = {**OLDER, "cpu_quota": None}


def finished(folder: Path, environment: dict[str, Any], **settings: Any) -> Path:
    """A run's folder with made-up scores."""
    scores = {"test_accuracy": 0.9, "test_loss": 0.3, "f1_micro": 0.9, "f1_macro": 0.9}
    result = {"status": "done", "environment": environment, "train_seconds": 1.0, "images_per_second": 1.0}
    more = {"confusion": [[1] * 10] * 10, "weights_sha256": "a" * 64, "history": []}
    folder.mkdir()
    write_json(folder / CONFIG, {"loop": "fit", "seed": 0, **settings})
    write_json(folder / RESULT, {**scores, **result, **more})
    return folder


def environment_of(text: str) -> list[list[str]]:
    """The words of the table's rows, under its title."""
    (part,) = [part for part in text.split("\n\n") if part.startswith("environment")]
    title, *rows = part.splitlines()
    assert title == ("environment differs" if rows else "environment: the same")
    return [[cell for cell in row.split("  ") if cell.strip()] for row in rows]


def test_each_variable_that_differs_has_a_row(tmp_path: Path) -> None:
    variables = {"DNNL_MAX_CPU_ISA": "SSE41", "TF_NUM_INTRAOP_THREADS": "1"}
    one = finished(tmp_path / "one", NEWER | {"variables": {"XLA_FLAGS": "x"}})
    two = finished(tmp_path / "two", NEWER | {"cpu_quota": 0.5, "variables": variables | {"XLA_FLAGS": "x"}})
    rows = environment_of(compare_runs(one, two))
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["cpu_quota", "none", "0.5"],
        ["DNNL_MAX_CPU_ISA", "not set", "SSE41"],
        ["TF_NUM_INTRAOP_THREADS", "not set", "1"],
    ]


@pytest.mark.parametrize("turned", [False, True])
def test_what_an_older_run_did_not_record_is_not_called_the_same(turned: bool, tmp_path: Path) -> None:
    older = finished(tmp_path / "older", OLDER)
    newer = finished(tmp_path / "newer", NEWER | {"variables": {"TF_X": "1"}})
    rows = environment_of(compare_runs(newer, older) if turned else compare_runs(older, newer))
    cells = [[cell.strip() for cell in row] for row in rows]
    step = -1 if turned else 1
    assert [[name, *pair[::step]] for name, *pair in cells] == [
        ["cpu_quota", "not recorded", "none"],
        ["TF_X", "not recorded", "1"],
    ]


def test_same_environment_is_said_to_be(tmp_path: Path) -> None:
    environment = NEWER | {"variables": {"TF_X": "1"}}
    text = compare_runs(finished(tmp_path / "a", environment), finished(tmp_path / "b", environment))
    assert environment_of(text) == []
    assert "config: the same" in text
