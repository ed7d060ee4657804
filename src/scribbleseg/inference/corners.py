"""The corners of the simplices around a picture's pixels: numbered, and joined to neighbours.

Serial, because numbers go up as pixels meet new corners: corners of pixels that are near each other
lie near each other in memory then, and the result is always the same.
"""

import numpy as np
from numpy.typing import NDArray

from scribbleseg.compiled import compiled

__all__ = ["RANK_BITS", "connected_corners"]

RANK_BITS = 3  # of a simplex's key for each rank, which is 0..5 at most
SLOTS = 1 << 14  # of the first hash table; a picture with few colours needs no more
RECENT = 1 << 13  # simplices that are remembered
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: neighbouring keys go far apart
EMPTY = -1


def connected_corners(
    simplex: NDArray[np.int64], stride: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Numbers of the corners of each pixel's simplex, and of the neighbours of each corner.

    Args:
        simplex: ``(N,)``, see `permutohedral.embed`.
        stride: ``(d,)``, see `permutohedral.Space`.

    Returns:
        ``(N, d+1)`` from 1 on, and ``(d+1, M+1, 2)``: see `permutohedral.Lattice`.

    >>> key = np.array([5 << 2 * RANK_BITS | 0 << RANK_BITS | 1])  # two coordinates, ranks 0 and 1
    >>> corner, neighbor = connected_corners(key, np.array([100, 1]))
    >>> corner
    array([[1, 2, 3]], dtype=int32)
    >>> neighbor[:, 2].tolist()  # of corner 2, on either side along the three axes
    [[0, 0], [0, 3], [1, 0]]
    """
    d, pixels = stride.size, simplex.size
    recent = np.full(RECENT, EMPTY, np.int64)
    recent_corner = np.empty((RECENT, d + 1), np.int32)
    corner = np.empty((pixels, d + 1), np.int32)
    found = np.empty(0, np.int64)
    pixel = count = 0
    slots = SLOTS
    while True:
        keys, numbers = np.full(slots, EMPTY, np.int64), np.empty(slots, np.int32)
        found = np.concatenate([found[:count], np.empty(slots // 2 - count, np.int64)])
        refill(keys, numbers, found, count)
        pixel, count = number(
            simplex, stride, pixel, count, keys, numbers, found, recent, recent_corner, corner
        )
        if pixel == pixels:
            break
        slots *= 4
    return corner, connect(stride, count, keys, numbers, found)


@compiled
def place(keys: NDArray[np.int64], key: int) -> np.int64:
    """The slot of the hash table that holds a key, or the empty one where it belongs."""
    last = keys.size - 1
    slot = np.int64((np.uint64(key) * SPREAD) >> np.uint64(24)) & last
    while keys[slot] != key and keys[slot] != EMPTY:
        slot = (slot + 1) & last
    return slot


@compiled
def refill(
    keys: NDArray[np.int64], numbers: NDArray[np.int32], found: NDArray[np.int64], count: int
) -> None:
    """Put the corners found so far into an empty hash table."""
    for corner in range(count):
        slot = place(keys, found[corner])
        keys[slot] = found[corner]
        numbers[slot] = corner + 1


@compiled
def number(
    simplex: NDArray[np.int64],
    stride: NDArray[np.int64],
    pixel: int,
    count: int,
    keys: NDArray[np.int64],
    numbers: NDArray[np.int32],
    found: NDArray[np.int64],
    recent: NDArray[np.int64],
    recent_corner: NDArray[np.int32],
    corner: NDArray[np.int32],
) -> tuple[int, int]:
    """Number the corners of the pixels' simplices, until the hash table is half full.

    Args:
        simplex: ``(N,)``, see `permutohedral.embed`.
        stride: ``(d,)``, see `permutohedral.Space`.
        pixel: The first one to be done.
        count: Corners found so far.
        keys: ``(slots,)``, keys of the hash table.
        numbers: ``(slots,)``, numbers of its corners.
        found: ``(slots / 2,)``, keys in the order of their numbers.
        recent: ``(RECENT,)``, simplices seen lately: neighbours are often in the same one.
        recent_corner: ``(RECENT, d+1)``, their corners.
        corner: ``(N, d+1)``, out.

    Returns:
        The first pixel that is left, and how many corners there are.
    """
    d = stride.size
    rank = np.empty(d, np.int64)
    while pixel < simplex.size and count + d < found.size:
        wanted = simplex[pixel]
        slot = np.int64((np.uint64(wanted) * SPREAD) >> np.uint64(40)) & (recent.size - 1)
        if recent[slot] != wanted:
            recent[slot] = wanted
            base = wanted >> (RANK_BITS * d)
            for j in range(d):
                rank[j] = (wanted >> (RANK_BITS * (d - 1 - j))) & ((1 << RANK_BITS) - 1)
            for r in range(d + 1):
                # From the corner of remainder 0 to that of r, the r coordinates of highest rank
                # fall by d+1 - r: their quotients fall by 1. The others rise by r.
                key = base
                for j in range(d):
                    if rank[j] > d - r:
                        key -= stride[j]
                key = key * (d + 1) + r
                entry = place(keys, key)
                if keys[entry] == EMPTY:
                    found[count] = key
                    count += 1
                    keys[entry] = key
                    numbers[entry] = count
                recent_corner[slot, r] = numbers[entry]
        for r in range(d + 1):
            corner[pixel, r] = recent_corner[slot, r]
        pixel += 1
    return pixel, count


@compiled
def connect(
    stride: NDArray[np.int64],
    count: int,
    keys: NDArray[np.int64],
    numbers: NDArray[np.int32],
    found: NDArray[np.int64],
) -> NDArray[np.int32]:
    """The neighbours of every corner along every axis, see `permutohedral.Lattice`."""
    d = stride.size
    neighbor = np.zeros((d + 1, count + 1, 2), np.int32)
    everything = (d + 1) * stride.sum()
    for corner in range(count):
        key = found[corner]
        # A step along axis j lowers all coordinates by 1 and raises coordinate j by d+1.
        lower = key - 1 if key % (d + 1) > 0 else key + d - everything
        for j in range(d + 1):
            other = lower + (d + 1) * stride[j] if j < d else lower
            slot = place(keys, other)
            if keys[slot] == other:
                neighbor[j, corner + 1, 0] = numbers[slot]
                neighbor[j, numbers[slot], 1] = corner + 1
    return neighbor
