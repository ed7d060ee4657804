"""LabelMe: one JSON file beside each picture; version 5, masks from 5.2 on.

https://github.com/wkentaro/labelme. Every shape has a ``label``, a ``shape_type`` and ``points`` in
pixels from the corner of the picture. A ``mask`` is a PNG in base64 whose ``points`` are its first
and its last pixel.
"""

import base64
import json
import os
import posixpath
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scribbleseg.annotation.class_table import class_name, classes_of_files
from scribbleseg.annotation.embedded_picture import embedded_mask, embedded_picture
from scribbleseg.annotation.formats.format import (
    Classes,
    Entry,
    Format,
    Found,
    LabelledImage,
    Options,
)
from scribbleseg.annotation.marks import Marks, class_masks
from scribbleseg.annotation.named_files import named_files
from scribbleseg.annotation.stated_value import agreed_size, checked_size, expect, shown
from scribbleseg.annotation.stroke import Drawing, check_points
from scribbleseg.annotation.untrusted import PictureFinder, file_id, read_json
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import DataError

__all__ = ["FORMAT"]

VERSION = "5.5.0"

KINDS = (
    "circle",
    "line",
    "linestrip",
    "mask",
    "oriented_rectangle",
    "point",
    "points",
    "polygon",
    "rectangle",
)


def find(source: Path, options: Options) -> Found:
    """The JSON files of a folder; all are read once, for the names of their classes."""
    files = named_files(source, (".json",))
    pictures = PictureFinder([options.images, source if source.is_dir() else source.parent])
    entries, broken = [], []
    names: set[str] = set()
    for name, path in files.items():
        content: dict[str, Any] = {}
        ids, suffix = [name], ""
        try:
            content, shapes = _shapes(path)
            ids, suffix = _picture_ids(name, path, content)
            names |= {class_name(where, shape.get("label")) for where, shape in shapes}
        except DataError as error:  # `read` says it again, of each file
            broken.append(str(error))
        found = (pictures(candidate, suffix) for candidate in ids)
        picture = next((file for file in found if file is not None), None)
        if picture is not None and content.get("imageData") is not None:
            # A picture elsewhere may only have the same name; that in the file was drawn on.
            given = options.images is not None and picture.is_relative_to(options.images)
            picture = picture if given or picture.parent == path.parent else None
        entries.append(Entry(name, path, picture))
    return Found(entries, options.classes or classes_of_files(source, sorted(names), broken=broken))


