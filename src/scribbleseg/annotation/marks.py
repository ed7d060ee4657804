"""From the shapes of annotation tools to marks: what the readers of formats have in common."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.class_table import KnownClasses
from scribbleseg.annotation.formats.format import Classes, Options
from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.annotation.raster import filled, unlabelled_value
from scribbleseg.annotation.run_length import Runs, painted_rows
from scribbleseg.annotation.stated_value import shown
from scribbleseg.annotation.stroke import MOST_POINTS, Drawing, Mark, Patch, Stroke, check_points
from scribbleseg.errors import DataError

__all__ = ["Marks", "class_masks"]

MOST_PAINTED = 1_000_000_000
"""Pixels of all masks of one picture, each in the box around its paint."""

CORNER = 0.5
"""Tools count from the corner of the upper left pixel, we from its centre."""


class Marks:
    """Collects the marks of one picture, in pixels from its upper left corner.

    Args:
        size: Height and width of the picture in pixels.
        options: The classes whose marks are wanted, and what to do with others.

    >>> from scribbleseg.annotation.formats import Classes
    >>> marks = Marks((4, 6), Options(Classes(("background", "cell"), ((0, 0, 0), (9, 9, 9)))))
    >>> marks.box("a.json", "cell", 1, 0, 3, 2)
    >>> marks.marks[0].pixels.shape, marks.marks[0].column
    ((2, 2), 1)
    """

    def __init__(self, size: tuple[int, int], options: Options) -> None:
        self.size = size
        self.known = KnownClasses(options)
        """Called with the name of a class that a file holds."""
        self.marks: list[Mark] = []
        self.points = self.painted = 0
        # The same words for every picture: an import counts in how many they are found.
        self.remarks: dict[str, None] = {}

    def line(
        self, where: str, name: str, points: Any, *, closed: bool = False, filled: bool = False
    ) -> None:
        """Add a line, or the area that it encloses.

        Args:
            where: File and shape, for the message.
            name: Its class.
            points: Pairs of numbers x, y.
            closed: Whether the last point is joined with the first one.
            filled: Whether the enclosed area belongs to it.

        Raises:
            DataError: The points are no places in a picture, or too many.
        """
        self.marks.append(
            Stroke(name, self._checked(where, points), closed=closed or filled, filled=filled)
        )

    def dots(self, where: str, name: str, points: Any) -> None:
        """Add a dot at each of the points; arguments as of `line`."""
        self.marks += [Stroke(name, point[None]) for point in self._checked(where, points)]

    def area(self, where: str, name: str, rings: Sequence[Any]) -> None:
        """Add the area within a polygon, without its holes: all pixels whose centre is in it.

        Args:
            where: File and shape, for the message.
            name: Its class.
            rings: The points of its outline, then those of each hole.

        Raises:
            DataError: There is no outline, or the points are no places in a picture.
        """
        if len(rings) == 1:
            self.line(where, name, rings[0], filled=True)
            return
        outlines = [self._checked(where, ring) for ring in rings]
        if not outlines:
            raise DataError(f"{where}: a polygon without points")
        patch = filled(where, name, outlines, self.size)
        if patch is None:
            self.marks.append(Stroke(name, outlines[0], width=1, closed=True))
        else:
            self.patch(where, name, patch.pixels, patch.row, patch.column)

    def _checked(self, where: str, points: Any) -> NDArray[np.float64]:
        if not isinstance(points, list | np.ndarray):
            raise DataError(f"{where}: points are {shown(points)}; expected a list")
        checked = check_points(where, points) - CORNER
        self.points += len(checked)
        if self.points > MOST_POINTS:
            raise DataError(f"{where}: more than {MOST_POINTS} points in one picture")
        limit = np.array(self.size[::-1]) - CORNER
        self._notice_outside(((checked < -CORNER) | (checked > limit)).any())
        return checked

    def box(
        self,
        where: str,
        name: str,
        left: float,
        top: float,
        right: float,
        bottom: float,
        *,
        degrees: float = 0,
        pivot: tuple[float, float] = (0, 0),
    ) -> None:
        """Add a rectangle: all pixels whose centre is in it.

        Args:
            where: File and shape, for the message.
            name: Its class.
            left: Of the rectangle before it is turned.
            top: Of the rectangle.
            right: Of the rectangle.
            bottom: Of the rectangle.
            degrees: By which it is turned clockwise.
            pivot: x and y about which it is turned.
        """
        if degrees % 360:
            corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
            self.line(where, name, _turned(corners, degrees, pivot), filled=True)
            return
        (left, top), (right, bottom) = check_points(where, [[left, top], [right, bottom]])
        begin = np.ceil(np.array([min(top, bottom), min(left, right)]) - CORNER)
        end = np.ceil(np.array([max(top, bottom), max(left, right)]) - CORNER)
        row, column = np.clip(begin, 0, self.size).astype(int).tolist()
        height, width = (np.clip(end, 0, self.size).astype(int) - (row, column)).tolist()
        self._notice_outside((begin < 0).any() or (end > self.size).any())
        self.patch(where, name, np.ones((height, width), bool), row, column)

    def ellipse(
        self,
        where: str,
        name: str,
        center: tuple[float, float],
        radii: tuple[float, float],
        degrees: float = 0,
    ) -> None:
        """Add an ellipse, as a polygon that is never more than 1/16 of a pixel away from it.

        Args:
            where: File and shape, for the message.
            name: Its class.
            center: x and y.
            radii: Along x and y before it is turned.
            degrees: By which it is turned clockwise about its centre.
        """
        check_points(where, [center, radii])
        count = 8 + math.ceil(math.pi * math.sqrt(8 * max(map(abs, radii))))
        angle = np.arange(count) * 2 * np.pi / count
        outline = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radii + center
        self.line(where, name, _turned(outline, degrees, center), filled=True)

    def mask(
        self,
        where: str,
        name: str,
        runs: Runs,
        height: int,
        width: int,
        *,
        row: int = 0,
        column: int = 0,
        transposed: bool = False,
    ) -> None:
        """Add painted pixels that are given as run lengths.

        Args:
            where: File and shape, for the message.
            name: Its class.
            runs: Of unpainted and painted pixels in turn.
            height: Of the mask in pixels.
            width: Of the mask in pixels.
            row: Of the mask's upper left pixel in the picture.
            column: Of the mask's upper left pixel in the picture.
            transposed: Whether the runs go column by column.

        Raises:
            DataError: The mask reaches outside the picture, or the runs do not fill it.
        """
        if row + height > self.size[0] or column + width > self.size[1]:
            raise DataError(
                f"{where}: mask of {width}x{height} pixels at x={column}, y={row} in a picture of "
                f"{self.size[1]}x{self.size[0]}"
            )
        size = (width, height) if transposed else (height, width)
        first, pixels = painted_rows(where, runs, *size)
        second, pixels = self._trimmed(where, pixels)
        if pixels.size == 0:
            return
        if transposed:
            self.marks.append(Patch(name, pixels.T, row + second, column + first))
        else:
            self.marks.append(Patch(name, pixels, row + first, column + second))

    def patch(
        self, where: str, name: str, pixels: NDArray[np.bool_], row: int, column: int
    ) -> None:
        """Add painted pixels.

        Args:
            where: File and shape, for the message.
            name: Their class.
            pixels: ``(h, w)`` bool.
            row: Of the upper left one in the picture; may lie outside.
            column: Of the upper left one in the picture.

        Raises:
            DataError: Together with the others of the picture they are too many.
        """
        first, trimmed = self._trimmed(where, pixels)
        if trimmed.size:
            self.marks.append(Patch(name, trimmed, row, column + first))

    def _trimmed(self, where: str, pixels: NDArray[np.bool_]) -> tuple[int, NDArray[np.bool_]]:
        """The columns from the first to the last one with paint, and which one is the first."""
        self.painted += pixels.size
        if self.painted > MOST_PAINTED:
            raise DataError(
                f"{where}: the masks of one picture are more than {MOST_PAINTED} pixels"
            )
        columns = np.flatnonzero(pixels.any(axis=0))
        if len(columns) == 0:
            return 0, pixels[:, :0]
        return int(columns[0]), pixels[:, columns[0] : columns[-1] + 1].copy()

    def leave_out(self, what: str) -> None:
        """Remark that something was not read.

        Args:
            what: What it is, and why; in words that do not depend on the picture.
        """
        self.remarks[f"left out: {what}"] = None

    def _notice_outside(self, outside: bool | np.bool_) -> None:
        if outside:
            self.remarks["strokes reach outside the picture"] = None

    def drawing(self, name: str, picture: Path | NDArray[np.uint8] | None) -> Drawing:
        """All marks, with remarks on what was left out.

        Args:
            name: Id of the picture.
            picture: The picture, or its file.
        """
        remarks = (*self.remarks, *self.known.remarks())
        if not self.marks:
            remarks += ("nothing is drawn",)
        return Drawing(name, self.size, tuple(self.marks), picture=picture, remarks=remarks)


def class_masks(
    name: str, label: LabelImage, classes: Classes
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The classes that occur in a label image: each one's name and where it is, ``(H, W)`` bool.

    Args:
        name: Of the picture, for the message.
        label: ``(H, W)`` class indices; 255 (for more classes 65535) is unlabelled.
        classes: Their names.

    Raises:
        DataError: The label image holds another value.
    """
    unlabelled = unlabelled_value(len(classes.names))
    for value in np.flatnonzero(np.bincount(label.ravel())).tolist():
        if value == unlabelled:
            continue
        if value >= len(classes.names):
            raise DataError(
                f"{name}: label {value}; expected 0..{len(classes.names) - 1} or {unlabelled}"
            )
        yield classes.names[value], label == value


def _turned(
    points: NDArray[np.float64], degrees: float, pivot: tuple[float, float]
) -> NDArray[np.float64]:
    """Points turned clockwise; y grows downwards."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    turned: NDArray[np.float64] = (points - pivot) @ [[cosine, sine], [-sine, cosine]] + pivot
    return turned
