"""What fit() can do on several devices and workers: tells when upstream mends what it cannot."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loops import cli
from loops.distribute.launch import free_ports
from tests.distribute.processes import ROOT, environment

SCRIPT = """
import sys
import tensorflow as tf
{start}
with strategy.scope():
    tf.keras.utils.set_random_seed(1)
    model = tf.keras.Sequential([tf.keras.layers.Input((4,)), tf.keras.layers.Dense(1)])
    model.compile("adam", "mse")
data = tf.data.Dataset.from_tensor_slices((tf.ones([8, 4]), tf.zeros([8, 1]))).batch(4)
model.fit(data, epochs=1, verbose=0)
print("trained", model.optimizer.iterations.numpy())
"""
MIRRORED = """
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
"""
WORKERS = "strategy = tf.distribute.MultiWorkerMirroredStrategy()"


def run(start: str, ranks: int) -> list[tuple[int, str]]:
    """The script as one process a worker: exit codes and everything printed."""
    ports = free_ports(ranks)
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(start=start)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(
                {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank}})}
                if ranks > 1
                else {}
            ),
        )
        for rank in range(ranks)
    ]
    try:
        printed = [process.communicate(timeout=120)[0] for process in processes]
        return [(process.returncode, out) for process, out in zip(processes, printed, strict=True)]
    finally:
        for process in processes:
            process.kill()


def test_fit_trains_on_mirrored_strategy() -> None:
    ((code, printed),) = run(MIRRORED, 1)
    assert code == 0, printed
    assert "trained 2" in printed


def test_fit_still_fails_on_multi_worker_mirrored_strategy() -> None:
    """Keras 20585: once this test fails, fit() can be trained on workers; lift the refusal and say so."""
    for code, printed in run(WORKERS, 2):
        assert code != 0, "fit() trains on several workers now: see keras-team/keras#20585"
        assert "PerReplica" in printed


@pytest.mark.parametrize("options", [["fit", "--workers", "2"], ["both", "--cluster", "auto"]])
def test_fit_on_several_workers_is_refused_with_the_upstream_issue(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*options, "--runs", str(tmp_path)]) == 1
    assert "keras/issues/20585" in capsys.readouterr().err