def _picture_ids(name: str, path: Path, content: dict[str, Any]) -> tuple[list[str], str]:
    """What the picture of a file may be called, the likeliest first, and its suffix."""
    stated = expect(f"{path}: imagePath", content.get("imagePath") or path.name, str)
    place = PureWindowsPath(stated)
    beside = file_id(str(path), str(PurePosixPath(name).with_name(place.name or path.name)))
    ids = [beside, name]
    folder = posixpath.normpath(PurePosixPath(name).parent / place.parent.as_posix())
    # Other paths are of the machine where it was drawn; their last part alone is of use here.
    if not place.anchor and ".." not in folder.split("/"):
        ids.insert(0, str(PurePosixPath(folder, PurePosixPath(beside).name)))
    return ids, place.suffix


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The drawing of a file."""
    path = entry.source
    content, shapes = _shapes(path)
    picture: Any = entry.picture
    if picture is None and content.get("imageData") is not None:
        where = f"{path}: imageData"
        picture = embedded_picture(where, expect(where, content["imageData"], str))
    stated = None
    if content.get("imageHeight") is not None or content.get("imageWidth") is not None:
        stated = checked_size(str(path), content.get("imageHeight"), content.get("imageWidth"))
    if isinstance(picture, np.ndarray):
        if stated not in (None, picture.shape[:2]):
            raise DataError(
                f"{path}: drawn on {content['imageWidth']}x{content['imageHeight']} pixels, but "
                f"imageData has {picture.shape[1]}x{picture.shape[0]}"
            )
        size = picture.shape[:2]
    else:
        size = agreed_size(str(path), stated, picture)
    marks = Marks(size, options)
    for where, shape in shapes:
        name = marks.known(where, shape.get("label"))
        if name is not None:
            _add(marks, where, name, shape)
    yield marks.drawing(entry.name, picture)


def _shapes(path: Path) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """The content of a file, and its shapes with what they are called in messages."""
    content = expect(str(path), read_json(path), dict)
    shapes = expect(f"{path}: shapes", content.get("shapes"), list)
    named = [(f"{path}: shapes[{index}]", shape) for index, shape in enumerate(shapes)]
    return content, [(where, expect(where, shape, dict)) for where, shape in named]


def _add(marks: Marks, where: str, name: str, shape: dict[str, Any]) -> None:
    # Polygons were all there was before version 3.3.
    kind = expect(f"{where}: shape_type", shape.get("shape_type") or "polygon", str)
    points = expect(f"{where}: points", shape.get("points"), list)
    if kind in {"circle", "line", "mask", "rectangle"} and len(points) != 2:
        raise DataError(f"{where}: {kind} of {len(points)} points; expected 2")
    if kind in {"point", "points"}:
        marks.dots(where, name, points)
    elif kind in {"line", "linestrip"}:
        marks.line(where, name, points)
    elif kind in {"polygon", "oriented_rectangle"}:
        marks.line(where, name, points, filled=True)
    elif kind == "rectangle":
        marks.box(where, name, *check_points(where, points).ravel())
    elif kind == "circle":
        center, edge = check_points(where, points)
        radius = float(np.hypot(*(edge - center)))
        marks.ellipse(where, name, (center[0], center[1]), (radius, radius))
    elif kind == "mask":
        _add_mask(marks, where, name, shape)
    else:
        raise DataError(f"{where}: shape_type is {shown(kind)}; known: {', '.join(KINDS)}")


def _add_mask(marks: Marks, where: str, name: str, shape: dict[str, Any]) -> None:
    first, last = check_points(where, shape["points"])
    text = expect(f"{where}: mask", shape.get("mask"), str)
    pixels = embedded_mask(f"{where}: mask", text, marks.size)
    # Corners that lie between pixels may be rounded apart.
    width, height = last - first + 1
    if abs(height - pixels.shape[0]) > 1 or abs(width - pixels.shape[1]) > 1:
        raise DataError(
            f"{where}: mask of {pixels.shape[1]}x{pixels.shape[0]} pixels in a box of "
            f"{width:g}x{height:g}"
        )
    marks.patch(where, name, pixels, round(first[1]), round(first[0]))


def write(images: Sequence[LabelledImage], classes: Classes, target: Path) -> None:
    """One JSON for each picture, with a mask for each connected piece of a class.

    LabelMe cannot change a mask, only delete it; so what is wrong should be a mask of its own.
    """
    for image in images:
        path = target / f"{image.name}.json"
        label = image.read()
        content = {
            "version": VERSION,
            "flags": {},
            "shapes": [
                shape
                for name, painted in class_masks(image.name, label, classes)
                for shape in _pieces(name, painted)
            ],
            "imagePath": Path(os.path.relpath(image.picture, path.parent)).as_posix(),
            "imageData": None,
            "imageHeight": label.shape[0],
            "imageWidth": label.shape[1],
        }
        with whole_file(path) as unfinished:
            unfinished.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _pieces(name: str, painted: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    """A mask for each connected piece of what is painted in one class."""
    count, pieces, boxes, _ = cv2.connectedComponentsWithStats(painted.astype(np.uint8))
    for piece in range(1, count):
        left, top, width, height = boxes[piece, :4].tolist()
        mask = pieces[top : top + height, left : left + width] == piece
        png = BytesIO()
        Image.fromarray(mask.astype(np.uint8)).save(png, format="PNG")
        yield {
            "label": name,
            "points": [[left, top], [left + width - 1, top + height - 1]],
            "group_id": None,
            "description": "",
            "shape_type": "mask",
            "flags": {},
            "mask": base64.b64encode(png.getvalue()).decode(),
        }


FORMAT = Format(
    name="labelme",
    title="LabelMe JSON files",
    source="a folder of JSON files, or one; pictures beside them, in images, or in the files",
    unlabelled="pixels on which no shape lies",
    background=(
        "drawn where a shape has the label background, _background_ or bg, in upper or lower case"
    ),
    find=find,
    read=read,
    write=write,
)
