"""What a step must do at least: operations and bytes, counted in the graph that it traces to."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from loops.case.batches import Batch
from loops.case.loading import Case, Start
from loops.measure import case_arms

READING = ("ReadVariableOp", "ResourceGather")  # of a variable that is not updated, nothing else is done
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
WHILES = ("While", "StatelessWhile")
BRANCHES = ("If", "StatelessIf")


@dataclass(frozen=True)
class Work:
    """Of one step: operations of its matrix products and convolutions, and the bytes that it must move.

    A multiply-add counts as two. The bytes are those of the batch, and of each variable once for reading and,
    where it is updated, once for writing, as if all else stayed in cache; tables of which only some rows are
    read are left out. `uncounted` names what could not be counted, so that the true figures are larger.
    """

    flops: int
    bytes: int
    uncounted: tuple[str, ...] = ()


def work_of(case: Case, epoch: Sequence[Batch], start: Start) -> Work:
    """Count the work of the case's step on its first batch, or of fit()'s where it has none.

    Raises:
        CaseError: the case raises, or its step cannot be traced.
    """
    batch, step = epoch[0], case_arms.traceable_step(case, list(epoch), start)
    graph = case.run("train_step", lambda: tf.function(step).get_concrete_function(*_specs(batch)).graph)
    counter = _Counter()
    flops = counter.flops(graph, 1)
    moved = sum(tensor.dtype.size * math.prod(tensor.shape) for tensor in tf.nest.flatten(batch.data()))
    moved += sum(
        (2 if _is_written(variable, graph) else 1) * variable.dtype.size * math.prod(variable.shape)
        for variable in graph.variables
        if variable.dtype.is_floating and not counter.is_table(variable, graph)
    )
    return Work(flops, moved, tuple(sorted(counter.uncounted)))


def _is_written(variable: Any, graph: Any) -> bool:
    """Whether anything but reading is done with the variable; of a function that is called, it is assumed."""
    inner = [mine for outer, mine in graph.captures if outer is variable.handle]
    return any(op.type not in READING for each in inner for op in each.consumers())


def _specs(batch: Batch) -> tuple[Any, ...]:
    specs: tuple[Any, ...] = tf.nest.map_structure(
        lambda each: tf.TensorSpec(each.shape, each.dtype), batch.data()
    )
    return specs


class _Counter:
    """Walks a graph and the functions that it calls."""

    def __init__(self) -> None:
        self.uncounted: set[str] = set()
        self._gathered: set[tuple[int, str]] = set()  # handles, each by its graph and name

    def flops(self, graph: Any, times: int) -> int:
        """Operations of a graph that is run `times` times."""
        return sum(self._of(op, times) for op in _run_of(graph))

    def is_table(self, variable: Any, graph: Any) -> bool:
        """Whether rows of the variable are looked up."""
        inner = [mine for outer, mine in graph.captures if outer is variable.handle]
        return any(_key(each) in self._gathered for each in inner)

    def _of(self, op: Any, times: int) -> int:
        if op.type == "ResourceGather":
            self._gathered.add(_key(op.inputs[0]))
        if op.type == "GatherV2" and op.inputs[0].op.type == "ReadVariableOp":
            self._gathered.add(_key(op.inputs[0].op.inputs[0]))
        if op.type in FLOPS:
            return times * self._multiplied(op)
        if op.type in CALLS:
            return self._called(op, op.get_attr("f").name, times)
        if op.type in BRANCHES:  # the branch that does less: a step does at least that
            names = (op.get_attr(branch).name for branch in ("then_branch", "else_branch"))
            return min(self._called(op, name, times) for name in names)
        if op.type in WHILES:
            rounds = _rounds_of(op)
            if rounds is None:
                self.uncounted.add("a loop of unknown length")
                rounds = 1
            return self._called(op, op.get_attr("body").name, times * rounds)
        return 0

    def _called(self, op: Any, name: str, times: int) -> int:
        graph = getattr(op.graph._get_function(name), "graph", None)  # the library has no public reader
        if graph is None:
            self.uncounted.add(f"the function {name}")
            return 0
        found = self.flops(graph, times)
        for outer, inner in zip(op.inputs, graph.inputs, strict=False):
            if _key(inner) in self._gathered:
                self._gathered.add(_key(outer))
        return found

    def _multiplied(self, op: Any) -> int:
        try:
            return 2 * FLOPS[op.type](op)
        except (ValueError, TypeError):  # an open dimension
            self.uncounted.add(f"{op.type} of open shape")
            return 0


def _run_of(graph: Any) -> Iterator[Any]:
    """The operations that are run: TensorFlow drops those that no output and no change of state needs."""
    left, seen = [*(each.op for each in graph.outputs), *graph.control_outputs], set()
    while left:
        op = left.pop()
        if op.name not in seen:
            seen.add(op.name)
            left += [*(each.op for each in op.inputs), *op.control_inputs]
            yield op


def _key(tensor: Any) -> tuple[int, str]:
    return id(tensor.graph), tensor.name


def _rounds_of(op: Any) -> int | None:
    """How often a while loop runs at most, as those of Keras's recurrent layers and their gradients say."""
    value = _constant(op.inputs[1]) if len(op.inputs) > 1 else None
    return value if value is not None and value > 0 else None


