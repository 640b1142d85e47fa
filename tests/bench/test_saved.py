"""Saved files: what is refused, and what an archived copy is."""

import json
from pathlib import Path

import pytest

from bench.report.__main__ import main
from bench.report.saved import archive

NO_ROW = '{"benchmarks": [], "machine_info": {"fit_vs_tape": {"gpu": null}}}'


@pytest.mark.parametrize("content", [None, "<html>", "[]", '{"benchmarks": [], "machine_info": {}}', NO_ROW])
def test_file_that_is_no_result_is_refused(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    assert main([str(path)]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {path}: ")
    assert "Traceback" not in message


def test_archived_file_is_named_by_machine_and_drops_the_host(tmp_path: Path) -> None:
    facts = {"cpu": "Intel(R) Xeon(R) Processor", "cores": 2, "gpu": None}
    saved = {"benchmarks": [], "machine_info": {"node": "secret", "fit_vs_tape": facts}}
    (tmp_path / "out.json").write_text(json.dumps(saved))
    copy = archive(tmp_path / "out.json", tmp_path / "results")
    assert copy.name == "intel-xeon-processor-2-cores.json"
    assert "secret" not in copy.read_text()
