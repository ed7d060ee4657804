"""The exact Euclidean distance to the nearest pixel of a set, up to where a distance map ends.

All comparisons of distances are between whole numbers, hence exact for an image of any size.
OpenCV's transform compares float32, and takes twice as long: it cannot stop at the reach of a map.

Algorithm: A. Meijster, J. Roerdink, W. Hesselink, "A general algorithm for computing distance
transforms in linear time", 2000, with columns out of reach left out.
"""

import math

import numpy as np
from numpy.typing import NDArray

from scribbleseg.compiled import compiled

__all__ = ["scaled_distance"]

FARTHEST = 255


@compiled
def scaled_distance(source: NDArray[np.bool_], scale: float, reach: int) -> NDArray[np.uint8]:
    """``min(255, floor(sqrt(scale * d2)))``, d2 the squared distance to the nearest source pixel.

    Args:
        source: ``(H, W)``, C-contiguous, H and W at least 1.
        scale: Factor inside the root.
        reach: Pixels from which on the result is known to be 255.

    Returns:
        ``(H, W)``; 255 everywhere if there is no source pixel.
    """
    height, width = source.shape
    scaled = np.full((height, width), FARTHEST, np.uint8)

    # Along each column first: pixels to the nearest source above or below, reach + 1 if none is
    # near enough.
    vertical = np.empty((height, width), np.int64)
    for column in range(width):
        vertical[0, column] = 0 if source[0, column] else reach + 1
    for row in range(1, height):
        for column in range(width):
            step = min(vertical[row - 1, column] + 1, reach + 1)
            vertical[row, column] = 0 if source[row, column] else step
    for row in range(height - 2, -1, -1):
        for column in range(width):
            vertical[row, column] = min(vertical[row, column], vertical[row + 1, column] + 1)

    # Then along each row: the squared distance is the lower envelope of the parabolas
    # (x - center)^2 + height^2, one for each column. Parabola k of the envelope is the lowest from
    # x = begin[k] on.
    center = np.empty(width, np.int64)
    lift = np.empty(width, np.int64)
    begin = np.empty(width, np.int64)
    for row in range(height):
        last = -1
        for column in range(width):
            if vertical[row, column] > reach:
                continue
            lifted = vertical[row, column] ** 2
            while (
                last >= 0
                and (begin[last] - center[last]) ** 2 + lift[last]
                > (begin[last] - column) ** 2 + lifted
            ):
                last -= 1
            first = 0
            if last >= 0:
                apart = column - center[last]
                ahead = (column + center[last]) * apart + lifted - lift[last]
                first = 1 + ahead // (2 * apart)
            if first < width:
                last += 1
                center[last], lift[last], begin[last] = column, lifted, first
        end = width
        while last >= 0:
            left, right = center[last] - reach, center[last] + reach + 1
            for column in range(max(begin[last], left), min(end, right)):
                squared = (column - center[last]) ** 2 + lift[last]
                scaled[row, column] = np.uint8(min(math.sqrt(scale * squared), FARTHEST))
            end = begin[last]
            last -= 1
    return scaled
