"""Which processor trains: starts TensorFlow quietly on it, or says why that cannot be."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loops.errors import UserError

CHOICES = ("auto", "cpu", "gpu")
DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's, AMD's, and of Linux within Windows
VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}  # Linux's flags and their names, the widest first


class DeviceError(UserError):
    """A device was asked for that is not there."""


@dataclass(frozen=True)
class Device:
    """`kind` is "cpu" or "gpu"; `name` is the processor's model."""

    kind: str
    name: str


def start(
    choice: str = "auto", *, threads_an_op: int | None = None, cpus: int = 1, runtime: bool = True
) -> Device:
    """Import TensorFlow, silence its start-up messages, and pick the device.

    To be called before anything else imports TensorFlow. "cpu" hides every GPU from it, so
    that the CPU runs the same program whether or not the machine has one. `threads_an_op` are those that
    one operation may use, by default as many as there are cores. `cpus` are the devices that TensorFlow makes
    of the CPU, for replicas. Without `runtime` TensorFlow computes
    nothing yet, as it must not before it joins a cluster.

    Raises:
        DeviceError: "gpu" was asked for and TensorFlow sees none.
    """
    quiet()
    if choice == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with _quiet_standard_error():
        import tensorflow as tf

        if threads_an_op:
            tf.config.threading.set_intra_op_parallelism_threads(threads_an_op)
        if cpus > 1:
            each = [tf.config.LogicalDeviceConfiguration()] * cpus
            tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], each)
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        if runtime:
            tf.zeros(1)  # starts the runtime, which has messages of its own
    if choice == "gpu" and not gpus:
        raise DeviceError(
            "--device gpu: TensorFlow sees no GPU on this machine. Install the extra with "
            "`pip install -e '.[gpu]'` and check `nvidia-smi`, or use --device cpu."
        )
    if gpus and choice != "cpu":
        return Device("gpu", tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))
    return Device("cpu", cpu_name())


def quiet() -> None:
    """Silence TensorFlow's log and name it as Keras's backend; before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"


def cpu_name() -> str:
    """The processor's model as Linux names it, with its vector instructions; elsewhere as Python does.

    Clouds give one name to several models, of which TensorFlow runs some with oneDNN and some without.
    """
    import platform

    name, flags = _cpu_facts().get("model name"), cpu_flags()
    if name is None:
        return platform.processor() or platform.machine()
    return next((f"{name}, {words}" for flag, words in VECTORS.items() if flag in flags), name)


def cpu_flags() -> list[str]:
    """What Linux says that the first processor can do; nothing elsewhere."""
    facts = _cpu_facts()
    return facts.get("flags", facts.get("Features", "")).split()  # the second on ARM


def _cpu_facts() -> dict[str, str]:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        pairs = [line.partition(":") for line in lines]
        return {name.strip(): value.strip() for name, _, value in reversed(pairs)}
    return {}


@contextlib.contextmanager
def _quiet_standard_error() -> Iterator[None]:
    """Hold back what C++ code writes to standard error; show it if the block fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def may_have_gpu() -> bool:
    """Whether the system shows a GPU's driver, without asking TensorFlow; true where there is no telling."""
    return sys.platform != "linux" or any(os.path.exists(path) for path in DRIVERS)


def look_for_gpu(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process, from which this one's setting hides no GPU, that ends with 0 if it finds one."""
    ask = [sys.executable, "-c", "from loops import device; device.start('gpu')"]
    return subprocess.Popen(ask, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def gpu_is_there(environment: Mapping[str, str]) -> bool:
    """Whether TensorFlow finds a GPU with this environment; takes as long as TensorFlow's start."""
    return look_for_gpu(environment).wait() == 0
