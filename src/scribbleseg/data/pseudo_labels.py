"""Pseudo labels as one stage hands them to the next: what is in the folder, and where.

::

    <id>.png              index PNG of the picture's size; 255 (16-bit: 65535) where undecided
    <id>.confidence.png   optional, 8-bit grey: probability of the label times 255, rounded
    manifest.json         optional: which checkpoint made them, with which settings
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scribbleseg.annotation.id_list import some
from scribbleseg.data.layout import Record, find_folder
from scribbleseg.errors import DataError

__all__ = [
    "confidence_path",
    "find_pseudo_label_folder",
    "is_confidence",
    "label_path",
    "with_pseudo_labels",
]


def label_path(folder: Path, name: str) -> Path:
    """Pseudo label of an image."""
    return folder / f"{name}.png"


def confidence_path(folder: Path, name: str) -> Path:
    """Confidence of an image's pseudo label."""
    return folder / f"{name}.confidence.png"


def is_confidence(path: Path) -> bool:
    """Whether a file is the confidence of a pseudo label, which lies beside it.

    >>> is_confidence(Path("labels/a.png"))
    False
    """
    name, marker, rest = path.name.rpartition(".confidence.png")
    return bool(marker) and not rest and path.with_name(f"{name}.png").is_file()


def find_pseudo_label_folder(folder: str, root: Path) -> Path:
    """The folder that ``data.pseudo_labels`` means, as `find_folder`."""
    return find_folder(
        "data.pseudo_labels", folder, root, cure="'scribbleseg pseudolabel' makes one"
    )


def with_pseudo_labels(records: Sequence[Record], folder: Path) -> list[Record]:
    """Records with the files of their pseudo labels.

    The confidence is taken where every image has one, or else where none has.

    Raises:
        DataError: Images have no pseudo label, or only some have a confidence.
    """
    names = [record.name for record in records]
    missing = [name for name in names if not label_path(folder, name).is_file()]
    if missing:
        raise DataError(
            f"{folder}: no pseudo label for {some(missing)} ({len(missing)} of {len(names)} "
            "images); make them, or take the images off the list"
        )
    unsure = [name for name in names if not confidence_path(folder, name).is_file()]
    if unsure and len(unsure) < len(names):
        raise DataError(
            f"{folder}: no <id>.confidence.png for {some(unsure)} ({len(unsure)} of {len(names)} "
            "images); all have one, or none has"
        )
    return [
        replace(
            record,
            pseudo_label=label_path(folder, record.name),
            pseudo_confidence=None if unsure else confidence_path(folder, record.name),
        )
        for record in records
    ]
