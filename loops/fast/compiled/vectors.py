"""Vectors of LANES floats as values that compiled functions can hold, since Numba has no type for them.

`array` and `at` are a pointer and an index from it.

LLVM vectorises loops over arrays only after it has checked, each time, that no two arrays overlap: for 32
channels that costs more than the loop. With these types there is nothing to check and nothing to vectorise.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.imputils import lower_builtin
from numba.core.typing import signature
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, register_model

from loops.fast.compiled.kernels import kernel
from loops.fast.compiled.layout import LANES
from loops.fast.compiled.pointers import INDEX
from loops.fast.compiled.tiles import VECTOR, WORD, splat_of

BYTES, WORDS = (ir.VectorType(kind, LANES) for kind in (ir.IntType(8), WORD))
MASK = ir.VectorType(ir.IntType(1), LANES)


class FloatsType(types.Type):
    """LANES numbers of float32."""

    def __init__(self) -> None:
        super().__init__(name="Floats")


class MaskType(types.Type):
    """LANES truth values."""

    def __init__(self) -> None:
        super().__init__(name="Mask")


@register_model(FloatsType)
class _FloatsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, MASK)


FLOATS, TRUTHS = FloatsType(), MaskType()


def _operator(of: Any, operand: types.Type, result: types.Type, emit: Callable[[Any, Any, Any], Any]) -> None:
    """Let `of`, an operator of Python, take two of `operand`."""

    class Template(ConcreteTemplate):
        cases = (signature(result, operand, operand),)

    infer_global(of)(Template)
    lower_builtin(of, operand, operand)(lambda context, builder, signature, values: emit(builder, *values))


_operator(operator.add, FLOATS, FLOATS, lambda builder, a, b: builder.fadd(a, b))
_operator(operator.iadd, FLOATS, FLOATS, lambda builder, a, b: builder.fadd(a, b))
_operator(operator.sub, FLOATS, FLOATS, lambda builder, a, b: builder.fsub(a, b))
_operator(operator.mul, FLOATS, FLOATS, lambda builder, a, b: builder.fmul(a, b))
_operator(operator.truediv, FLOATS, FLOATS, lambda builder, a, b: builder.fdiv(a, b))
_operator(operator.gt, FLOATS, TRUTHS, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_operator(operator.le, FLOATS, TRUTHS, lambda builder, a, b: builder.fcmp_ordered("<=", a, b))
_operator(operator.eq, FLOATS, TRUTHS, lambda builder, a, b: builder.fcmp_ordered("==", a, b))
_operator(operator.ne, FLOATS, TRUTHS, lambda builder, a, b: builder.fcmp_unordered("!=", a, b))
_operator(operator.and_, TRUTHS, TRUTHS, lambda builder, a, b: builder.and_(a, b))


def _at(builder: Any, start: Any, place: Any, kind: Any) -> Any:
    return builder.bitcast(builder.gep(start, [place]), kind.as_pointer())


@intrinsic
def load(typingctx: Any, array: Any, at: Any) -> Any:
    """array[at : at + LANES] of float32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start, place = values
        return builder.load(_at(builder, start, place, VECTOR), align=4)

    return FLOATS(array, types.int64), generate


@intrinsic
def load_bytes(typingctx: Any, array: Any, at: Any) -> Any:
    """array[at : at + LANES] of uint8, as floats."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start, place = values
        return builder.uitofp(builder.load(_at(builder, start, place, BYTES), align=1), VECTOR)

    return FLOATS(array, types.int64), generate


def _storing(kind: Any, align: int) -> Any:
    """How floats are stored as numbers of the array's own type."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start, place, floats = values
        stored = floats if kind is VECTOR else builder.fptosi(floats, kind)
        builder.store(stored, _at(builder, start, place, kind), align=align)
        return context.get_dummy_value()

    return generate


