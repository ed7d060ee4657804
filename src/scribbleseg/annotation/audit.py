"""Reading every label image of a set once, before hours of training depend on it."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.image_file import image_size
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.errors import DataError

__all__ = ["LabelAudit", "audit_labels", "check_label"]


@dataclass(frozen=True)
class LabelAudit:
    """What a set of label images holds.

    Args:
        images: Number of label images.
        pixels: ``(K,)`` int64, labelled pixels of each class.
        images_with: ``(K,)`` int64, images in which the class is drawn.
        total_pixels: Pixels of all images.
        empty: Paths of the images in which nothing is drawn.
    """

    images: int
    pixels: NDArray[np.int64]
    images_with: NDArray[np.int64]
    total_pixels: int
    empty: tuple[Path, ...]

    @property
    def labelled_fraction(self) -> float:
        """Share of all pixels that carry a label, 0..1."""
        return float(self.pixels.sum() / max(self.total_pixels, 1))


def audit_labels(
    files: Sequence[tuple[Path, Path]], *, num_classes: int, ignore_index: int = 255
) -> LabelAudit:
    """Read every label image; sizes must match the pictures, values must be allowed.

    Args:
        files: Pairs (label image, picture).
        num_classes: Labels are ``0 .. num_classes - 1``.
        ignore_index: Value of unlabelled pixels.

    Raises:
        DataError: A file cannot be read, has another size than its picture, or a value out of
            range.
    """

    def count(pair: tuple[Path, Path]) -> tuple[NDArray[np.int64], int]:
        path, picture = pair
        label = read_label(path)
        if label.shape != image_size(picture):
            raise DataError(_mismatch(path, label, picture))
        return check_label(
            path, label, num_classes=num_classes, ignore_index=ignore_index
        ), label.size

    # Decoding releases the interpreter lock, so threads use the cores and need no start-up.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(count, files))
    counts = np.array([pixels for pixels, _ in results], dtype=np.int64).reshape(
        len(files), num_classes
    )
    return LabelAudit(
        images=len(files),
        pixels=counts.sum(axis=0),
        images_with=(counts > 0).sum(axis=0),
        total_pixels=sum(size for _, size in results),
        empty=tuple(
            path for (path, _), count in zip(files, counts, strict=True) if not count.any()
        ),
    )


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


def _mismatch(path: Path, label: LabelImage, picture: Path) -> str:
    (label_height, label_width), (height, width) = label.shape, image_size(picture)
    swapped = (
        "; were width and height exchanged?"
        if (label_height, label_width) == (width, height)
        else ""
    )
    return (
        f"{path}: label is {label_width}x{label_height} but {picture.name} is {width}x{height} "
        f"pixels{swapped}"
    )
