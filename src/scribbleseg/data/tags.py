"""Image-level tags: which classes are in a picture, as a float vector with the background first."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from scribbleseg.annotation.id_list import read_utf8, some
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.data.layout import Layout, Record, Supervision
from scribbleseg.errors import DataError

__all__ = [
    "LabelTagSource",
    "TagSource",
    "TagsFromLabels",
    "read_tags",
    "tags_file",
    "tags_from",
    "tags_from_label",
    "tags_of",
    "tags_of_supervision",
    "training_tags",
    "with_tags",
]

TagSource = Literal["none", "scribble", "file", "mask"]
LabelTagSource = Literal["training", TagSource]

MASK = "mask"
"""Setting of ``data.tags`` for simulated tags: those of masks that are read for nothing else."""


def tags_from_label(
    label: LabelImage,
    *,
    num_classes: int,
    background: Literal["always", "published"] = "always",
) -> Tensor:
    """Tags of an un-cropped scribble or mask.

    Args:
        label: ``(H, W)`` class indices; values from ``num_classes`` on are unlabelled.
        num_classes: Length K of the result.
        background: Whether index 0 is ``always`` there, or where a pixel is of it or unlabelled, as
            LPL published it. The two differ in pictures that are full of objects without a rim.

    Returns:
        ``(K,)`` float: 1 for classes that are drawn, and for the background.

    >>> tags_from_label(np.array([[2, 255]], np.uint8), num_classes=4)
    tensor([1., 0., 1., 0.])
    """
    present = np.bincount(label.ravel(), minlength=num_classes)[:num_classes] > 0
    present[0] |= background == "always" or bool((label >= num_classes).any())
    return torch.from_numpy(present).float()


class TagsFromLabels(Mapping[str, Tensor]):
    """Tags of each image's scribble or mask, read when they are asked for.

    An image without such a file, or in whose file nothing is drawn, has the tags that are listed
    for it. Where there are none either it has all tags: nothing is known of its classes.

    Args:
        paths: The image's scribble or mask by its id; None where there is none.
        listed: Tags ``(K,)`` of images from elsewhere, by id.
        num_classes: Length K of the tags.
        together: Whether listed tags are added to those of a file.
    """

    def __init__(
        self,
        paths: Mapping[str, Path | None],
        listed: Mapping[str, Tensor] | None = None,
        *,
        num_classes: int,
        together: bool = False,
    ) -> None:
        self.paths, self.listed, self.num_classes = paths, listed or {}, num_classes
        self.together = together

    def __getitem__(self, name: str) -> Tensor:
        """``(K,)`` float.

        Raises:
            DataError: The file cannot be read.
        """
        path, listed = self.paths[name], self.listed.get(name)
        label = None if path is None else read_label(path)
        if label is not None and (label < self.num_classes).any():
            drawn = tags_from_label(label, num_classes=self.num_classes)
            return torch.maximum(drawn, listed) if self.together and listed is not None else drawn
        return torch.ones(self.num_classes) if listed is None else listed

    def untagged(self, empty: Collection[Path]) -> list[str]:
        """Ids of the images of whose classes nothing is known.

        Args:
            empty: Those of the scribbles or masks in which nothing is drawn.
        """
        return [
            name
            for name, path in self.paths.items()
            if (path is None or path in empty) and name not in self.listed
        ]

    def __iter__(self) -> Iterator[str]:
        """Ids."""
        return iter(self.paths)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)


def read_tags(path: Path, class_names: Sequence[str]) -> dict[str, Tensor]:
    """Tags of every image in a file, ``(K,)`` float each, index 0 set to 1.

    Three formats: JSON ``{"<id>": ["cat", "dog"]}``; text with one image a line,
    ``<id><tab>cat,dog``; and ``cls_labels.npy`` of PSA, PFA and others, a pickle of which nothing
    is executed. Classes are named or given by index.

    Raises:
        DataError: The file is missing or damaged, or a class is unknown.
    """
    if path.suffix == ".npy":
        # Imported here: hardly anybody has such a file.
        from scribbleseg.data.preparation.cls_labels import read_cls_labels

        present = read_cls_labels(path, len(class_names))
        return {
            name: torch.zeros(len(class_names)).index_fill(0, torch.tensor(classes), 1.0)
            for name, classes in present.items()
        }
    if not path.is_file():
        raise DataError(f"{path}: no such file; it should hold the image-level tags")
    text = read_utf8(path)
    if path.suffix == ".json":
        try:
            entries: Mapping[str, Sequence[str | int]] = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}: line {error.lineno} is not valid JSON ({error.msg})"
            ) from None
        if not isinstance(entries, dict) or not all(
            isinstance(classes, list) for classes in entries.values()
        ):
            raise DataError(
                f'{path}: expected a list of classes for each id, {{"<id>": ["cat", "dog"]}}'
            )
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


def with_tags(layout: Layout, root: Path, file: str) -> Layout:
    """A layout whose tags are those of another file.

    Args:
        layout: The layout.
        root: Folder of the dataset.
        file: Path relative to the working directory or to the dataset.

    Raises:
        DataError: There is no such file.
    """
    for path in (Path(file).absolute(), (root / file).absolute()):
        if path.is_file():
            return replace(layout, tags=str(path))
    raise DataError(f"data.tags: no file {file!r} here or in {root}")


def tags_file(layout: Layout, root: Path) -> Path | None:
    """The dataset's file of tags, None if there is none.

    Known layouts name a file that most copies of the dataset do not have.
    """
    path = root / layout.tags if layout.tags is not None else None
    return path if path is not None and path.is_file() else None


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


def training_tags(
    setting: str | None, layout: Layout, root: Path, records: Sequence[Record]
) -> Mapping[str, Tensor]:
    """Tags of training images that their own strokes or mask do not tell.

    Args:
        setting: ``data.tags``: None or a file, which the layout names by now; or ``mask``.
        layout: Folders and classes of the dataset.
        root: Its folder.
        records: Files of each training image.

    Returns:
        ``(K,)`` by id, of all images that declare tags only, and with a setting of all that it
        knows.

    Raises:
        DataError: The file is missing or wrong, or an image has no tags: one that declares tags
            only, or, with a file of one's own, one with a scribble.
    """
    if setting == MASK:
        # A mask that is trained on has its own tags.
        names = [record.name for record in records if record.supervision != "mask"]
        masks = {record.name: record.mask for record in layout.evaluation_records(root, names)}
        missing = [name for name, mask in masks.items() if mask is None]
        if missing:
            raise DataError(
                f"data.tags: mask, but there is no mask for {some(missing)} ({len(missing)} of "
                f"{len(names)} images without one of their own); give a file of tags"
            )
        return TagsFromLabels(masks, num_classes=len(layout.class_names))
    wanted = {"tags"} if setting is None else {"tags", "scribble"}
    tagged = [record.name for record in records if record.supervision in wanted]
    if not tagged:
        return {}
    known = tags_of(layout, root, tagged)
    return {name: known[name] for name in tagged} if setting is None else known


def tags_from(
    source: TagSource, layout: Layout, root: Path, names: Sequence[str]
) -> TagsFromLabels | None:
    """Tags ``(K,)`` of the images ``names`` to which predictions are restricted.

    Args:
        source: Where they come from. ``scribble``: the strokes, and where there are none the
            dataset's file of tags. ``file``: that file, and for images that it does not name the
            strokes. ``mask`` is an oracle.
        layout: Folders and classes of the dataset.
        root: Its folder.
        names: Ids of the images.

    Returns:
        By id; None for no restriction.

    Raises:
        DataError: A file is missing or wrong; or with ``file``, an image is neither in it nor has
            a scribble.
    """
    if source == "none":
        return None
    num_classes = len(layout.class_names)
    if source == "mask":
        masks = {record.name: record.mask for record in layout.evaluation_records(root, names)}
        return TagsFromLabels(masks, num_classes=num_classes)
    scribbles = {name: layout.scribble_path(root, name) for name in names}
    listed: Mapping[str, Tensor] = {}
    if source == "file":
        if layout.tags is None:
            raise DataError(
                "tags: the dataset names no file of them; set 'tags: FILE' in "
                f"{root / 'dataset.yaml'}, or --data.tags FILE"
            )
        listed = tags_of(layout, root, [name for name in names if scribbles[name] is None])
        scribbles = {name: None if name in listed else path for name, path in scribbles.items()}
    elif (path := tags_file(layout, root)) is not None:
        listed = read_tags(path, layout.class_names)
    return TagsFromLabels(scribbles, listed, num_classes=num_classes)


def tags_of_supervision(
    kinds: Mapping[str, Supervision], setting: str | None, layout: Layout, root: Path
) -> TagsFromLabels:
    """Tags ``(K,)`` of images as training has them: of what each brings, and of ``data.tags``.

    Args:
        kinds: What each image brings, by id.
        setting: As in `training_tags`.
        layout: Folders and classes of the dataset.
        root: Its folder.

    Returns:
        By id. Unlike in training an image may lack its file.

    Raises:
        DataError: The file of tags is wrong.
    """
    num_classes, names = len(layout.class_names), list(kinds)
    masks = {record.name: record.mask for record in layout.evaluation_records(root, names)}
    listed: Mapping[str, Tensor] = {}
    if setting == MASK:
        known = {name: path for name, path in masks.items() if path is not None}
        listed = TagsFromLabels(known, num_classes=num_classes)
    elif (path := tags_file(layout, root)) is not None:
        listed = read_tags(path, layout.class_names)
    paths: dict[str, Path | None] = dict.fromkeys(names)
    for name, kind in kinds.items():
        if kind == "mask":
            paths[name] = masks[name]
        elif kind == "scribble":
            paths[name] = layout.scribble_path(root, name)
    return TagsFromLabels(paths, listed, num_classes=num_classes, together=setting is not None)
