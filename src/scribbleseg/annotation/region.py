"""Connected regions of a label image, each cut out with its place in the picture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.errors import DataError

__all__ = ["Bools", "Floats", "Region", "check_label_array", "connected_regions"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Region:
    """One 8-connected region, cut out of its picture.

    The cut-out reaches one pixel beyond the region, except where the picture ends: so a side of
    the cut-out that the region touches is a side of the picture.

    Args:
        pixels: ``(h, w)`` bool, True inside.
        row, column: Place of the upper left pixel of ``pixels`` in the picture.
        area: Number of pixels inside.
    """

    pixels: Bools
    row: int
    column: int
    area: int

    @property
    def first_pixel(self) -> tuple[int, int]:
        """Row and column in the picture of the leftmost pixel of the topmost row.

        Two regions of a picture never share it, and it does not depend on other regions.
        """
        row, column = divmod(int(self.pixels.argmax()), self.pixels.shape[1])
        return self.row + row, self.column + column

    @property
    def window(self) -> tuple[slice, slice]:
        """Where ``pixels`` lie in the picture."""
        height, width = self.pixels.shape
        return slice(self.row, self.row + height), slice(self.column, self.column + width)

    def depth(self, *, frame_is_outside: bool) -> Floats:
        """Distance of every pixel to the nearest one outside, in pixels to 3 %; 0 outside.

        Args:
            frame_is_outside: Whether the sides of the picture bound the region. Where they do
                not, and the region fills the picture, the distance is infinite.
        """
        inside = self.pixels.view(np.uint8)
        if frame_is_outside:
            inside = np.pad(inside, 1)
        elif self.pixels.all():
            return np.full(self.pixels.shape, np.inf)
        # The exact transform takes four times as long.
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)
        return np.asarray(depth[1:-1, 1:-1] if frame_is_outside else depth, np.float64)

    def pole(self) -> tuple[int, int]:
        """Row and column in ``pixels`` of the pole of inaccessibility.

        That is the pixel farthest from the outline, sides of the picture included. Of pixels that
        differ by less than half a pixel it is the one nearest to the centre of mass, so that a bar
        has its pole in the middle.
        """
        depth = self.depth(frame_is_outside=True)
        rows, columns = np.nonzero(depth > depth.max() - 0.5)
        mass = cv2.moments(self.pixels.view(np.uint8), binaryImage=True)
        aside = np.hypot(rows - mass["m01"] / mass["m00"], columns - mass["m10"] / mass["m00"])
        best = int(aside.argmin())
        return int(rows[best]), int(columns[best])


def connected_regions(label: LabelImage, *, ignore_index: int = 255) -> dict[int, list[Region]]:
    """The 8-connected regions of every label.

    Args:
        label: ``(H, W)`` labels, uint8 or uint16.
        ignore_index: Label whose pixels belong to no region.

    Returns:
        For each label in ascending order its regions, the one with most pixels first; equal ones
        as they come from the top.

    >>> label = np.array([[1, 255, 2, 2], [255, 1, 255, 1]], np.uint8)
    >>> {index: [one.area for one in found] for index, found in connected_regions(label).items()}
    {1: [2, 1], 2: [2]}
    """
    found = {}
    for index in np.flatnonzero(np.bincount(label.ravel())).tolist():
        if index != ignore_index:
            regions = _regions(label == index)
            found[index] = sorted(regions, key=lambda one: (-one.area, one.first_pixel))
    return found


def _regions(mask: Bools) -> list[Region]:
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    rows = slice(max(top - 1, 0), top + height + 1)
    columns = slice(max(left - 1, 0), left + width + 1)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(
        mask[rows, columns].view(np.uint8), connectivity=8
    )
    regions = []
    for number in range(1, count):
        left, top, width, height, area = stats[number].tolist()
        top, left, bottom, right = max(top - 1, 0), max(left - 1, 0), top + height, left + width
        pixels = numbers[top : bottom + 1, left : right + 1] == number
        regions.append(Region(pixels, rows.start + top, columns.start + left, area))
    return regions


def check_label_array(label: LabelImage, image_id: str, ignore_index: int) -> None:
    """Refuse what is no label image.

    Raises:
        DataError: It is not two-dimensional, empty, of another type, or ``ignore_index`` does not
            fit into its type.
    """
    where = image_id or "label image"
    if label.ndim != 2 or label.dtype not in (np.uint8, np.uint16) or label.size == 0:
        raise DataError(
            f"{where}: an array of shape {label.shape}, {label.dtype}; expected (H, W) uint8 or "
            "uint16"
        )
    if not 0 <= ignore_index <= np.iinfo(label.dtype).max:
        raise DataError(f"{where}: {ignore_index=} does not fit into {label.dtype}")
