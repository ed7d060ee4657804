"""Where a stroke may run inside a region: along its skeleton, along its outline, or in its middle.

All points are x and y in pixels of the region's cut-out.
"""

import math

import cv2
import numpy as np

from scribbleseg.annotation.polyline import part, polyline_length
from scribbleseg.annotation.region import Floats, Region
from scribbleseg.annotation.skeleton import SkeletonGraph, skeleton_graph

__all__ = [
    "boundary_path",
    "central_block",
    "central_point",
    "contours",
    "longest_path",
    "random_path",
]

MOST_CELLS = 80 * 80
"""Regions in larger boxes are thinned in cells of several pixels."""


def longest_path(region: Region) -> Floats:
    """The longest of all shortest paths along the skeleton, ``(N, 2)``."""
    graph = _skeleton(region)
    return graph.points[graph.longest_path()]


def random_path(region: Region, rng: np.random.Generator) -> Floats:
    """A path along the skeleton between two ends, drawn in proportion to its length, ``(N, 2)``."""
    graph = _skeleton(region)
    return graph.points[graph.random_path(rng)]


def _skeleton(region: Region) -> SkeletonGraph:
    cell = math.ceil(math.sqrt(region.pixels.size / MOST_CELLS))
    return skeleton_graph(region.pixels, cell=cell)


def contours(region: Region, margin: float) -> list[Floats]:
    """The lines inside a region at one distance from its outline.

    The sides of the picture are no outline: there a line ends.

    Args:
        region: At least one pixel.
        margin: Distance in pixels; in a narrow region half of the greatest there is.

    Returns:
        ``(N, 2)`` each, the last point equal to the first one where a line is closed; none where
        the region fills the picture, or the picture is a single row or column.
    """
    # Slow to import, as in `skeleton`.
    from skimage.measure import find_contours

    depth = region.depth(frame_is_outside=False)
    deepest = float(depth.max())
    if math.isinf(deepest) or min(depth.shape) < 2:
        return []
    return [line[:, ::-1] for line in find_contours(depth, min(margin, deepest / 2))]


def boundary_path(region: Region, margin: float, rng: np.random.Generator) -> list[Floats]:
    """Between half and all of one of the ``contours``, at a random place.

    Of several contours long ones are more likely.

    Returns:
        One line ``(N, 2)``, or none where there is no contour.
    """
    lines = contours(region, margin)
    if not lines:
        return []
    lengths = np.array([polyline_length(line) for line in lines])
    line = lines[int(rng.choice(len(lines), p=lengths / lengths.sum()))]
    if (line[0] == line[-1]).all():
        line = np.roll(line[:-1], int(rng.integers(len(line) - 1)), axis=0)
        line = np.concatenate([line, line[:1]])
    return [part(line, rng.uniform(0.5, 1), place=rng.random())]


def central_point(region: Region) -> Floats:
    """The pole of inaccessibility, ``(1, 2)``."""
    row, column = region.pole()
    return np.array([[column, row]], np.float64)


def central_block(region: Region, share: float, least: float) -> Floats:
    """The corners of an axis-aligned square in the middle, ``(4, 2)``.

    Args:
        region: At least one pixel.
        share: Of the side of the largest square that fits, 0..1.
        least: Side in pixels, if that is larger.
    """
    # The chessboard distance counts the pixels to each side that are still inside.
    inside = np.pad(region.pixels.view(np.uint8), 1)
    reach = float(cv2.distanceTransform(inside, cv2.DIST_C, cv2.DIST_MASK_3).max() - 1)
    half = max(share * reach, least / 2)
    return central_point(region) + half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
