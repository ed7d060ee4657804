"""The permutohedral lattice of a picture: where the dense CRF's Gaussian filters are sampled.

A. Adams, J. Baek and A. Davis, Fast High-Dimensional Filtering Using the Permutohedral Lattice,
Eurographics 2010. Pixels are points in d dimensions (position, colour). The lattice cuts that
space into simplices with d+1 corners each; a filter adds every pixel to the corners of its simplex
("splat"), blurs along the d+1 axes of the lattice, and reads the corners again ("slice").

Points are held as in the paper: d coordinates are rotated into the plane of d+1 coordinates whose
sum is 0 (sec. 3.1). A corner's coordinates all leave the same remainder r when divided by d+1, so
that a corner is its d first quotients and r, and all of that is one integer here: the *key*.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribbleseg.compiled import compiled
from scribbleseg.errors import ConfigError
from scribbleseg.inference.corners import RANK_BITS, connected_corners
from scribbleseg.inference.parallel import Each, strips

__all__ = ["Filter", "Lattice", "lattices"]

TILE = 128  # pixels that are done at once: eight or sixteen of them share an instruction


class Filter(NamedTuple):
    """A Gaussian filter whose every row and column has been scaled alike: ``w D^-1/2 K D^-1/2``.

    Args:
        xy: Standard deviation of the position, pixels.
        color: Standard deviation of each colour, grey levels of 0..255; None for position alone.
        weight: w.
    """

    xy: float
    color: float | None
    weight: float


@dataclass(frozen=True)
class Lattice:
    """The corners around the pixels of a picture, numbered from 1 as pixels meet them.

    Args:
        corner: ``(N, d+1)`` int32, corners of the simplex of each pixel.
        weight: ``(N, d+1)`` float32, barycentric coordinates: what each corner gets of the pixel.
        neighbor: ``(d+1, M+1, 2)`` int32, corners on either side along each axis; 0 for none.
    """

    corner: NDArray[np.int32]
    weight: NDArray[np.float32]
    neighbor: NDArray[np.int32]


class Space(NamedTuple):
    """The space in which pixels are points, and how places in it become integers.

    Args:
        deviation: ``(d,)`` float32, standard deviation along x, y and each colour.
        scale: ``(d,)`` float32, from standard deviations to units of the lattice.
        lowest: ``(d,)`` int64, smallest quotient of a corner near the picture.
        stride: ``(d,)`` int64, weight of each quotient in a key.
    """

    deviation: NDArray[np.float32]
    scale: NDArray[np.float32]
    lowest: NDArray[np.int64]
    stride: NDArray[np.int64]


def space(height: int, width: int, colors: int, wanted: Filter) -> Space:
    """The space of pictures of a size.

    Args:
        height: Of the picture, pixels.
        width: Of the picture, pixels.
        colors: Of a pixel; they do not count where the filter is of position alone.
        wanted: The filter.

    >>> space(375, 500, 3, Filter(xy=3.0, color=None, weight=1.0)).stride
    array([146,   1])
    """
    deviation = np.array([wanted.xy, wanted.xy], np.float32)
    reach = np.array([width - 1, height - 1])
    if wanted.color is not None:
        deviation = np.append(deviation, np.full(colors, wanted.color, np.float32))
        reach = np.append(reach, np.full(colors, 255))
    d = deviation.size
    # With this unit, the blur along all axes has the variance of a unit Gaussian (sec. 3.1).
    unit = (d + 1) * math.sqrt(2 / 3)
    scale = np.array([unit / math.sqrt((j + 1) * (j + 2)) for j in range(d)], np.float32)

    # Coordinate j is the sum of the axes from j on, less j times axis j - 1 (see embed).
    farthest = reach / deviation * scale
    lower = [-j * farthest[j - 1] if j else 0.0 for j in range(d)]
    upper = [farthest[j:].sum() for j in range(d)]
    margin = 3  # rounding, the simplex, a step along an axis
    lowest = [math.floor(value / (d + 1)) - margin for value in lower]
    sizes = [
        math.ceil(value / (d + 1)) + margin + 1 - low
        for low, value in zip(lowest, upper, strict=True)
    ]
    stride = [math.prod(sizes[j + 1 :]) for j in range(d)]
    if math.prod(sizes) * 2 ** (RANK_BITS * d) >= 2**62:
        raise ConfigError(
            f"a CRF kernel of {wanted.xy} pixels and {wanted.color} grey levels has more than "
            f"2^62 cells in a picture of {width}x{height}; use larger standard deviations"
        )
    return Space(deviation, scale, np.array(lowest, np.int64), np.array(stride, np.int64))


@compiled
def embed(
    image: NDArray[np.uint8],
    width: int,
    start: int,
    stop: int,
    deviation: NDArray[np.float32],
    scale: NDArray[np.float32],
    lowest: NDArray[np.int64],
    stride: NDArray[np.int64],
    simplex: NDArray[np.int64],
    weight: NDArray[np.float32],
) -> None:
    """Find the simplex around each pixel ``start..stop`` and its coordinates there (sec. 3.2).

    Args:
        image: ``(N, C)``, rows of pixels one after the other.
        width: Of the picture, pixels.
        start: First pixel.
        stop: Pixel after the last.
        deviation: See `Space`, as the next three.
        scale: ``(d,)``.
        lowest: ``(d,)``.
        stride: ``(d,)``.
        simplex: ``(N,)``, out: quotients of the simplex's corner of remainder 0, packed, and below
            them the ranks of the coordinates within the simplex.
        weight: ``(N, d+1)``, out: barycentric coordinates.
    """
    d = deviation.size
    sides = np.int32(d + 1)
    share = np.float32(1) / np.float32(d + 1)
    rows_per_pixel = 1.0 / width
    axis = np.empty((d, TILE), np.float32)
    point = np.empty((d + 1, TILE), np.float32)
    quotient = np.empty((d + 1, TILE), np.int32)
    rank = np.empty((d + 1, TILE), np.int32)
    ranked = np.empty((d + 1, TILE), np.float32)
    total = np.empty(TILE, np.float32)
    excess = np.empty(TILE, np.int32)
    base = np.empty(TILE, np.int64)
    order = np.empty(TILE, np.int32)
    # Inner loops run over pixels so that the compiler can do several at a time.
    for first in range(start, stop, TILE):
        n = min(TILE, stop - first)
        for i in range(n):
            # In the middle between two quotients' borders: the product is never rounded across one.
            row = np.int32((first + i + 0.5) * rows_per_pixel)
            axis[0, i] = np.float32(first + i - row * width)
            axis[1, i] = np.float32(row)
        for j in range(2, d):
            for i in range(n):
                axis[j, i] = np.float32(image[first + i, j - 2])
        for j in range(d):
            for i in range(n):
                axis[j, i] = axis[j, i] / deviation[j] * scale[j]

        # Rotate into the plane of coordinate sum 0.
        for i in range(n):
            total[i] = 0
            excess[i] = 0
        for j in range(d, 0, -1):
            for i in range(n):
                point[j, i] = total[i] - np.float32(j) * axis[j - 1, i]
                total[i] += axis[j - 1, i]
        for i in range(n):
            point[0, i] = total[i]

        # The nearest corner of remainder 0; `point` becomes the way from there.
        for j in range(d + 1):
            for i in range(n):
                nearest = np.floor(point[j, i] * share + np.float32(0.5))
                quotient[j, i] = np.int32(nearest)
                excess[i] += np.int32(nearest)
                point[j, i] -= nearest * np.float32(d + 1)
                rank[j, i] = 0
                ranked[j, i] = 0
        # The order of the ways tells the simplex; rounding may have left the plane: go back.
        for j in range(d):
            for k in range(j + 1, d + 1):
                for i in range(n):
                    less = np.int32(point[j, i] < point[k, i])
                    rank[j, i] += less
                    rank[k, i] += np.int32(1) - less
        for j in range(d + 1):
            for i in range(n):
                moved = rank[j, i] + excess[i]
                step = np.int32(moved < 0) - np.int32(moved >= sides)
                rank[j, i] = moved + step * sides
                quotient[j, i] += step
                point[j, i] = (point[j, i] - np.float32(step * sides)) * share

        for j in range(d + 1):
            for k in range(d + 1):
                for i in range(n):
                    ranked[k, i] += point[j, i] if rank[j, i] == k else np.float32(0)
        for i in range(n):
            weight[first + i, 0] = np.float32(1) + ranked[d, i] - ranked[0, i]
        for k in range(1, d + 1):
            for i in range(n):
                weight[first + i, k] = ranked[d - k, i] - ranked[d + 1 - k, i]

        for i in range(n):
            base[i] = 0
            order[i] = 0
        for j in range(d):
            for i in range(n):
                base[i] += (quotient[j, i] - lowest[j]) * stride[j]
                order[i] = (order[i] << RANK_BITS) + rank[j, i]
        for i in range(n):
            simplex[first + i] = (base[i] << (RANK_BITS * d)) + order[i]


@compiled
def normalise(
    corner: NDArray[np.int32],
    weight: NDArray[np.float32],
    neighbor: NDArray[np.int32],
    strength: float,
) -> None:
    """Scale the weights, in place, so that splat, blur and slice are ``w D^-1/2 K D^-1/2``.

    Args:
        corner: ``(N, d+1)``.
        weight: ``(N, d+1)``, barycentric coordinates; out: times ``sqrt(w / D)``.
        neighbor: ``(d+1, M+1, 2)``.
        strength: w.
    """
    pixels, corners = weight.shape
    value = np.zeros(neighbor.shape[1], np.float32)
    blurred = np.zeros(neighbor.shape[1], np.float32)
    for pixel in range(pixels):
        for v in range(corners):
            value[corner[pixel, v]] += weight[pixel, v]
    for j in range(corners):
        for m in range(1, value.size):
            sides = value[neighbor[j, m, 0]] + value[neighbor[j, m, 1]]
            blurred[m] = value[m] + np.float32(0.5) * sides
        value, blurred = blurred, value
    for pixel in range(pixels):
        row_sum = np.float32(0)
        for v in range(corners):
            row_sum += weight[pixel, v] * value[corner[pixel, v]]
        factor = np.float32(math.sqrt(strength / row_sum))
        for v in range(corners):
            weight[pixel, v] *= factor


def lattices(image: NDArray[np.uint8], filters: Sequence[Filter], each: Each) -> list[Lattice]:
    """The lattices on which some filters of a picture are computed.

    Args:
        image: ``(H, W, C)``.
        filters: What is wanted.
        each: Spreads work over threads.
    """
    height, width, colors = image.shape
    pixels = height * width
    points = np.ascontiguousarray(image).reshape(pixels, colors)
    made = []
    for wanted in filters:
        room = space(height, width, colors, wanted)
        simplex = np.empty(pixels, np.int64)
        weight = np.empty((pixels, room.stride.size + 1), np.float32)
        made.append((room, simplex, weight))
    each(
        embed,
        [
            (points, width, *part, *room, simplex, weight)
            for room, simplex, weight in made
            for part in strips(pixels)
        ],
    )
    return each(
        _connected,
        [
            (room, simplex, weight, wanted.weight)
            for (room, simplex, weight), wanted in zip(made, filters, strict=True)
        ],
    )


def _connected(
    room: Space, simplex: NDArray[np.int64], weight: NDArray[np.float32], strength: float
) -> Lattice:
    corner, neighbor = connected_corners(simplex, room.stride)
    normalise(corner, weight, neighbor, strength)
    return Lattice(corner, weight, neighbor)