def _constant(tensor: Any) -> int | None:
    """The value of a scalar that is known when the graph is made, also behind a maximum or a cast."""
    value = tf.get_static_value(tensor)
    if value is not None:
        return int(value) if value.size == 1 else None
    return _constant(tensor.op.inputs[0]) if tensor.op.type in ("Max", "Cast", "Identity") else None


def _size(tensor: Any) -> int:
    return math.prod(_dims(tensor))


def _dims(tensor: Any) -> list[int]:
    dims = tensor.shape.as_list()
    if None in dims:
        raise ValueError("open dimension")
    return [int(each) for each in dims]


def _matmul(op: Any) -> int:
    flag = "transpose_a" if op.type == "MatMul" else "adj_x"
    return _size(op.outputs[0]) * _dims(op.inputs[0])[-2 if op.get_attr(flag) else -1]


def _convolution(op: Any) -> int:
    """Outputs × entries of the kernel behind each: (…, in, out) for kernel, so size over out channels."""
    kernel = _dims(op.inputs[1])
    return _size(op.outputs[0]) * math.prod(kernel[:-1])


def _to_input(op: Any) -> int:
    """The forward pass's products, which the gradient of its input repeats."""
    kernel = _dims(op.inputs[1])
    return _size(op.inputs[2]) * math.prod(kernel[:-1])


def _to_kernel(op: Any) -> int:
    """Each entry of the kernel's gradient is a sum over all outputs of the forward pass."""
    kernel = _dims(op.outputs[0])
    return _size(op.inputs[2]) * math.prod(kernel[:-1])


def _depthwise(of_outputs: Callable[[Any], Any], of_kernel: Callable[[Any], Any]) -> Callable[[Any], int]:
    def products(op: Any) -> int:
        return _size(of_outputs(op)) * math.prod(_dims(of_kernel(op))[:2])

    return products


def _einsum(op: Any) -> int:
    """The product of all dimensions that its equation names."""
    equation = op.get_attr("equation").decode()
    if "." in equation:
        raise ValueError(equation)
    sizes: dict[str, int] = {}
    for letters, tensor in zip(equation.partition("->")[0].split(","), op.inputs, strict=True):
        sizes.update(zip(re.sub(r"\s", "", letters), _dims(tensor), strict=True))
    return math.prod(sizes.values()) if len(op.inputs) > 1 else 0


FLOPS: dict[str, Callable[[Any], int]] = {
    "MatMul": _matmul,
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), _matmul),
    **dict.fromkeys(("Conv2D", "Conv3D"), _convolution),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInputV2"), _to_input),
    **dict.fromkeys(("Conv2DBackpropFilter", "Conv3DBackpropFilterV2"), _to_kernel),
    "DepthwiseConv2dNative": _depthwise(lambda op: op.outputs[0], lambda op: op.inputs[1]),
    "DepthwiseConv2dNativeBackpropInput": _depthwise(lambda op: op.inputs[2], lambda op: op.inputs[1]),
    "DepthwiseConv2dNativeBackpropFilter": _depthwise(lambda op: op.inputs[2], lambda op: op.outputs[0]),
    "Einsum": _einsum,
}
