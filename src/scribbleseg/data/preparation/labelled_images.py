"""One image of a dataset: its picture linked or copied, its labels decoded into index PNGs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from scribbleseg.annotation.audit import check_label
from scribbleseg.annotation.image_file import image_size
from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.data.preparation.picture_file import place_picture
from scribbleseg.data.preparation.production import Job, Made
from scribbleseg.errors import DataError

__all__ = ["Label", "LabelFile", "class_pixels", "image_job", "write_grey"]


class Label(NamedTuple):
    """Class indices ``(H, W)`` uint8, 255 where there is none, and what a person should know."""

    pixels: LabelImage
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelFile:
    """A label image of an image.

    Args:
        kind: Key of its pixel counts in the facts: ``scribble`` and ``mask`` decide about tags.
        source: File as published.
        target: Index PNG to write, relative to the dataset.
        read: Reads the source; a partial of a function of a module.
    """

    kind: str
    source: Path
    target: str
    read: Callable[[Path], Label]


def image_job(
    name: str,
    picture: Path,
    picture_target: str,
    labels: Sequence[LabelFile],
    *,
    num_classes: int,
    more: Sequence[tuple[Path, str]] = (),
) -> Job:
    """The job that makes the files of one image.

    Its facts are ``images``: a list of one ``{name, <kind>: {class: pixels}, ...}``.

    Args:
        name: Id of the image.
        picture: Its file.
        picture_target: Where the picture goes, relative to the dataset.
        labels: Its label images.
        num_classes: Labels are ``0 .. num_classes - 1`` or 255.
        more: Further files that are linked or copied as they are, and where they go.
    """
    sources = (picture, *(label.source for label in labels), *(path for path, _ in more))
    placed = ((picture, picture_target), *more)
    return Job(
        name,
        partial(_make_image, name, placed, tuple(labels), num_classes),
        tuple(dict.fromkeys(sources)),
    )


def _make_image(
    name: str,
    placed: Sequence[tuple[Path, str]],
    labels: Sequence[LabelFile],
    num_classes: int,
    target: Path,
) -> Made:
    picture = placed[0][0]
    size = image_size(picture)
    facts: dict[str, Any] = {"name": name}
    remarks: list[str] = []
    # Everything is read before anything is written.
    read = [(label, label.read(label.source)) for label in labels]
    for label, (pixels, notes) in read:
        if pixels.shape != size:
            raise DataError(
                f"{label.source}: label is {pixels.shape[1]}x{pixels.shape[0]} but {picture} is "
                f"{size[1]}x{size[0]} pixels"
            )
        facts[label.kind] = class_pixels(label.source, pixels, num_classes)
        remarks += notes
    for source, path in placed:
        place_picture(source, target / path)
    for label, (pixels, _) in read:
        write_grey(target / label.target, pixels)
    files = (*(path for _, path in placed), *(label.target for label in labels))
    return Made(files, {"images": [facts]}, tuple(remarks))


def class_pixels(path: Path, label: LabelImage, num_classes: int) -> dict[str, int]:
    """Number of pixels of each class that occurs, by its index.

    Raises:
        DataError: A value is neither a class nor 255.
    """
    counts = check_label(path, label, num_classes=num_classes)
    return {str(index): int(counts[index]) for index in np.flatnonzero(counts)}


def write_grey(path: Path, image: LabelImage) -> None:
    """Write ``(H, W)`` uint8 as a PNG of grey values, without a palette, completely or not at all.

    The readers of published code turn a palette into luminances.
    """
    with whole_file(path) as unfinished:
        Image.fromarray(image.astype(np.uint8)).save(unfinished, format="PNG")
