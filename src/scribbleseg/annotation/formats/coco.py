"""COCO instances: polygons, or run lengths column by column, of categories.

https://cocodataset.org/#format-data. Polygons are in pixels from the corner of the picture; one of
two points is a line and one of a single point a dot, as exports of strokes have them. Annotations
cover one another in the order of the file. Crowds (``iscrowd``) are drawn like all others: in a set
of scribbles they are labels too.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.class_table import class_name, class_table, read_color
from scribbleseg.annotation.formats.format import (
    Classes,
    Entry,
    Format,
    Found,
    LabelledImage,
    Options,
)
from scribbleseg.annotation.label_image import Color
from scribbleseg.annotation.marks import Marks, class_masks
from scribbleseg.annotation.run_length import coco_text, coco_text_runs, listed_runs, mask_runs
from scribbleseg.annotation.stated_value import agreed_size, checked_size, expect, shown
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.untrusted import (
    PictureFinder,
    file_id,
    files_below,
    read_json,
    without_twins,
)
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import DataError

__all__ = ["FORMAT"]


def find(source: Path, options: Options) -> Found:
    """The pictures of one or more files, with their categories by ascending id."""
    paths = files_below(source, (".json",))
    pictures = PictureFinder([options.images, source if source.is_dir() else source.parent])
    entries: list[Entry] = []
    names: dict[str, None] = {}
    colors: dict[str, Color] = {}
    for path in paths:
        content = expect(str(path), read_json(path), dict)
        categories = _categories(path, content)
        for name, color in categories.values():
            names.setdefault(name)
            if color is not None:
                colors[name] = color
        entries += _entries(path, content, categories, pictures)
    without_twins(source, [entry.name for entry in entries])
    entries.sort(key=lambda entry: entry.name)
    return Found(entries, options.classes or class_table(str(source), names, colors))


def _categories(path: Path, content: dict[str, Any]) -> dict[int | str, tuple[str, Color | None]]:
    categories = {}
    for where, category in _members(path, content, "categories"):
        key = _id(f"{where}: id", category.get("id"))
        if key in categories:
            raise DataError(f"{where}: a second category of id {shown(key)}")
        color = read_color(category.get("color"))
        categories[key] = (class_name(where, category.get("name")), color)
    names = [name for name, _ in categories.values()]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"{path}: two categories have one name: {', '.join(twice)}")
    # Numbers by their value, texts after them.
    return dict(sorted(categories.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _entries(
    path: Path,
    content: dict[str, Any],
    categories: dict[int | str, tuple[str, Color | None]],
    pictures: PictureFinder,
) -> Iterator[Entry]:
    """The pictures of a file, each with what is drawn in it."""
    drawn: dict[int | str, list[tuple[str, str, Any]]] = {}
    images = []
    for where, image in _members(path, content, "images"):
        key = _id(f"{where}: id", image.get("id"))
        if key in drawn:
            raise DataError(f"{where}: a second image of id {shown(key)}")
        drawn[key] = []
        images.append((where, key, image))
    for where, annotation in _members(path, content, "annotations"):
        key = _id(f"{where}: image_id", annotation.get("image_id"))
        category = _id(f"{where}: category_id", annotation.get("category_id"))
        if key not in drawn:
            raise DataError(f"{where}: image_id {shown(key)} is the id of no image")
        if category not in categories:
            raise DataError(f"{where}: category_id {shown(category)} is the id of no category")
        drawn[key].append((where, categories[category][0], annotation.get("segmentation")))
    for where, key, image in images:
        name = file_id(f"{where}: file_name", image.get("file_name"))
        size = checked_size(where, image.get("height"), image.get("width"))
        picture = pictures(name, PurePosixPath(image["file_name"]).suffix)
        yield Entry(name, path, picture, (where, size, drawn[key]))


def _members(path: Path, content: dict[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects of a list, with what they are called in messages."""
    members = expect(f"{path}: {key}", content.get(key), list)
    named = [(f"{path}: {key}[{index}]", member) for index, member in enumerate(members)]
    return [(where, expect(where, member, dict)) for where, member in named]


