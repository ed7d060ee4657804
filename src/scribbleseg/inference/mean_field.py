"""The iterations of the dense CRF: all classes of a pixel in one vector register.

A pixel's classes are added to, and read from, a handful of lattice corners. Numba's own loops over
classes are too short to be vectorised well (measured: half the speed), so this file defines a type
for a row of numbers and the five operations on it that are needed; the rest is plain Python.

Kernels and operations stay in one file: what numba keeps on disk is compiled again when the file of
the kernel changes, not when another one does.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # has no types
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model
from numpy.typing import NDArray

from scribbleseg.compiled import compiled
from scribbleseg.inference.parallel import Each, strips
from scribbleseg.inference.permutohedral import Lattice

__all__ = ["mean_field"]

FOUR = 4  # numbers in the smallest register: rows are 4, 8, 16, 32, ... wide
TILE = 64  # pixels whose rows stay in the innermost cache between the steps
LINE = 64  # bytes of a cache line
FUSED = ("contract",)  # a * b + c may be one instruction
EXP2 = [math.log(2) ** k / math.factorial(k) for k in range(8)]  # 2^x, |x| <= 1/2: 5e-9 off
SMALLEST = -80.0  # smaller powers of 2 are not told apart: denormal products are very slow

# These have no types of their own.
operation: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic
declare: Callable[..., Any] = cgutils.get_or_insert_function


class Row(types.Type):
    """Float32 numbers that are worked on together.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"Row({count})")


@register_model(Row)
class RowModel(models.PrimitiveModel):
    """A row is a vector of LLVM, which is as many registers as the machine needs."""

    def __init__(self, manager: Any, row: Row) -> None:
        vector = ir.VectorType(ir.FloatType(), row.count)
        super().__init__(manager, row, vector)  # type: ignore[no-untyped-call]


@operation
def zeros(context: Any, fours: Any) -> Any:
    """A row of zeros; its width is 4 times the length of the tuple."""
    count = FOUR * fours.count
    vector = ir.VectorType(ir.FloatType(), count)
    return Row(count)(fours), lambda *_: ir.Constant(vector, [0.0] * count)


@operation
def load(context: Any, fours: Any, address: Any) -> Any:
    """The row at an address."""
    count = FOUR * fours.count
    pointer = ir.VectorType(ir.FloatType(), count).as_pointer()

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return builder.load(builder.inttoptr(values[1], pointer), align=4)

    return Row(count)(fours, types.intp), build


@operation
def store(context: Any, address: Any, row: Any) -> Any:
    """Write a row to an address."""

    def build(target: Any, builder: Any, _: Any, values: Any) -> Any:
        pointer = builder.inttoptr(values[0], values[1].type.as_pointer())
        builder.store(values[1], pointer, align=4)
        return target.get_dummy_value()

    return types.void(types.intp, row), build


