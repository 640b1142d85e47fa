"""What must be known of a case to say which ways apply to it, and why one cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from loops.case.batches import Batch, batch_size
from loops.case.loading import Case, Start
from loops.case.running import is_graph_function, start_of
from loops.device import cpu_flags
from loops.measure.ways.code import Names
from loops.measure.ways.source import Source, source_of
from loops.run.cores import usable_cores

MOST_PARTS = 8  # each is a copy of the step in the graph
LOOKED_AT = 8  # batches that the specs of the input are read from
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # the last on ARM
RATES = ("rate", "dropout", "recurrent_dropout")  # of a Dropout, a recurrent layer
CHECKED = 8  # batches whose shapes tell whether tf.function would trace anew


@dataclass(frozen=True)
class Facts:
    """Names of a case and what its model, its batches and this machine are like.

    `names` is None where the step has no top-level name to put another in its place; `meet` names the layers
    in which the rows of a batch meet, `random` those that draw random numbers, with what they do. `bfloat16`
    says whether this processor multiplies such numbers itself.
    """

    path: Path
    epoch: Sequence[Batch]
    start: Start
    names: Names | None
    has_step: bool
    traced: bool
    multiple: int
    shapes: int
    meet: tuple[str, ...]
    random: tuple[str, ...]
    has_compile_args: bool = False
    source: Source | None = None
    bfloat16: bool = False
    imports_tf: bool = True

    @property
    def eager(self) -> bool:
        """Whether the case's step is a plain Python function."""
        return self.has_step and not self.traced

    @property
    def part_counts(self) -> tuple[int, ...]:
        """Into how many parts a batch is cut: about one to three for each core, where the rows divide so.

        Into none on a GPU, which runs a whole batch at once.
        """
        if tf.config.list_logical_devices("GPU"):
            return ()
        rows, cores = batch_size(self.epoch[0]), usable_cores()
        found = {_nearest_divisor(rows, min(most, MOST_PARTS)) for most in (cores, 2 * cores, 3 * cores)}
        return tuple(sorted(found - {1}))


def read_facts(path: Path) -> Facts:
    """The facts of a case, whose input is known from its first batches.

    Raises:
        CaseError: the case raises.
    """
    case = Case(path)
    epoch = case.epoch(LOOKED_AT)
    return facts_of(path, epoch, start_of(case, epoch[0]), steps_per_execution(case))


def steps_per_execution(case: Case) -> int:
    """How many steps fit() runs in one call; 1 where the case leaves it to Keras."""
    given = case.compile_args.get("steps_per_execution", 1)
    return given if isinstance(given, int) else 1


def facts_of(path: Path, epoch: Sequence[Batch], start: Start, multiple: int) -> Facts:
    """Read the facts off a fresh execution of the case.

    Raises:
        CaseError: the case raises.
    """
    case = Case(path)
    model = case.model(epoch[0], start)
    layers = model._flatten_layers()  # nested ones have no public list
    step = case.name_of("train_step")
    optimizer = None if case.takes_optimizer else case.name_of("make_optimizer")
    names = None
    if step and (case.takes_optimizer or optimizer):
        names = Names(
            step,
            optimizer,
            traced=is_graph_function(case.train_step),
            sparse=any(isinstance(each, tf.keras.layers.Embedding) for each in layers),
            imports_tf=case.value_of("tf") is tf,
            data=_data(case, len(epoch[0].data())),
        )
    shapes = {tuple(str(part.shape) for part in tf.nest.flatten(batch.data())) for batch in epoch[:CHECKED]}
    return Facts(
        path,
        epoch,
        start,
        names,
        case.has_step,
        is_graph_function(case.train_step),
        multiple,
        shapes=len(shapes),
        meet=tuple(_meetings(layers)),
        random=tuple(f"{layer.name} draws other random numbers" for layer in layers if _draws(layer)),
        has_compile_args=bool(case.value_of("compile_args")),
        source=source_of(case, list(epoch)),
        bfloat16=multiplies_bfloat16(),
        imports_tf=case.value_of("tf") is tf,
    )


def multiplies_bfloat16() -> bool:
    """Whether the processor that trains has products of bfloat16: a GPU, or a CPU whose flags say so."""
    gpus = tf.config.list_physical_devices("GPU")
    if tf.config.list_logical_devices("GPU"):
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return bool(capability >= (8, 0))  # NVIDIA's first with such products
    return not BFLOAT16_FLAGS.isdisjoint(cpu_flags())


def _data(case: Case, size: int) -> str:
    """How the step takes what a Dataset gives next."""
    if case.takes_whole_batch:
        return "next(batches)"
    return "*next(batches)" if case.data_count >= size else f"*next(batches)[:{case.data_count}]"


def _meetings(layers: Sequence[tf.keras.layers.Layer]) -> list[str]:
    found = []
    for layer in layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            found.append(f"{layer.name} takes its statistics over the whole batch")
        elif getattr(layer, "stateful", False) and isinstance(layer, tf.keras.layers.RNN):
            found.append(f"{layer.name} is stateful: it keeps one state for each row of the batch")
    return found


def _draws(layer: tf.keras.layers.Layer) -> bool:
    """Whether the layer draws random numbers: one that can, and whose rates are not all 0."""
    if getattr(layer, "seed_generator", None) is None or isinstance(layer, tf.keras.Model):
        return False
    rates = [value for name in RATES if isinstance(value := getattr(layer, name, None), int | float)]
    return any(rates) or not rates


def _nearest_divisor(rows: int, most: int) -> int:
    """The largest number up to `most` that divides `rows`."""
    return next(number for number in range(min(most, rows), 0, -1) if rows % number == 0)