@intrinsic
def store(typingctx: Any, array: Any, at: Any, floats: Any) -> Any:
    """array[at : at + LANES] = floats, of float32, or of int32 or uint8 where the floats are whole."""
    kind, align = {"float32": (VECTOR, 4), "int32": (WORDS, 4), "uint8": (BYTES, 1)}[str(array.dtype)]
    return types.void(array, types.int64, floats), _storing(kind, align)


@intrinsic
def splat(typingctx: Any, number: Any) -> Any:
    """The number in each lane."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return splat_of(builder, values[0])

    return FLOATS(types.float32), generate


@intrinsic
def lane_numbers(typingctx: Any) -> Any:
    """0, 1, 2 and so on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return ir.Constant(VECTOR, [float(lane) for lane in range(LANES)])

    return FLOATS(), generate


@intrinsic
def where(typingctx: Any, mask: Any, one: Any, other: Any) -> Any:
    """`one` in the lanes where the mask is true, else `other`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(*values)

    return FLOATS(mask, one, other), generate


@intrinsic
def total(typingctx: Any, floats: Any) -> Any:
    """The sum of all lanes, added in halves."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        (left,) = values
        width = LANES
        while width > 1:
            width //= 2
            lanes = [ir.Constant(ir.VectorType(WORD, width), list(range(s, s + width))) for s in (0, width)]
            halves = [
                builder.shuffle_vector(left, ir.Constant(left.type, ir.Undefined), each) for each in lanes
            ]
            left = builder.fadd(*halves)
        return builder.extract_element(left, WORD(0))

    return types.float32(floats), generate


def _call(builder: Any, kind: Any, name: str, *arguments: Any) -> Any:
    function = ir.FunctionType(kind, [each.type for each in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), arguments)


@intrinsic
def compress(typingctx: Any, floats: Any, mask: Any) -> Any:
    """The lanes where the mask is true, moved to the front; what follows them means nothing."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        nothing = ir.Constant(VECTOR, ir.Undefined)
        return _call(builder, VECTOR, f"llvm.experimental.vector.compress.v{LANES}f32", *values, nothing)

    return FLOATS(floats, mask), generate


@intrinsic
def count(typingctx: Any, mask: Any) -> Any:
    """How many lanes are true."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.IntType(LANES)
        found = _call(builder, kind, f"llvm.ctpop.i{LANES}", builder.bitcast(values[0], kind))
        return builder.zext(found, INDEX)

    return types.int64(mask), generate


@intrinsic
def root(typingctx: Any, floats: Any) -> Any:
    """The square root of each lane."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _call(builder, VECTOR, f"llvm.sqrt.v{LANES}f32", *values)

    return FLOATS(floats), generate


@kernel
def clear(array: Any, size: int) -> None:
    """array[:size] = 0, in whole vectors."""
    for n in range(0, size, LANES):
        store(array, n, splat(np.float32(0)))


@intrinsic
def copy_transposed(typingctx: Any, source: Any, apart: Any, target: Any, to_apart: Any) -> Any:
    """Copy a square of LANES rows of float32, `apart` from each other, to rows that are its columns."""
    whole = types.int64
    return types.void(source, whole, target, whole), _generate_transposed


def _generate_transposed(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    source, apart, target, to_apart = values

    def row(start: Any, distance: Any, number: int) -> Any:
        return _at(builder, start, builder.mul(distance, INDEX(number)), VECTOR)

    rows = [builder.load(row(source, apart, number), align=4) for number in range(LANES)]
    width = LANES // 2
    while width:  # change places of the off-diagonal squares of this width
        low = [lane if not lane & width else lane - width + LANES for lane in range(LANES)]
        high = [lane + width if not lane & width else lane + LANES for lane in range(LANES)]
        for number in range(LANES):
            if not number & width:
                pair = rows[number], rows[number + width]
                for which, lanes in ((number, low), (number + width, high)):
                    order = ir.Constant(ir.VectorType(WORD, LANES), lanes)
                    rows[which] = builder.shuffle_vector(*pair, order)
        width //= 2
    for number, each in enumerate(rows):
        builder.store(each, row(target, to_apart, number), align=4)
    return context.get_dummy_value()