def _id(where: str, value: Any) -> int | str:
    if not isinstance(value, int | str):
        raise DataError(f"{where} is {shown(value)}; expected a whole number or a text")
    return value


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The drawing of a picture."""
    where, stated, annotations = entry.payload
    marks = Marks(agreed_size(where, stated, entry.picture), options)
    for at, category, segmentation in annotations:
        name = marks.known(at, category)
        if name is None:
            continue
        if isinstance(segmentation, dict):
            _add_mask(marks, f"{at}: segmentation", name, segmentation)
        elif not segmentation:
            marks.leave_out("boxes without segmentation")
        else:
            _add_polygons(marks, f"{at}: segmentation", name, segmentation)
    yield marks.drawing(entry.name, entry.picture)


def _add_polygons(marks: Marks, where: str, name: str, polygons: Any) -> None:
    for index, polygon in enumerate(expect(where, polygons, list)):
        at = f"{where}[{index}]"
        numbers = expect(at, polygon, list)
        if len(numbers) % 2:
            raise DataError(f"{at}: {len(numbers)} numbers; expected pairs x, y")
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if len(points) == 1:
            marks.dots(at, name, points)
        else:
            marks.line(at, name, points, filled=len(points) > 2)


def _add_mask(marks: Marks, where: str, name: str, segmentation: dict[str, Any]) -> None:
    size = expect(f"{where}: size", segmentation.get("size"), list)
    if size != list(marks.size):
        raise DataError(
            f"{where}: size is {shown(size)}; expected [{marks.size[0]}, {marks.size[1]}] (height, "
            "width)"
        )
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        runs = coco_text_runs(where, counts)
    else:
        runs = listed_runs(where, expect(f"{where}: counts", counts, list))
    marks.mask(where, name, runs, *marks.size, transposed=True)


def write(images: Sequence[LabelledImage], classes: Classes, target: Path) -> None:
    """``annotations.json``, with one mask in run lengths for each class in a picture.

    Ids begin at 1, also those of the categories: many programs take 0 for none. ``iscrowd`` is 0,
    since loaders leave crowds out.
    """
    members: dict[str, list[dict[str, Any]]] = {"images": [], "categories": []}
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        members["categories"].append(
            {"id": index + 1, "name": name, "supercategory": "", "color": list(color)}
        )
    with (
        whole_file(target / "annotations.json") as unfinished,
        unfinished.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.write('{"annotations": [')
        count = 0
        for index, image in enumerate(images):
            label = image.read()
            height, width = label.shape
            file_name = f"{image.name}{image.picture.suffix}"
            about = {"id": index + 1, "file_name": file_name, "height": height, "width": width}
            members["images"].append(about)
            for name, painted in class_masks(image.name, label, classes):
                annotation = {
                    "id": count + 1,
                    "image_id": index + 1,
                    "category_id": classes.index[name] + 1,
                    "iscrowd": 0,
                    **_segmentation(painted),
                }
                file.write(",\n" if count else "\n")
                file.write(json.dumps(annotation))
                count += 1
        file.write("],\n")
        file.write(",\n".join(f'"{key}": {json.dumps(value)}' for key, value in members.items()))
        file.write("}\n")


def _segmentation(painted: NDArray[np.bool_]) -> dict[str, Any]:
    rows, columns = (np.flatnonzero(painted.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    return {
        "segmentation": {"size": list(painted.shape), "counts": coco_text(mask_runs(painted.T))},
        "area": int(painted.sum()),
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
    }


FORMAT = Format(
    name="coco",
    title="COCO instances",
    source="the JSON file, or a folder with one or more",
    unlabelled="pixels on which no annotation lies",
    background=(
        "drawn where an annotation has the category background, _background_ or bg, in upper or "
        "lower case"
    ),
    find=find,
    read=read,
    write=write,
)
