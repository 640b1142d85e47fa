"""One primitive for compiled kernels: a weighted sum of rows that stays in vector registers.

Numba keeps no array in registers, and a sum that goes through memory at each term takes twice the time.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16  # floats a vector: one register of AVX-512, two of AVX2
ROW = 64  # floats a row: two neighbouring places of 32 channels
VECTORS = ROW // LANES


@intrinsic
def add_weighted_row_pairs(
    typingctx: Any,
    totals: Any,
    at: Any,
    apart: Any,
    rows: Any,
    rows_apart: Any,
    offsets: Any,
    weights: Any,
    first: Any,
    last: Any,
    step: Any,
) -> Any:
    """Add weights[u] · the pair of rows at offsets[u] to a pair of totals, for u in range(first, last, step).

    A pair is ROW floats at an index and ROW floats `apart` from it. `totals`, `rows` and `weights` are flat
    float32 arrays, `offsets` a flat int32 array. No bounds are checked.
    """
    whole = types.int64
    signature = types.void(totals, whole, whole, rows, whole, offsets, weights, whole, whole, whole)
    return signature, _generate


def _generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    """The loop in LLVM's own language: the sums as phi nodes, a fused multiply-add each a row."""
    totals, at, apart, rows, rows_apart, offsets, weights, first, last, step = (
        cgutils.create_struct_proxy(kind)(context, builder, value).data
        if isinstance(kind, types.Array)
        else value
        for kind, value in zip(signature.args, values, strict=True)
    )
    index, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f32"
    )

    def places(start: Any, base: Any, distance: Any) -> list[Any]:
        pair = (base, builder.add(base, distance))
        each = [builder.add(row, index(number * LANES)) for row in pair for number in range(VECTORS)]
        return [builder.bitcast(builder.gep(start, [place]), vector.as_pointer()) for place in each]

    before = builder.block
    sums = [builder.load(place, align=4) for place in places(totals, at, apart)]
    head, body, after = (builder.append_basic_block(name) for name in ("rows", "row", "sum"))
    builder.branch(head)

    builder.position_at_end(head)
    u = builder.phi(index)
    u.add_incoming(first, before)
    running = [builder.phi(vector) for _ in sums]
    for phi, start in zip(running, sums, strict=True):
        phi.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", u, last), body, after)

    builder.position_at_end(body)
    weight = _splat(builder, vector, builder.load(builder.gep(weights, [u])))
    row = builder.sext(builder.load(builder.gep(offsets, [u])), index)
    for phi, place in zip(running, places(rows, row, rows_apart), strict=True):
        phi.add_incoming(builder.call(fma, [weight, builder.load(place, align=4), phi]), body)
    u.add_incoming(builder.add(u, step), body)
    builder.branch(head)

    builder.position_at_end(after)
    for phi, place in zip(running, places(totals, at, apart), strict=True):
        builder.store(phi, place, align=4)
    return context.get_dummy_value()


def _splat(builder: Any, vector: Any, value: Any) -> Any:
    """A vector with `value` in each lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.IntType(32)(0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, lanes)