@operation
def add_scaled(context: Any, row: Any, factor: Any, other: Any) -> Any:
    """``row + factor * other``."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        factors = _spread(builder, values[1], values[2].type)
        return builder.fadd(values[0], builder.fmul(factors, values[2], flags=FUSED), flags=FUSED)

    return row(row, types.float32, other), build


@operation
def posterior(context: Any, prior: Any, message: Any, copies: Any) -> Any:
    """``prior e^message``, divided by its sum over the classes, each counted ``copies`` times."""

    def build(_: Any, builder: Any, __: Any, values: Any) -> Any:
        prior, message, copies = values
        vector = prior.type
        integers = ir.VectorType(ir.IntType(32), vector.count)

        def constant(value: float) -> Any:
            return ir.Constant(vector, [float(np.float32(value))] * vector.count)

        def whole(value: int) -> Any:
            return ir.Constant(integers, [value] * vector.count)

        def reduce(name: str, *arguments: Any) -> Any:
            kind = ir.FunctionType(ir.FloatType(), [value.type for value in arguments])
            name = f"llvm.vector.reduce.{name}.v{vector.count}f32"
            function = declare(builder.module, kind, name)
            # in any order; NaN cannot occur
            return builder.call(function, arguments, fastmath=("nnan", "reassoc"))

        largest = _spread(builder, reduce("fmax", message), vector)
        power = builder.fmul(builder.fsub(message, largest), constant(1 / np.log(2.0)))
        low = constant(SMALLEST)
        power = builder.select(builder.fcmp_ordered(">", power, low), power, low)
        # e^m = 2^(n + f): a polynomial in f, and n in the exponent of a float
        exponent = builder.fptosi(builder.fsub(power, constant(0.5)), integers)
        fraction = builder.fsub(power, builder.sitofp(exponent, vector))
        result = constant(EXP2[-1])
        for coefficient in reversed(EXP2[:-1]):
            product = builder.fmul(result, fraction, flags=FUSED)
            result = builder.fadd(product, constant(coefficient), flags=FUSED)
        bits = builder.shl(builder.add(exponent, whole(127)), whole(23))
        result = builder.fmul(builder.fmul(result, builder.bitcast(bits, vector)), prior)
        total = reduce("fadd", ir.Constant(ir.FloatType(), 0.0), builder.fmul(result, copies))
        inverse = builder.fdiv(ir.Constant(ir.FloatType(), 1.0), total)
        return builder.fmul(result, _spread(builder, inverse, vector))

    return prior(prior, message, copies), build


def _spread(builder: Any, value: Any, vector: Any) -> Any:
    """A vector that holds one value throughout."""
    nothing, zero = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(builder.insert_element(nothing, value, zero), nothing, everywhere)


@compiled
def turn(
    prob: NDArray[np.float32], floor: float, start: int, stop: int, prior: NDArray[np.float32]
) -> None:
    """Class maps ``(K, N)`` into rows ``(N, width)`` of ``floor`` to 1, for some pixels."""
    lowest = np.float32(floor)
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        for k in range(prob.shape[0]):
            for pixel in range(first, last):
                prior[pixel, k] = min(max(prob[k, pixel], lowest), np.float32(1))


@compiled
def join(
    corner: NDArray[np.int32],
    weight: NDArray[np.float32],
    offset: int,
    column: int,
    start: int,
    stop: int,
    joint_corner: NDArray[np.int32],
    joint_weight: NDArray[np.float32],
) -> tuple[int, int]:
    """Put the corners of one lattice beside those of the others, for some pixels.

    Args:
        corner: ``(N, d+1)``.
        weight: ``(N, d+1)``.
        offset: Row of the common table where the lattice begins.
        column: Where its corners go.
        start: First pixel.
        stop: Pixel after the last.
        joint_corner: ``(N, V)``, out.
        joint_weight: ``(N, V)``, out.

    Returns:
        First and last corner that the pixels touch.
    """
    lowest, highest = corner[start, 0], corner[start, 0]
    for pixel in range(start, stop):
        for v in range(corner.shape[1]):
            lowest = min(lowest, corner[pixel, v])
            highest = max(highest, corner[pixel, v])
            joint_corner[pixel, column + v] = corner[pixel, v] + offset
            joint_weight[pixel, column + v] = weight[pixel, v]
    return lowest, highest


@compiled
def update(
    fours: tuple[int, ...],
    prior: NDArray[np.float32],
    copies: NDArray[np.float32],
    corner: NDArray[np.int32],
    weight: NDArray[np.float32],
    table: NDArray[np.float32],
    part: NDArray[np.float32],
    tile: NDArray[np.float32],
    result: NDArray[np.float32],
    start: int,
    stop: int,
    is_first: bool,
    is_last: bool,
) -> None:
    """One step of some pixels: read the lattices, normalise, add to the lattices or write.

    Args:
        fours: As long as rows are wide, in fours.
        prior: ``(N, width)``, 0 beyond the classes.
        copies: ``(width,)``, how many classes each one stands for.
        corner: ``(N, V)``, rows of ``table`` around each pixel, of all lattices.
        weight: ``(N, V)``.
        table: ``(M, width)``, the blurred lattices.
        part: ``(M, width)``, what these pixels add to the next ones.
        tile: ``(TILE, width)``, to work in.
        result: ``(K, N)``, written in the last step.
        start: First pixel.
        stop: Pixel after the last.
        is_first: Nothing is read.
        is_last: Nothing is added.
    """
    size = 4 * prior.shape[1]
    corners = corner.shape[1]
    copied = load(fours, copies.ctypes.data)
    priors, tables = prior.ctypes.data, table.ctypes.data
    parts, rows = part.ctypes.data, tile.ctypes.data
    # Step by step over a tile: waiting for one pixel's memory then overlaps with another's.
    for first in range(start, stop, TILE):
        count = min(TILE, stop - first)
        for i in range(count):
            message = zeros(fours)
            if not is_first:
                for v in range(corners):
                    row = load(fours, tables + corner[first + i, v] * size)
                    message = add_scaled(message, weight[first + i, v], row)
            store(rows + i * size, message)
        for i in range(count):
            message = load(fours, rows + i * size)
            row = load(fours, priors + (first + i) * size)
            store(rows + i * size, posterior(row, message, copied))
        if is_last:
            for k in range(result.shape[0]):
                for i in range(count):
                    result[k, first + i] = tile[i, k]
        else:
            for i in range(count):
                row = load(fours, rows + i * size)
                for v in range(corners):
                    target = parts + corner[first + i, v] * size
                    store(target, add_scaled(load(fours, target), weight[first + i, v], row))


@compiled
def blur(
    fours: tuple[int, ...],
    neighbor: NDArray[np.int32],
    offset: int,
    extent: NDArray[np.int64],
    added: NDArray[np.float32],
    table: NDArray[np.float32],
    scratch: NDArray[np.float32],
) -> None:
    """Sum what all pixels have added to one lattice, and blur it along its axes.

    Args:
        fours: As long as rows are wide, in fours.
        neighbor: ``(d+1, M+1, 2)``, see `permutohedral.Lattice`.
        offset: Row of ``table`` where the lattice begins.
        extent: ``(strips, 2)``, first and last corner that each strip touches.
        added: ``(strips, rows, width)``; out: zero again.
        table: ``(rows, width)``, out.
        scratch: ``(rows, width)``.
    """
    axes, corners, _ = neighbor.shape
    size = 4 * table.shape[1]
    begin = offset * size
    parts, part_size = added.ctypes.data + begin, added.shape[1] * size
    source, target = table.ctypes.data + begin, scratch.ctypes.data + begin
    if axes % 2:  # so that the last axis ends in the table
        source, target = target, source
    nothing = zeros(fours)
    one, half = np.float32(1), np.float32(0.5)
    for m in range(1, corners):
        total = nothing
        for strip in range(extent.shape[0]):
            if extent[strip, 0] <= m <= extent[strip, 1]:
                place = parts + strip * part_size + m * size
                total = add_scaled(total, one, load(fours, place))
                store(place, nothing)
        store(source + m * size, total)
    for j in range(axes):
        for m in range(1, corners):
            before = load(fours, source + neighbor[j, m, 0] * size)
            after = load(fours, source + neighbor[j, m, 1] * size)
            center = load(fours, source + m * size)
            row = add_scaled(add_scaled(center, half, before), half, after)
            store(target + m * size, row)
        source, target = target, source


def mean_field(
    prob: NDArray[np.float32],
    copies: NDArray[np.float32],
    lattices: Sequence[Lattice],
    *,
    floor: float,
    iterations: int,
    each: Each,
) -> NDArray[np.float32]:
    """Iterate ``Q <- softmax(log clip(prob, floor, 1) + sum of filters of Q)``.

    Args:
        prob: ``(K, N)``.
        copies: ``(K,)``, how many equal classes each one stands for.
        lattices: One for each filter.
        floor: Smallest probability.
        iterations: How often.
        each: Spreads work over threads.

    Returns:
        ``(K, N)``, sums to 1 over the classes, counted ``copies`` times.
    """
    classes, pixels = prob.shape
    fours = (0,) * (1 << (-(-classes // FOUR) - 1).bit_length())
    width = FOUR * len(fours)
    copied = np.zeros(width, np.float32)
    copied[:classes] = copies
    ranges = strips(pixels)
    prior = _zeros(pixels, width)
    each(turn, [(prob, floor, *part, prior) for part in ranges])

    # The lattices one below the other in one table: a pixel then has one list of corners.
    offsets = np.cumsum([0] + [lattice.neighbor.shape[1] for lattice in lattices]).tolist()
    columns = np.cumsum([0] + [lattice.corner.shape[1] for lattice in lattices]).tolist()
    corner = np.empty((pixels, columns[-1]), np.int32)
    weight = np.empty((pixels, columns[-1]), np.float32)
    blurs = []
    table, scratch = _zeros(offsets[-1], width), _zeros(offsets[-1], width)
    added = _zeros(len(ranges), offsets[-1], width)
    for lattice, offset, column in zip(lattices, offsets, columns, strict=False):
        arrays = lattice.corner, lattice.weight, offset, column
        extent = np.array(each(join, [(*arrays, *part, corner, weight) for part in ranges]))
        blurs.append((fours, lattice.neighbor, offset, extent, added, table, scratch))

    result = np.empty((classes, pixels), np.float32)
    tiles = _zeros(len(ranges), TILE, width)
    fixed = fours, prior, copied, corner, weight, table
    own = [(added[i], tiles[i], result, *part) for i, part in enumerate(ranges)]
    each(update, [(*fixed, *strip, True, False) for strip in own])
    for iteration in range(iterations):
        each(blur, blurs)
        each(update, [(*fixed, *strip, False, iteration == iterations - 1) for strip in own])
    return result


def _zeros(*shape: int) -> NDArray[np.float32]:
    """Zeros from the start of a cache line on: rows that straddle two cost twice as much."""
    size = math.prod(shape)
    memory = np.zeros(size + LINE // 4, np.float32)
    start = -memory.ctypes.data % LINE // 4
    return memory[start : start + size].reshape(shape)
