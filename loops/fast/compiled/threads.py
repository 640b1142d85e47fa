"""Where threads meet: numbers that each is given once, and a place where all wait for each other."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from loops.fast.compiled.kernels import kernel
from loops.fast.compiled.pointers import INDEX

WORD = ir.IntType(32)
SPINS = 2_000  # looks at a counter before a waiting thread gives way to others


@intrinsic
def take_number(typingctx: Any, counters: Any, which: Any) -> Any:
    """The value of counters[which] (int64), which is one larger afterwards, whatever other threads do."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start, place = values
        return builder.atomic_rmw("add", builder.gep(start, [place]), INDEX(1), "seq_cst")

    return types.int64(counters, types.int64), generate


@intrinsic
def _look_at(typingctx: Any, counters: Any, which: Any) -> Any:
    """The value of counters[which] as other threads left it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start, place = values
        return builder.load_atomic(builder.gep(start, [place]), "seq_cst", 8)

    return types.int64(counters, types.int64), generate


@intrinsic
def _give_way(typingctx: Any) -> Any:
    """Let another thread have this core (POSIX sched_yield)."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = ir.FunctionType(WORD, [])
        builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@kernel
def meet(counters: Any, which: int, arrivals: int, aborted: int) -> bool:
    """Count this thread in, and wait until `arrivals` threads were counted since the counter was 0.

    False if counters[aborted] was set meanwhile, since one of them will never come.
    """
    take_number(counters, which)
    spins = 0
    while _look_at(counters, which) < arrivals:
        if _look_at(counters, aborted) != 0:
            return False
        spins += 1
        if spins > SPINS:
            _give_way()
    return True
