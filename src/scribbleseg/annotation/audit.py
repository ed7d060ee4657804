"""Reading every label image and picture of a set once, before hours of training depend on them."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.image_file import ImageMode, verify_image
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.errors import DataError

__all__ = ["LabelAudit", "audit_labels", "check_label"]


@dataclass(frozen=True)
class LabelAudit:
    """What a set of label images and their pictures hold.

    Args:
        images: Number of label images.
        pixels: ``(K,)`` int64, labelled pixels of each class.
        images_with: ``(K,)`` int64, images in which the class is drawn.
        total_pixels: Pixels of all readable label images.
        sizes: Height and width of the pictures, and how many have them.
        empty: Paths of the label images in which nothing is drawn.
        picture_problems: One line for each picture that cannot be read.
        label_problems: One line for each label image that cannot be used: unreadable, of another
            size than its picture, or with a value out of range.
    """

    images: int
    pixels: NDArray[np.int64]
    images_with: NDArray[np.int64]
    total_pixels: int
    sizes: dict[tuple[int, int], int]
    empty: tuple[Path, ...]
    picture_problems: tuple[str, ...]
    label_problems: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that cannot be used."""
        return self.picture_problems + self.label_problems

    @property
    def labelled_fraction(self) -> float:
        """Share of all pixels that carry a label, 0..1."""
        return float(self.pixels.sum() / max(self.total_pixels, 1))


def audit_labels(
    files: Sequence[tuple[Path | None, Path]],
    *,
    num_classes: int,
    ignore_index: int = 255,
    image_mode: ImageMode = "RGB",
) -> LabelAudit:
    """Read every label image and picture of a set.

    Args:
        files: Pairs (label image or None, picture).
        num_classes: Labels are ``0 .. num_classes - 1``.
        ignore_index: Value of unlabelled pixels.
        image_mode: How pictures are decoded.
    """

    def count(pair: tuple[Path | None, Path]) -> _Count:
        path, picture = pair
        size, pixels, total = None, nothing, 0
        picture_problem = label_problem = None
        try:
            size = verify_image(picture, image_mode)
        except DataError as error:
            picture_problem = str(error)
        try:
            if path is not None:
                label = read_label(path)
                if size is not None and label.shape != size:
                    raise DataError(_mismatch(path, label, picture, size))
                pixels = check_label(
                    path, label, num_classes=num_classes, ignore_index=ignore_index
                )
                total = label.size
        except DataError as error:
            label_problem = str(error)
        return _Count(size, pixels, total, picture_problem, label_problem)

    nothing = np.zeros(num_classes, np.int64)
    # Decoding releases the interpreter lock, so threads use the cores and need no start-up.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        counts = list(pool.map(count, files))
    sizes = [one.size for one in counts if one.size is not None]
    return LabelAudit(
        images=sum(path is not None for path, _ in files),
        pixels=sum((one.pixels for one in counts), nothing),
        images_with=sum(((one.pixels > 0).astype(np.int64) for one in counts), nothing),
        total_pixels=sum(one.total for one in counts),
        sizes={size: sizes.count(size) for size in sorted(set(sizes))},
        empty=tuple(
            path
            for (path, _), one in zip(files, counts, strict=True)
            if path is not None and one.total and not one.pixels.any()
        ),
        picture_problems=tuple(one.picture_problem for one in counts if one.picture_problem),
        label_problems=tuple(one.label_problem for one in counts if one.label_problem),
    )


@dataclass(frozen=True)
class _Count:
    """Size of the picture (None if it cannot be read), pixels of each class, and what is wrong."""

    size: tuple[int, int] | None
    pixels: NDArray[np.int64]
    total: int
    picture_problem: str | None
    label_problem: str | None


def check_label(
    path: Path, label: LabelImage, *, num_classes: int, ignore_index: int = 255
) -> NDArray[np.int64]:
    """Labelled pixels of each class ``(K,)`` in one label image ``(H, W)``.

    Raises:
        DataError: A value is neither a class nor ``ignore_index``.
    """
    pixels = np.bincount(label.ravel(), minlength=max(num_classes, ignore_index + 1))
    wrong = np.flatnonzero(pixels[num_classes:])
    wrong = wrong[wrong != ignore_index - num_classes] + num_classes
    if len(wrong):
        value = int(wrong[0])
        raise DataError(
            f"{path}: label {value} on {pixels[value]} pixels; expected 0..{num_classes - 1} or "
            f"{ignore_index} (unlabelled). "
            "Is the class list complete? Were palette colours saved as grey values?"
        )
    return pixels[:num_classes].astype(np.int64)


def _mismatch(path: Path, label: LabelImage, picture: Path, size: tuple[int, int]) -> str:
    (label_height, label_width), (height, width) = label.shape, size
    swapped = (
        "; were width and height exchanged?"
        if (label_height, label_width) == (width, height)
        else ""
    )
    return (
        f"{path}: label is {label_width}x{label_height} but {picture.name} is {width}x{height} "
        f"pixels{swapped}"
    )
