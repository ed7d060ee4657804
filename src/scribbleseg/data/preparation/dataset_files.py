"""The files that make a dataset of a folder of images: lists, tags and ``dataset.yaml``."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from scribbleseg.data.layout import Layout

__all__ = ["describe", "tags_of_images"]

Facts = Mapping[str, Mapping[str, Any]]


def describe(
    title: str,
    layout: Layout,
    lists: Mapping[str, Sequence[str]],
    facts: Facts,
    known_tags: Mapping[str, Sequence[int]],
    raster: str | Mapping[str, Any],
) -> dict[str, str]:
    """The text of each file.

    ``dataset.yaml`` says what the layout says, so that the folder is understood under any name. It
    comes last: a folder without it is not finished.

    Args:
        title: Of the dataset.
        layout: Folders and classes.
        lists: The ids of each list, by its file.
        facts: Of all jobs, as `labelled_images` tells them.
        known_tags: As `tags_of_images`.
        raster: How strokes became pixels.
    """
    texts = {file: "".join(f"{name}\n" for name in ids) for file, ids in lists.items()}
    tags = tags_of_images(facts, known_tags)
    if layout.tags is not None:
        texts[layout.tags] = "".join(
            f"{name}\t{','.join(layout.class_names[index] for index in present)}\n"
            for name, present in tags.items()
        )
    texts["dataset.yaml"] = (
        f"# Prepared from {title}. All keys: docs, 'dataset.yaml and files'.\n"
        + yaml.safe_dump(
            _description(layout, lists, raster), sort_keys=False, default_flow_style=None
        )
    )
    return texts


def tags_of_images(facts: Facts, known: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """Which classes are in each image, by its id.

    Those that are known from a file; else those of the scribble, or of the mask where nothing is
    drawn. Images of which nothing is known are left out.

    >>> facts = {"job": {"images": [{"name": "a", "scribble": {"2": 7}, "mask": {"0": 9, "2": 8}}]}}
    >>> tags_of_images(facts, {})
    {'a': (2,)}
    """
    tags = {}
    for fact in facts.values():
        for image in fact["images"]:
            drawn = image.get("scribble") or image.get("mask") or {}
            present = known.get(image["name"], sorted(map(int, drawn)))
            if present:
                tags[image["name"]] = tuple(present)
    return tags


def _description(
    layout: Layout, lists: Mapping[str, Sequence[str]], raster: str | Mapping[str, Any]
) -> dict[str, Any]:
    dirs = {"images": layout.images, "scribbles": layout.scribbles, "masks": layout.masks}
    splits: dict[str, str] = {}
    for file in lists:  # of two lists of one name, the first
        splits.setdefault(PurePosixPath(file).stem, file)
    description = {
        "classes": [
            {"name": name, "color": list(color)}
            for name, color in zip(layout.class_names, layout.palette, strict=True)
        ],
        "dirs": {kind: folder for kind, folder in dirs.items() if folder is not None},
        "splits": splits,
        "ignore_index": layout.ignore_index,
        "background_drawn": layout.background_drawn,
        "image_mode": layout.image_mode,
        "tags": layout.tags,
        "volumes": layout.volumes,
        "raster": dict(raster) if isinstance(raster, Mapping) else raster,
    }
    return {key: value for key, value in description.items() if value is not None}
