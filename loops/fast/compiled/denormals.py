"""Denormal numbers as 0, within a thread, as TensorFlow's own threads have them."""

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from loops.fast.compiled.pointers import INDEX

WORD = ir.IntType(32)
# Bits of MXCSR that take denormals for 0, as operands and as results (Intel 64 manual, vol. 1, 10.2.3)
DENORMALS_ARE_0, FLUSH_TO_0 = 1 << 6, 1 << 15
FLUSH_ON_ARM = 1 << 24  # of FPCR, for both (Arm Architecture Reference Manual, FPCR.FZ)


@intrinsic
def flush_denormals(typingctx: Any) -> Any:
    """Take denormal numbers for 0 in this thread from now on; gives what `set_control` restores.

    TensorFlow does so in its own threads. An Intel core takes some hundred cycles for each of them, and
    Adam's slots of weights without a gradient decay into them after some hundred steps.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if not _CONTROL:
            return INDEX(0)
        before = _CONTROL.read(builder)
        _CONTROL.write(builder, builder.or_(before, INDEX(_CONTROL.flush)))
        return before

    return types.int64(), generate


@intrinsic
def set_control(typingctx: Any, word: Any) -> Any:
    """Set the control word of this thread's floating-point unit, as `flush_denormals` gave it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if _CONTROL:
            _CONTROL.write(builder, values[0])
        return context.get_dummy_value()

    return types.void(types.int64), generate


class _Mxcsr:
    """The control word of x86's vector unit, which goes by way of memory."""

    flush = DENORMALS_ARE_0 | FLUSH_TO_0

    @staticmethod
    def read(builder: Any) -> Any:
        place = cgutils.alloca_once(builder, WORD)
        _Mxcsr._call(builder, "llvm.x86.sse.stmxcsr", place)
        return builder.zext(builder.load(place), INDEX)

    @staticmethod
    def write(builder: Any, word: Any) -> None:
        place = cgutils.alloca_once(builder, WORD)
        builder.store(builder.trunc(word, WORD), place)
        _Mxcsr._call(builder, "llvm.x86.sse.ldmxcsr", place)

    @staticmethod
    def _call(builder: Any, name: str, place: Any) -> None:
        pointer = ir.IntType(8).as_pointer()
        function = ir.FunctionType(ir.VoidType(), [pointer])
        callee = cgutils.get_or_insert_function(builder.module, function, name)
        builder.call(callee, [builder.bitcast(place, pointer)])


class _Fpcr:
    """The control word of ARM's unit, by LLVM's names: inline assembly would need a parser of it."""

    flush = FLUSH_ON_ARM

    @staticmethod
    def read(builder: Any) -> Any:
        function = ir.FunctionType(INDEX, [])
        return builder.call(
            cgutils.get_or_insert_function(builder.module, function, "llvm.aarch64.get.fpcr"), []
        )

    @staticmethod
    def write(builder: Any, word: Any) -> None:
        function = ir.FunctionType(ir.VoidType(), [INDEX])
        builder.call(
            cgutils.get_or_insert_function(builder.module, function, "llvm.aarch64.set.fpcr"), [word]
        )


_CONTROL: Any = {"x86_64": _Mxcsr, "AMD64": _Mxcsr, "aarch64": _Fpcr, "arm64": _Fpcr}.get(platform.machine())
HAS_CONTROL = _CONTROL is not None
