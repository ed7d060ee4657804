"""The skeleton of a region as a graph: its pixels, their neighbours, and paths along them.

Thinning is that of Zhang and Suen, "A fast parallel algorithm for thinning digital patterns",
CACM 1984, by scikit-image. Its time grows with the cube of a region's size, so large regions are
thinned in cells of several pixels.

scikit-image and the graphs of scipy take half a second to import, so they are imported where they
are used.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.region import Bools, Floats

__all__ = ["Indices", "SkeletonGraph", "skeleton_graph"]

Indices = NDArray[np.int64]

MOST_NODES = 256
"""Of more ends or junctions not all paths are compared."""


@dataclass(frozen=True, eq=False)
class SkeletonGraph:
    """The ``P`` pixels of a skeleton and the steps between neighbours.

    A diagonal step is one only where no corner leads around it. So a pixel has two neighbours in
    the middle of a branch, one at an end, and three or more at a junction.

    Args:
        points: ``(P, 2)`` float64, x and y of the pixels.
        steps: ``(S, 2)`` pairs of pixels, each pair once.
        lengths: ``(S,)`` float64, length of each step in pixels.
    """

    points: Floats
    steps: Indices
    lengths: Floats

    @cached_property
    def degree(self) -> Indices:
        """Number of neighbours of each pixel, ``(P,)``."""
        return np.bincount(self.steps.ravel(), minlength=len(self.points)).astype(np.int64)

    @cached_property
    def ends(self) -> Indices:
        """The pixels with one neighbour."""
        return np.flatnonzero(self.degree == 1)

    @cached_property
    def share(self) -> Floats:
        """The length that belongs to each pixel, ``(P,)``: half of each of its steps."""
        halves = np.repeat(self.lengths / 2, 2)
        share = np.bincount(self.steps.ravel(), halves, minlength=len(self.points))
        return share.astype(np.float64)

    @cached_property
    def _matrix(self) -> Any:
        from scipy.sparse import csr_array

        here, there = np.concatenate([self.steps, self.steps[:, ::-1]]).T
        order = here.argsort(kind="stable")
        begin = np.concatenate([[0], np.cumsum(self.degree)])
        lengths = np.tile(self.lengths, 2)[order]
        return csr_array((lengths, there[order], begin), shape=(len(self.points),) * 2)

    def distances(self, start: int | Indices) -> Floats:
        """Length in pixels of the shortest path to every pixel; infinite if there is none.

        Args:
            start: A pixel, for a result ``(P,)``, or ``N`` of them, for ``(N, P)``.
        """
        return self._paths_from(start)[0]

    def path(self, start: int, end: int) -> Indices:
        """The pixels of the shortest path, both ends included."""
        return _walk(self._paths_from(start)[1], start, end)

    def _paths_from(self, start: int | Indices) -> tuple[Floats, Indices]:
        """Length of the shortest path to every pixel, and the pixel before it on that path."""
        from scipy.sparse.csgraph import dijkstra

        lengths, before = dijkstra(self._matrix, indices=start, return_predecessors=True)
        return lengths, before

    def longest_path(self) -> Indices:
        """The pixels of the longest of all shortest paths.

        Exact where the skeleton is a tree or a ring. With several loops it is at least as long as
        any path that begins at an end or a junction (one of the first 256).
        """
        start, reach = 0, 0.0
        nodes = np.flatnonzero(self.degree != 2)[:MOST_NODES]
        if len(self.steps) >= len(self.points) and len(nodes) > 1:  # there are loops
            start = int(nodes[_finite(self.distances(nodes)).max(axis=1).argmax()])
        # The pixel farthest from any pixel of a tree is an end of its longest path.
        path = np.array([start])
        while True:
            lengths, before = self._paths_from(start)
            lengths = _finite(lengths)
            farthest = int(lengths.argmax())
            if lengths[farthest] <= reach + 1e-6:
                return path
            reach, path = float(lengths[farthest]), _walk(before, start, farthest)
            start = farthest

    def random_path(self, rng: np.random.Generator) -> Indices:
        """The pixels of the shortest path between two random ends.

        Every pair of ends has a probability proportional to the length of its path. Of more than
        256 ends, 256 are drawn first. A skeleton without two ends, a ring for example, gives a path
        from a random pixel to another, again in proportion to the length.
        """
        ends = self.ends
        if len(ends) > MOST_NODES:
            ends = rng.choice(ends, MOST_NODES, replace=False)
        if len(ends) > 1:
            between = np.triu(self.distances(ends)[:, ends])
            start, end = divmod(_in_proportion(between.ravel(), rng), len(ends))
            return self.path(int(ends[start]), int(ends[end]))
        start = int(rng.integers(len(self.points)))
        return self.path(start, _in_proportion(self.distances(start), rng))


def skeleton_graph(pixels: Bools, *, cell: int = 1) -> SkeletonGraph:
    """The graph of a region's skeleton.

    Args:
        pixels: ``(H, W)`` bool, True inside; at least one pixel is.
        cell: Side in pixels of the squares that are thinned as one; all pixels of the graph lie
            inside the region with any, and gaps narrower than this may be bridged.

    >>> graph = skeleton_graph(np.ones((1, 4), bool))
    >>> graph.points[graph.longest_path()].tolist()
    [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]
    """
    from skimage.morphology import skeletonize

    coarse = pixels
    if cell > 1:
        spread = cv2.dilate(pixels.view(np.uint8), np.ones((cell, cell), np.uint8), anchor=(0, 0))
        coarse = spread[::cell, ::cell] > 0
    skeleton = np.pad(skeletonize(np.ascontiguousarray(coarse)), 1)
    rows, columns = np.nonzero(skeleton)
    number = np.full(skeleton.shape, -1)
    number[rows, columns] = np.arange(len(rows))

    steps, lengths = [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        joined = skeleton[rows + down, columns + right]
        if down and right:
            joined &= ~(skeleton[rows + down, columns] | skeleton[rows, columns + right])
        here = np.flatnonzero(joined)
        steps.append(np.stack([here, number[rows[here] + down, columns[here] + right]], axis=1))
        lengths.append(np.full(len(here), cell * np.hypot(down, right)))
    points = _inside(pixels, rows - 1, columns - 1, cell)
    return SkeletonGraph(points, np.concatenate(steps), np.concatenate(lengths))


def _inside(pixels: Bools, rows: Indices, columns: Indices, cell: int) -> Floats:
    """Of each cell the pixel inside the region that is nearest to its middle, as x and y."""
    if cell == 1:
        return np.stack([columns, rows], axis=1).astype(np.float64)
    down, right = (shift.ravel() for shift in np.mgrid[:cell, :cell])
    off_center = np.hypot(down - (cell - 1) / 2, right - (cell - 1) / 2)
    y, x = cell * rows[:, None] + down, cell * columns[:, None] + right
    height, width = pixels.shape
    inside = pixels[np.minimum(y, height - 1), np.minimum(x, width - 1)]
    inside &= (y < height) & (x < width)
    best = np.where(inside, off_center, np.inf).argmin(axis=1)
    every = np.arange(len(rows))
    return np.stack([x[every, best], y[every, best]], axis=1).astype(np.float64)


def _walk(before: Indices, start: int, end: int) -> Indices:
    """From ``start`` to ``end``, where each pixel's predecessor is known."""
    steps = before.tolist()
    pixels = [end]
    while pixels[-1] != start:
        pixels.append(steps[pixels[-1]])
    return np.array(pixels[::-1])


def _finite(lengths: Floats) -> Floats:
    """The lengths, 0 where there is no path."""
    return np.where(np.isfinite(lengths), lengths, 0)


def _in_proportion(lengths: Floats, rng: np.random.Generator) -> int:
    """An index, drawn with probability proportional to its length."""
    cumulative = np.cumsum(_finite(lengths))
    draw = rng.random() * cumulative[-1]
    return min(int(np.searchsorted(cumulative, draw, side="right")), len(lengths) - 1)
