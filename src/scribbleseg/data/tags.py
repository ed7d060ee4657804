"""Image-level tags: which classes are in a picture, as a float vector with the background first."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.data.layout import Layout
from scribbleseg.errors import DataError

__all__ = ["TagSource", "TagsFromLabels", "read_tags", "tags_from", "tags_from_label", "tags_of"]

TagSource = Literal["none", "scribble", "file", "mask"]


def tags_from_label(label: LabelImage, *, num_classes: int) -> Tensor:
    """Tags of an un-cropped scribble or mask.

    Args:
        label: ``(H, W)`` class indices; values from ``num_classes`` on are unlabelled.
        num_classes: Length K of the result.

    Returns:
        ``(K,)`` float: 1 for classes that are drawn, and for index 0.

    >>> tags_from_label(np.array([[2, 255]], np.uint8), num_classes=4)
    tensor([1., 0., 1., 0.])
    """
    present = np.bincount(label.ravel(), minlength=num_classes)[:num_classes] > 0
    present[0] = True
    return torch.from_numpy(present).float()


class TagsFromLabels(Mapping[str, Tensor]):
    """Tags of each image's scribble or mask, read when they are asked for.

    An image without such a file, or in whose file nothing is drawn, has all tags: nothing is known
    of its classes.

    Args:
        paths: The image's scribble or mask by its id; None where there is none.
        num_classes: Length K of the tags.
    """

    def __init__(self, paths: Mapping[str, Path | None], *, num_classes: int) -> None:
        self.paths, self.num_classes = paths, num_classes

    def __getitem__(self, name: str) -> Tensor:
        """``(K,)`` float.

        Raises:
            DataError: The file cannot be read.
        """
        path = self.paths[name]
        label = None if path is None or not path.is_file() else read_label(path)
        if label is None or (label >= self.num_classes).all():
            return torch.ones(self.num_classes)
        return tags_from_label(label, num_classes=self.num_classes)

    def __iter__(self) -> Iterator[str]:
        """Ids."""
        return iter(self.paths)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)


def read_tags(path: Path, class_names: Sequence[str]) -> dict[str, Tensor]:
    """Tags of every image in a file, ``(K,)`` float each, index 0 set to 1.

    Two formats: JSON ``{"<id>": ["cat", "dog"]}``, and text with one image a line,
    ``<id><tab>cat,dog``. Classes are named or given by index.

    Raises:
        DataError: The file is missing or a class is unknown.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; it should hold the image-level tags") from None
    if path.suffix == ".json":
        try:
            entries: Mapping[str, Sequence[str | int]] = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}: line {error.lineno} is not valid JSON ({error.msg})"
            ) from None
    else:
        lines = [line.split("\t", 1) for line in text.splitlines() if line.strip()]
        entries = {
            fields[0].strip(): [t.strip() for t in "".join(fields[1:]).split(",") if t.strip()]
            for fields in lines
        }

    index = {name: position for position, name in enumerate(class_names)}
    index |= {str(position): position for position in range(len(class_names))}
    tags = {}
    for name, classes in entries.items():
        unknown = [c for c in classes if str(c) not in index]
        if unknown:
            raise DataError(
                f"{path}: image {name!r} has tag {unknown[0]!r}; classes are "
                f"{', '.join(class_names)}"
            )
        vector = torch.zeros(len(class_names))
        vector[[0, *(index[str(c)] for c in classes)]] = 1.0
        tags[name] = vector
    return tags


def tags_of(layout: Layout, root: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Tags of a dataset, as `read_tags`, with all the images ``names`` among them.

    Raises:
        DataError: The dataset names no file of tags, the file is missing or wrong, or an image is
            not in it.
    """
    if layout.tags is None:
        raise DataError(
            f"{some(names)} declare tags only; set 'tags: FILE' in {root / 'dataset.yaml'}"
        )
    tags = read_tags(root / layout.tags, layout.class_names)
    untagged = [name for name in names if name not in tags]
    if untagged:
        raise DataError(f"{root / layout.tags}: no tags for {some(untagged)}")
    return tags


def tags_from(
    source: TagSource, layout: Layout, root: Path, names: Sequence[str]
) -> Mapping[str, Tensor] | None:
    """Tags ``(K,)`` of the images ``names`` to which predictions are restricted.

    Args:
        source: Where they come from; ``mask`` is an oracle.
        layout: Folders and classes of the dataset.
        root: Its folder.
        names: Ids of the images.

    Returns:
        By id; None for no restriction.

    Raises:
        DataError: A file is missing or wrong.
    """
    if source == "none":
        return None
    if source == "file":
        return tags_of(layout, root, names)
    if source == "mask":
        paths = {record.name: record.mask for record in layout.evaluation_records(root, names)}
    else:
        paths = {name: layout.scribble_path(root, name) for name in names}
    return TagsFromLabels(paths, num_classes=len(layout.class_names))
