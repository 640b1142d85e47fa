"""Saved files: what is refused, and what an archived copy is."""

import json
from pathlib import Path

import pytest

from bench.report.__main__ import main
from bench.report.saved import archive, load
from tests.bench.rows import ROWS, save

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


def test_machine_is_described_with_its_quota_and_variables_where_the_file_has_them(tmp_path: Path) -> None:
    older, newer = tmp_path / "older.json", tmp_path / "newer.json"
    save(older, ROWS)
    save(newer, ROWS, cpu_quota=1.5, variables={"ONEDNN_MAX_CPU_ISA": "AVX2"})
    versions = "TensorFlow 2, Keras 3, oneDNN off"
    assert load(older).machine() == f"C, 2 cores, {versions}, load 0.5 at the start"
    assert load(newer).machine() == (
        f"C, 2 cores (by quota 1.5), {versions}, ONEDNN_MAX_CPU_ISA=AVX2, load 0.5 at the start"
    )
