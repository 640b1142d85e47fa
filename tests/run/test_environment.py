"""What decides the bits from outside: recorded, compared with what was, and worded."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from loops.data import FashionMnist
from loops.run.cores import cpu_quota, usable_cores
from loops.run.environment import CLAIMED, NOT_RECORDED, changes, describe, variables, worded
from tests.conftest import CPU
from tests.run.test_checkpoint import result_of, stopped_run

ROOT = Path(__file__).parents[2]
TOGETHER = 2  # processes at a time
SETTINGS = {  # each gives a training other weights
    "TF_NUM_INTRAOP_THREADS": "1",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
}
SHOW_THREADS = """
import json, os
from loops import device
from loops.run.environment import describe
facts = describe(device.start("cpu"), jit_compile=False)
pools = [facts["threads_intra_op"], facts["threads_inter_op"]]
print(json.dumps([pools, len(os.listdir("/proc/self/task"))]))
"""


def run(command: list[str], **more: str) -> "subprocess.CompletedProcess[str]":
    """A fresh process under these variables."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def resumed(small: FashionMnist, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, str]]:
    """One stopped run that was gone on with under each variable: its result and what was printed."""
    stopped = stopped_run("tape", small, tmp_path_factory.mktemp("stopped"), after=4)

    def resume(name: str) -> tuple[Any, str]:
        runs = tmp_path_factory.mktemp(name)
        shutil.copytree(stopped, runs / stopped.name)
        command = ["-m", "tests.small_cli", "tape", "--runs", str(runs), "--resume", stopped.name]
        done = run(command, **{name: SETTINGS[name]})
        return result_of(runs / stopped.name), done.stderr

    with ThreadPoolExecutor(TOGETHER) as pool:
        return dict(zip(SETTINGS, pool.map(resume, SETTINGS), strict=True))


@pytest.mark.parametrize("name", SETTINGS)
def test_resume_under_another_value_is_recorded_and_drops_the_claim(
    name: str, resumed: dict[str, tuple[Any, str]]
) -> None:
    result, printed = resumed[name]
    assert not result["bit_identical_claimed"]
    assert result["environment"]["variables"][name] == SETTINGS[name]
    assert f"{name} was not set, is {SETTINGS[name]}" in printed
    changed = result["resumed"][0]["changed"]
    assert changed.pop(name) == [None, SETTINGS[name]]
    if name == "TF_NUM_INTRAOP_THREADS" and usable_cores() > 1:
        assert changed.pop("threads_intra_op") == [usable_cores(), 1]
    assert changed == {}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted as Linux shows them")
def test_recorded_threads_are_those_that_tensorflow_starts() -> None:
    def threads(counts: tuple[int, int]) -> Any:
        intra, inter = map(str, counts)
        pools = {"TF_NUM_INTRAOP_THREADS": intra, "TF_NUM_INTEROP_THREADS": inter}
        return json.loads(run(["-c", SHOW_THREADS], **pools).stdout)

    with ThreadPoolExecutor(TOGETHER) as pool:
        (few, in_all), (many, more_in_all) = pool.map(threads, [(1, 1), (3, 5)])
    assert (few, many) == ([1, 1], [3, 5])
    assert more_in_all - in_all == sum(many) - sum(few)


@pytest.mark.parametrize("value", ["", "0", "many"])
def test_variable_that_names_no_number_of_threads_leaves_it_at_the_cores(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", value)
    assert describe(CPU, jit_compile=False)["threads_intra_op"] == usable_cores()


def test_variables_are_those_that_can_change_the_arithmetic() -> None:
    kept = {
        "DNNL_MAX_CPU_ISA": "SSE41",
        "KERAS_HOME": "/home",
        "MKL_CBWR": "COMPATIBLE",
        "NUMBA_CPU_NAME": "generic",
        "NVIDIA_TF32_OVERRIDE": "0",
        "OMP_NUM_THREADS": "1",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "TF_XLA_FLAGS": "",
        "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
    }
    others = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_TOKEN_app_terraform_io", "TF_VAR_password", "HOME")
    found = variables(dict.fromkeys(others, "x") | dict(reversed(kept.items())))
    assert list(found.items()) == list(kept.items())


def facts(**more: Any) -> dict[str, Any]:
    return dict.fromkeys(CLAIMED, "as it was") | {"gpu": None, "cpu_quota": None, "variables": {}} | more


def test_changes_name_each_variable_and_say_what_it_was() -> None:
    then = facts(variables={"OMP_NUM_THREADS": "2", "ONEDNN_MAX_CPU_ISA": "AVX2", "XLA_FLAGS": "same"})
    now = facts(variables={"OMP_NUM_THREADS": "1", "TF_X": "", "XLA_FLAGS": "same"}, gpu="G", python="other")
    assert changes(now, now) == {}
    assert worded(changes(then, now)) == (
        "gpu was none, is G; OMP_NUM_THREADS was 2, is 1; ONEDNN_MAX_CPU_ISA was AVX2, is not set; "
        "TF_X was not set, is empty"
    )


@pytest.mark.parametrize("name", ["variables", "cpu_quota"])
def test_what_an_older_file_lacks_counts_only_where_something_is_set_now(name: str) -> None:
    older = facts()
    del older[name]
    assert changes(older, facts()) == {}
    limited = facts(cpu_quota=1.5, variables={"TF_X": "1"})
    changed = changes(older, limited)
    assert changed == {
        "cpu_quota": [NOT_RECORDED if name == "cpu_quota" else None, 1.5],
        "TF_X": [NOT_RECORDED if name == "variables" else None, "1"],
    }
    assert "was not recorded, is 1" in worded(changed)


def test_file_that_recorded_nothing_agrees_with_no_environment() -> None:
    assert changes({}, facts()).keys() == set(CLAIMED) - {"gpu", "cpu_quota"}


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/a/b\n", {"a/b/cpu.max": "100000 50000\n", "a/cpu.max": "300000 100000\n"}, 2),
        (
            "3:cpu,cpuacct:/docker/0af\n0::/\n",  # its path outside the container
            {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            0.5,
        ),
        ("3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("4:cpuset:/\n", {"cpuset/cpu.max": "1 1\n"}, None),
        (None, {}, None),
    ],
)
def test_quota_is_the_least_of_the_groups(
    groups: str | None, files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    contents = {f"sys/fs/cgroup/{name}": content for name, content in files.items()}
    contents |= {"proc/self/cgroup": groups} if groups else {}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cpu_quota(tmp_path) == quota
