"""What Numba does not say for itself: sums in vector registers, threads that meet, denormals as 0."""

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from loops.fast.compiled.kernels import kernel
from loops.fast.compiled.pointers import INDEX

LANES = 16  # floats a vector: one register of AVX-512, two of AVX2, four of NEON
ROW_VECTORS = 4  # vectors of one row of `add_weighted_row_pairs`
ROWS = 4  # of a tile
WIDE = "+avx512f" in (
    config.CPU_FEATURES or get_host_cpu_features()
)  # eight vectors of sums fit the registers
COLUMNS = 2 * LANES if WIDE else LANES  # of a tile

# Bits of MXCSR that take denormals for 0, as operands and as results (Intel 64 manual, vol. 1, 10.2.3)
DENORMALS_ARE_0, FLUSH_TO_0 = 1 << 6, 1 << 15
FLUSH_ON_ARM = 1 << 24  # of FPCR, for both (Arm Architecture Reference Manual, FPCR.FZ)
SPINS = 2_000  # looks at a counter before a waiting thread gives way to others

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


@intrinsic
def add_tile(
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
    """Add a product of matrices to a tile of 4 rows of COLUMNS floats, which lie `apart` from each other.

    totals[row, :] += Σ left[row, u] · right[u, :] for u in range(count). The four rows of `left` begin at
    left_at, + right_of, + below, + both: a window's four places, or rows of a matrix. All are pointers to
    float32.
    """
    whole = types.int64
    signature = types.void(totals, whole, whole, left, whole, whole, whole, whole, right, whole, whole, whole)
    return signature, _generate_tile


@intrinsic
def set_tile(
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
    """The same, the totals taken for 0."""
    whole = types.int64
    signature = types.void(totals, whole, whole, left, whole, whole, whole, whole, right, whole, whole, whole)
    return signature, _generate_new_tile


def _generate_new_tile(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    return _generate_tile(context, builder, signature, values, anew=True)


def _generate_tile(context: Any, builder: Any, signature: Any, values: Any, *, anew: bool = False) -> Any:
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
