"""Arrays as compiled functions take them: the address of the first number and its type, one machine word.

Numba passes an array of NumPy as seven values and counts references to it. With some fifty arrays, that was
nearly half of the time that the step took to compile. A pointer knows no length: nothing checks an index.
"""

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.imputils import lower_builtin
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import NativeValue, register_model, typeof_impl, unbox
from numba.np.numpy_support import from_dtype

INDEX = ir.IntType(64)


class Pointer:
    """A contiguous array of numbers, which it keeps alive, for a compiled function."""

    def __init__(self, array: Any) -> None:
        if not array.flags.c_contiguous:
            raise ValueError("a pointer needs an array without gaps")
        self.array, self.address, self.dtype = array, array.ctypes.data, from_dtype(array.dtype)


class PointerType(types.Type):
    """Numba's type of a pointer to numbers of one type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Pointer({dtype})")


@register_model(PointerType)
class _PointerModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, manager.lookup(kind.dtype).get_data_type().as_pointer())


@typeof_impl.register(Pointer)
def _type_of(pointer: Pointer, context: Any) -> PointerType:
    return PointerType(pointer.dtype)


@unbox(PointerType)
def _unbox(kind: Any, value: Any, context: Any) -> NativeValue:
    address = context.pyapi.object_getattr_string(value, "address")
    native = context.pyapi.long_as_voidptr(address)
    context.pyapi.decref(address)
    return NativeValue(context.builder.bitcast(native, context.context.get_value_type(kind)))


def pointers(arrays: Any) -> Any:
    """A named tuple with a pointer in place of each of its arrays."""
    return type(arrays)(*(Pointer(each) if isinstance(each, np.ndarray) else each for each in arrays))


def _takes(of: Any, typed: Any) -> None:
    """Let `of`, an operator of Python, take a pointer and an integer; `typed(pointer)` is its signature."""

    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if not isinstance(args[0], PointerType) or not isinstance(args[1], types.Integer):
                return None
            return typed(args[0])

    infer_global(of)(Template)


_takes(operator.add, lambda pointer: signature(pointer, pointer, types.int64))
_takes(operator.getitem, lambda pointer: signature(pointer.dtype, pointer, types.int64))
_takes(operator.setitem, lambda pointer: signature(types.none, pointer, types.int64, pointer.dtype))


@lower_builtin(operator.add, PointerType, types.Integer)
def _move(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    return builder.gep(values[0], [values[1]])


@lower_builtin(operator.getitem, PointerType, types.Integer)
def _get(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    return builder.load(builder.gep(values[0], [values[1]]))


@lower_builtin(operator.setitem, PointerType, types.Integer, types.Any)
def _set(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    builder.store(values[2], builder.gep(values[0], [values[1]]))
    return context.get_dummy_value()
