"""The code of each way, in the case's own names, as a reader would paste it at the end of the file."""

from dataclasses import dataclass

IMPORT = "import tensorflow as tf\n\n"


@dataclass(frozen=True)
class Names:
    """What a case calls its parts, all at top level.

    `optimizer` is given where the step takes its data alone and updates by an optimizer of this name.
    `traced` says whether the step is a tf.function, `sparse` whether some gradients come as rows of a
    variable (IndexedSlices), `imports_tf` whether TensorFlow is imported as tf. `data` is how the step is
    given what next(batches) gives.
    """

    step: str
    optimizer: str | None = None
    traced: bool = False
    sparse: bool = False
    imports_tf: bool = True
    data: str = "*next(batches)"

    @property
    def plain(self) -> str:
        """The step as a Python function."""
        return f"{self.step}.python_function" if self.traced else self.step

    @property
    def arguments(self) -> str:
        """What the step takes before its data."""
        return "" if self.optimizer else "model, optimizer, "

    def with_import(self, code: str) -> str:
        """The code, with the import that it needs."""
        return code if self.imports_tf else IMPORT + code


def traced(names: Names, *, reduce_retracing: bool = False, jit_compile: bool = False) -> str:
    """The step under tf.function."""
    options = {"reduce_retracing": reduce_retracing, "jit_compile": jit_compile}
    given = "".join(f", {name}=True" for name, on in options.items() if on)
    return names.with_import(f"{names.step} = tf.function({names.plain}{given})\n")


_MEAN = "None if parts[0] is None else tf.add_n(parts) / {count}"
_MEAN_OF_ROWS = """
def mean(parts):
    if isinstance(parts[0], tf.IndexedSlices):  # rows of an Embedding stay rows
        values, rows = tf.concat([part.values for part in parts], 0), [part.indices for part in parts]
        return tf.IndexedSlices(values / {count}, tf.concat(rows, 0), parts[0].dense_shape)
    return None if parts[0] is None else tf.add_n(parts) / {count}

"""
_IN_PARTS = '''\
whole_step = {plain}
{helper}
@tf.function
def {step}({arguments}*batch):
    """One update by the mean gradient of {count} equal parts of the batch, which run side by side."""
    rows, kept = tf.nest.flatten(batch)[0].shape[0], []
    if rows is None or rows % {count}:
        return whole_step({arguments}*batch)
    {optimizer}.apply = lambda *given: kept.append(given)  # keeps what a part would update by
    parts = [tf.nest.map_structure(lambda each: tf.split(each, {count})[i], batch) for i in range({count})]
    logs = [whole_step({arguments}*part) for part in parts]
    del {optimizer}.apply
    gradients = [{mean} for parts in zip(*(given[0] for given in kept))]
    {optimizer}.apply(gradients, *kept[0][1:])
    return {logs}
'''


def in_parts(names: Names, count: int, *, last_report: bool = False) -> str:
    """The step on `count` equal parts of a batch, side by side in one graph, and one update by their mean.

    A batch that cannot be cut so is trained as a whole. The step returns the mean of what it returns for
    the parts, or with `last_report` what it returns for the last one, as a running metric needs it.
    """
    mean_of_logs = (
        f"None if logs[0] is None else tf.nest.map_structure(lambda *each: tf.add_n(each) / {count}, *logs)"
    )
    return names.with_import(
        _IN_PARTS.format(
            plain=names.plain,
            step=names.step,
            arguments=names.arguments,
            optimizer=names.optimizer or "optimizer",
            count=count,
            helper=_MEAN_OF_ROWS.format(count=count) if names.sparse else "",
            mean="mean(parts)" if names.sparse else _MEAN.format(count=count),
            logs="logs[-1]" if last_report else mean_of_logs,
        )
    )


MANY = "train_many"
_MANY = '''
@tf.function
def {many}({arguments}batches, count):
    """Train `count` steps in one call; `batches` is iter(your tf.data.Dataset), `count` a tf.constant."""
    for _ in tf.range(count):
        {step}({arguments}{data})
'''


def many_steps(names: Names) -> str:
    """Any number of steps in one call: no Python between them."""
    return names.with_import(
        _MANY.format(many=MANY, step=names.step, arguments=names.arguments, data=names.data).lstrip("\n")
    )


BFLOAT16 = "mixed_bfloat16"


def mixed_precision(names: Names) -> str:
    """Products of bfloat16, variables of float32, in the model that is made after this line."""
    return names.with_import(f"tf.keras.config.set_dtype_policy({BFLOAT16!r})\n")


def compiled(*, added: bool = False, **arguments: object) -> str:
    """Further arguments of compile(), as a case file gives them; `added` to those that it has already."""
    return f"compile_args {'|=' if added else '='} {arguments}\n"
