"""Sums of products held in vector registers: tiles of matrix products, and weighted sums of rows."""

import functools
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from loops.fast.compiled.layout import LANES, ROWS
from loops.fast.compiled.pointers import INDEX

ROW_VECTORS = 4  # vectors of one row of `add_weighted_row_pairs`
FEATURES = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
WIDE = "+avx512f" in FEATURES  # eight vectors of sums fit the registers
COLUMNS = 2 * LANES if WIDE else LANES  # of a tile
WORD = ir.IntType(32)
VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _vector_at(builder: Any, start: Any, place: Any) -> Any:
    return builder.bitcast(builder.gep(start, [place]), VECTOR.as_pointer())


def _vectors_at(builder: Any, start: Any, place: Any, count: int) -> list[Any]:
    """Pointers to `count` vectors, one after the other."""
    each = [builder.add(place, INDEX(number * LANES)) for number in range(count)]
    return [_vector_at(builder, start, one) for one in each]


def splat_of(builder: Any, value: Any, kind: Any = VECTOR) -> Any:
    """A vector with `value` in each lane."""
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, WORD(0))
    lanes = ir.Constant(ir.VectorType(WORD, LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), lanes)


def _add_products(
    builder: Any, totals: list[Any], span: tuple[Any, Any, Any], products: Any, *, anew: bool = False
) -> None:
    """The loop `for u in range(*span)`: load the totals, add `products(u)` to them, store them at its end.

    The sums are phi nodes, which LLVM keeps in registers; `products(u)` is a list of pairs of vectors.
    With `anew` they begin at 0, whatever the totals hold.
    """
    first, last, step = span
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), f"llvm.fma.v{LANES}f32"
    )
    before = builder.block
    zero = ir.Constant(VECTOR, [0.0] * LANES)
    started = [zero if anew else builder.load(place, align=4) for place in totals]
    head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)

    builder.position_at_end(head)
    u = builder.phi(INDEX)
    u.add_incoming(first, before)
    sums = [builder.phi(VECTOR) for _ in totals]
    for total, start in zip(sums, started, strict=True):
        total.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", u, last), body, after)

    builder.position_at_end(body)
    for total, (one, other) in zip(sums, products(u), strict=True):
        total.add_incoming(builder.call(fma, [one, other, total]), body)
    u.add_incoming(builder.add(u, step), body)
    builder.branch(head)

    builder.position_at_end(after)
    for total, place in zip(sums, totals, strict=True):
        builder.store(total, place, align=4)


def _tile(*, anew: bool) -> Any:
    """An intrinsic: add a product of matrices to a tile of 4 rows of COLUMNS floats, `apart` from each other.

    totals[row, :] += Σ left[row, u] · right[u, :] for u in range(count), or = with `anew`. The four rows of
    `left` begin at left_at, + right_of, + below, + both: a window's four places, or rows of a matrix. All are
    pointers to float32.
    """

    def tile(
        typingctx: Any,
        totals: Any,
        at: Any,
        apart: Any,
        left: Any,
        left_at: Any,
        right_of: Any,
        below: Any,
        left_step: Any,
        right: Any,
        right_at: Any,
        right_step: Any,
        count: Any,
    ) -> Any:
        of_left, of_right = [types.int64] * 4, [types.int64] * 3
        signature = types.void(totals, types.int64, types.int64, left, *of_left, right, *of_right)
        return signature, functools.partial(_generate_tile, anew=anew)

    return intrinsic(tile)


def _generate_tile(context: Any, builder: Any, signature: Any, values: Any, *, anew: bool) -> Any:
    totals, at, apart, left, left_at, right_of, below, left_step, right, right_at, right_step, count = values
    vectors = COLUMNS // LANES
    starts = [builder.add(at, builder.mul(apart, INDEX(row))) for row in range(ROWS)]
    places = [place for start in starts for place in _vectors_at(builder, totals, start, vectors)]
    offsets = (INDEX(0), right_of, below, builder.add(right_of, below))
    rows = [builder.gep(left, [builder.add(left_at, offset)]) for offset in offsets]

    def products(u: Any) -> list[tuple[Any, Any]]:
        start = builder.add(right_at, builder.mul(u, right_step))
        columns = [builder.load(place, align=4) for place in _vectors_at(builder, right, start, vectors)]
        along = builder.mul(u, left_step)
        scales = [splat_of(builder, builder.load(builder.gep(row, [along]))) for row in rows]
        return [(scale, column) for scale in scales for column in columns]

    _add_products(builder, places, (INDEX(0), count, INDEX(1)), products, anew=anew)
    return context.get_dummy_value()


add_tile, set_tile = _tile(anew=False), _tile(anew=True)


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

    A pair is 64 floats at an index and 64 floats `apart` from it. `totals`, `rows` and `weights` point
    to float32, `offsets` to int32.
    """
    whole = types.int64
    signature = types.void(totals, whole, whole, rows, whole, offsets, weights, whole, whole, whole)
    return signature, _generate_row_pairs


def _generate_row_pairs(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    totals, at, apart, rows, rows_apart, offsets, weights, first, last, step = values

    def add(*which: int) -> None:
        """The loop over the first row of each pair, the second, or both."""

        def vectors(start: Any, base: Any, distance: Any) -> list[Any]:
            ends = [(base, builder.add(base, distance))[number] for number in which]
            return [place for end in ends for place in _vectors_at(builder, start, end, ROW_VECTORS)]

        def products(u: Any) -> list[tuple[Any, Any]]:
            weight = splat_of(builder, builder.load(builder.gep(weights, [u])))
            row = builder.sext(builder.load(builder.gep(offsets, [u])), INDEX)
            return [(weight, builder.load(place, align=4)) for place in vectors(rows, row, rows_apart)]

        _add_products(builder, vectors(totals, at, apart), (first, last, step), products)

    if WIDE:
        add(0, 1)
    else:
        add(0)
        add(1)
    return context.get_dummy_value()
