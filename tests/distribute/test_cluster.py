"""Who is who in a cluster, from TF_CONFIG and from Slurm, and what is refused."""

import json

import pytest

from loops.distribute.cluster import ClusterError, Task, find, tf_config

HOSTS = ["one:2222", "two:2222"]


def described(cluster: object, task: object) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_workers_are_in_the_order_of_tf_config() -> None:
    found = find(described({"worker": HOSTS}, {"type": "worker", "index": 1}))
    assert (found.size, found.rank) == (2, 1)
    assert found.name(1) == "worker 1 (two:2222)"
    assert found.tasks[1].device_name == "/job:worker/replica:0/task:1"


def test_a_job_named_chief_comes_first() -> None:
    found = find(described({"worker": HOSTS, "chief": ["zero:1"]}, {"type": "worker", "index": 0}))
    assert found.rank == 1
    assert found.tasks[0] == Task("chief", 0, "zero:1")


def test_local_workers_are_described_for_tensorflow() -> None:
    found = find({"TF_CONFIG": tf_config(2, 1, [11, 22])})
    assert (found.rank, found.tasks[1].address) == (1, "127.0.0.1:22")


@pytest.mark.parametrize(
    "environ",
    [
        {"TF_CONFIG": "{"},
        {"TF_CONFIG": "[]"},
        {"TF_CONFIG": "{}"},
        described({"worker": HOSTS}, {"type": "worker", "index": 2}),
        described({"worker": HOSTS}, {"type": "worker"}),
        described({"worker": HOSTS, "ps": ["three:1"]}, {"type": "ps", "index": 0}),
        described({"worker": 5}, {"type": "worker", "index": 0}),
        described({"worker": "one:2222"}, {"type": "worker", "index": 0}),
        described({"worker": ["one"]}, {"type": "worker", "index": 0}),
        described({"worker": ["one:99999"]}, {"type": "worker", "index": 0}),
        described({"worker": ["one:1", "one:1"]}, {"type": "worker", "index": 0}),
    ],
)
def test_what_describes_no_worker_is_refused_with_an_example(environ: dict[str, str]) -> None:
    with pytest.raises(ClusterError, match=r"TF_CONFIG: describes no worker.*must look like"):
        find(environ)


def test_neither_tf_config_nor_slurm_is_refused() -> None:
    with pytest.raises(ClusterError, match="neither TF_CONFIG nor a Slurm step"):
        find({})


STEP = {
    "SLURM_PROCID": "2",
    "SLURM_STEP_NODELIST": "n[2,10]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
}


def test_slurm_step_is_read_node_by_node_in_its_own_order() -> None:
    found = find(STEP)
    assert [task.address for task in found.tasks] == ["n2:8888", "n2:8889", "n10:8888", "n10:8889"]
    assert found.rank == 2


@pytest.mark.parametrize(
    "changed", [{"SLURM_STEP_NODELIST": ""}, {"SLURM_PROCID": "4"}, {"SLURM_PROCID": "x"}]
)
def test_slurm_step_that_makes_no_sense_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(ClusterError, match="the Slurm step cannot be read"):
        find(STEP | changed)


def test_slurm_step_that_lacks_a_variable_is_refused() -> None:
    with pytest.raises(ClusterError, match="SLURM_STEP_NODELIST"):
        find({"SLURM_PROCID": "0"})
