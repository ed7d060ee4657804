"""From the values that a tool gives its pixels to class indices."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.class_table import KnownClasses
from scribbleseg.annotation.formats.format import Options
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.annotation.raster import unlabelled_value
from scribbleseg.errors import DataError

__all__ = ["label_of_values", "meaning_of_names"]

HIGHEST = 65535


def label_of_values(
    where: str, values: NDArray[Any], index_of_value: Mapping[int, int], num_classes: int
) -> LabelImage:
    """The label image of a tool's pixel values.

    Args:
        where: The file, for the message.
        values: ``(H, W)``, whole numbers of any type.
        index_of_value: Class index of each value that may occur, 0..65535; those that stand for
            unlabelled pixels have the index ``unlabelled_value(num_classes)``.
        num_classes: Decides between 8 and 16 bit.

    Returns:
        ``(H, W)`` uint8, uint16 for more than 255 classes.

    Raises:
        DataError: A value is no whole number, or not one of those.

    >>> label_of_values("a.tif", np.array([[0, 1], [2, 0]]), {0: 255, 1: 0, 2: 1}, num_classes=2)
    array([[255,   0],
           [  1, 255]], dtype=uint8)
    """
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (np.trunc(values) == values)
        if not whole.all():
            row, column = np.argwhere(~whole)[0]
            raise DataError(
                f"{where}: value {values[row, column]} in row {row}, column {column}; labels are "
                "whole numbers, was the label image resampled?"
            )
    elif values.dtype.kind not in "biu":
        raise DataError(f"{where}: pixels of type {values.dtype}; labels are whole numbers")
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0 or highest > HIGHEST:
        wrong = lowest if lowest < 0 else highest
        raise _unknown(where, wrong, int((values == wrong).sum()), index_of_value)
    codes = values if values.dtype.kind == "u" else values.astype(np.uint16)
    allowed = np.zeros(highest + 1, bool)
    table = np.zeros(highest + 1, np.uint8 if unlabelled_value(num_classes) == 255 else np.uint16)
    for value, index in index_of_value.items():
        if value <= highest:
            allowed[value], table[value] = True, index
    if not allowed.all():
        counts = np.bincount(codes.ravel(), minlength=highest + 1)
        strange = np.flatnonzero(counts * ~allowed)
        if len(strange):
            raise _unknown(where, int(strange[0]), int(counts[strange[0]]), index_of_value)
    label: LabelImage = table[codes]
    return label


def meaning_of_names(
    where: str, names: Mapping[int, str], options: Options
) -> tuple[dict[int, int], tuple[str, ...]]:
    """What a tool's pixel values mean, by the names that it gives them.

    Args:
        where: File, for the message.
        names: Of each value.
        options: Classes, and what to do with names that are none.

    Returns:
        Class index of each value, for `label_of_values`, and remarks about names left out.

    Raises:
        DataError: A name is not a class and not to be skipped.
    """
    assert options.classes is not None
    known, left_out = KnownClasses(options), []
    meaning, index = {}, options.classes.index
    for value, text in names.items():
        name = known(f"{where}: label {value}", text)
        meaning[value] = (
            unlabelled_value(len(options.classes.names)) if name is None else index[name]
        )
        if name is None:
            left_out.append(f"label {text!r} left out: it is not one of the classes")
    return meaning, tuple(left_out)


def _unknown(where: str, value: int, pixels: int, known: Mapping[int, int]) -> DataError:
    return DataError(
        f"{where}: value {value} on {pixels} pixels; known values are {_ranges(sorted(known))}. Is "
        "the class list complete, and the value of unlabelled pixels right?"
    )


def _ranges(values: list[int]) -> str:
    """``0..3, 255``."""
    cuts = [at for at in range(1, len(values)) if values[at] != values[at - 1] + 1]
    runs = [values[i:j] for i, j in zip([0, *cuts], [*cuts, len(values)], strict=True)]
    return some([str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs], 9)
