"""Reading an annotation tool's files to find out what is wrong with them."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.formats.format import Classes, Entry, Format, Options
from scribbleseg.annotation.image_file import image_size
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.annotation.raster import Raster, rasterise, unlabelled_value
from scribbleseg.annotation.stroke import Drawing, Stroke
from scribbleseg.errors import DataError

__all__ = ["Reading", "dots", "points_outside", "strokes_of"]

EDGE = 0.01
"""Pixels that a point may lie outside: tools that store percent round."""


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Args:
        form: Their format.
        options: What the user says about them.
        classes: Names and colours of the classes.
        raster: Rule by which strokes become pixels.
    """

    form: Format
    options: Options
    classes: Classes
    raster: Raster

    @property
    def unlabelled(self) -> int:
        """Value of unlabelled pixels."""
        return unlabelled_value(len(self.classes.names))

    def drawings(self, entry: Entry) -> Iterator[Drawing]:
        """Everything that an entry holds.

        Raises:
            DataError: It cannot be used.
        """
        yield from self.form.read(entry, replace(self.options, classes=self.classes))

    def label(self, drawing: Drawing) -> LabelImage:
        """The label image ``(H, W)`` of a drawing."""
        return rasterise(drawing, self.classes.index, self.raster)

    def stored_label(self, drawing: Drawing) -> LabelImage:
        """What a drawing begins with: class indices, or wrong values, not yet cut to 8 bits."""
        if drawing.label is None:
            return np.full(drawing.size, self.unlabelled, np.uint16)
        none = drawing.label == np.iinfo(drawing.label.dtype).max
        return np.where(none, np.uint16(self.unlabelled), drawing.label)

    def drawings_of_any_value(self, entry: Entry) -> Iterator[tuple[Drawing, LabelImage]]:
        """Label images with values that are no class, on account of which a reader refuses them.

        It is told that there are 255 classes.

        Raises:
            DataError: It refuses them nevertheless.
            ConfigError: As before.
        """
        more = range(len(self.classes.names), 255)
        classes = Classes(
            (*self.classes.names, *(f"value {value}" for value in more)),
            (*self.classes.palette, *((0, 0, 0) for _ in more)),
        )
        lenient = replace(self, options=replace(self.options, unlabelled=None), classes=classes)
        for drawing in lenient.drawings(entry):
            label = self.stored_label(drawing)
            if self.options.unlabelled is not None:
                none = label == self.options.unlabelled
                label = np.where(none, np.uint16(self.unlabelled), label)
            yield drawing, label

    def drawings_without_picture(self, entry: Entry) -> Iterator[Drawing]:
        """What an entry holds that a reader refuses because its picture has another size.

        Raises:
            DataError: It cannot be read without picture either, or the picture is a volume.
        """
        if entry.picture is not None:
            image_size(entry.picture)
        try:
            size = image_size(entry.source)
        except DataError:  # strokes, which know on what they were drawn
            yield from self.drawings(replace(entry, picture=None))
        else:
            label: LabelImage = np.full(size, self.unlabelled, np.uint16)
            if entry.source.suffix.lower() == ".png":
                with suppress(DataError):  # colours, not indices
                    label = read_label(entry.source)
            yield Drawing(entry.name, size, label=label)


def strokes_of(drawing: Drawing) -> tuple[Stroke, ...]:
    """The lines of a drawing."""
    return tuple(mark for mark in drawing.marks if isinstance(mark, Stroke))


def points_outside(drawing: Drawing) -> NDArray[np.float64]:
    """The points ``(N, 2)`` of strokes that lie outside the picture.

    >>> line = Stroke("cat", np.array([[0.0, 0.0], [9.0, 2.0]]))
    >>> points_outside(Drawing("a", (4, 6), (line,))).tolist()
    [[9.0, 2.0]]
    """
    points = np.vstack([np.zeros((0, 2)), *(stroke.points for stroke in strokes_of(drawing))])
    last = np.array(drawing.size[::-1]) - 0.5 + EDGE
    outside: NDArray[np.float64] = points[((points < -0.5 - EDGE) | (points > last)).any(axis=1)]
    return outside


def dots(drawing: Drawing) -> NDArray[np.float64]:
    """The points ``(N, 2)`` of strokes of one point.

    >>> dots(Drawing("a", (4, 6), (Stroke("cat", np.array([[1.0, 2.0]])),))).tolist()
    [[1.0, 2.0]]
    """
    single = [stroke.points for stroke in strokes_of(drawing) if len(stroke.points) == 1]
    return np.vstack([np.zeros((0, 2)), *single])
