"""CVAT for images, XML version 1.1.

https://docs.cvat.ai/docs/dataset_management/formats/format-cvat. The file lists pictures, each with
its shapes in pixels from the corner of the picture. Shapes of a higher ``z_order`` cover those of a
lower one. A ``mask`` gives the lengths of unpainted and painted runs in turn, row by row within its
box.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

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
from scribbleseg.annotation.run_length import listed_runs, mask_runs
from scribbleseg.annotation.stated_value import (
    MOST_PIXELS,
    agreed_size,
    checked_size,
    number,
    shown,
    whole_number,
)
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.untrusted import (
    PictureFinder,
    file_id,
    files_below,
    read_xml,
    without_twins,
)
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import DataError

__all__ = ["FORMAT"]

Shape = tuple[str, dict[str, str]]
"""Tag and attributes."""

STROKES = frozenset({"box", "ellipse", "mask", "points", "polygon", "polyline"})

NO_STROKES = {
    "cuboid": "cuboids, which are no strokes",
    "skeleton": "skeletons, which are no strokes",
    "tag": "tags, which belong to the whole picture",
}


def find(source: Path, options: Options) -> Found:
    """The pictures of one or more XML files, with the labels that these define."""
    if source.suffix.lower() == ".zip":
        raise DataError(f"{source}: unpack the export first, and give the folder")
    paths = files_below(source, (".xml",))
    pictures = PictureFinder([options.images, source if source.is_dir() else source.parent])
    entries: list[Entry] = []
    colors: dict[str, Color] = {}
    drawn: set[str] = set()
    labels: dict[str, None] = {}
    for path in paths:
        root = read_xml(path)
        if root.tag != "annotations":
            raise DataError(f"{path}: <{root.tag[:40]}> instead of <annotations>; not of CVAT")
        if root.find("track") is not None:
            raise DataError(
                f"{path}: holds tracks of a video; export it as 'CVAT for images 1.1' instead"
            )
        for name, color in _labels(path, root):
            labels.setdefault(name)
            if color is not None:
                colors[name] = color
        for image in root.iter("image"):
            where = f"{path}: <image {shown(image.get('name'))}>"
            name = file_id(where, image.get("name"))
            shapes = _shapes(where, image)
            drawn |= {
                class_name(f"{where}: <{tag}>", attributes.get("label"))
                for tag, attributes in shapes
                if tag in STROKES
            }
            size = checked_size(where, image.get("height"), image.get("width"))
            picture = pictures(name, PurePosixPath(image.get("name", "")).suffix)
            entries.append(Entry(name, path, picture, (size, shapes)))
    without_twins(source, [entry.name for entry in entries])
    entries.sort(key=lambda entry: entry.name)
    table = options.classes or class_table(str(source), labels or sorted(drawn), colors)
    return Found(entries, table)


def _labels(path: Path, root: Element) -> Iterator[tuple[str, Color | None]]:
    """Names and colours that the file defines, for a task, a job or a whole project."""
    for label in root.iterfind("meta/*/labels/label"):
        if label.find("parent") is None:  # else a point of a skeleton
            name = class_name(f"{path}: <label>", label.findtext("name"))
            yield name, read_color(label.findtext("color"))


def _shapes(where: str, image: Element) -> list[Shape]:
    """What is drawn in a picture, in the order in which it is painted."""
    shapes = [(shape.tag, dict(shape.attrib)) for shape in image]
    order = [
        whole_number(f"{where}: z_order", attributes.get("z_order", "0"), -(2**31), 2**31)
        for _, attributes in shapes
    ]
    return [shapes[index] for index in sorted(range(len(shapes)), key=order.__getitem__)]


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The drawing of a picture."""
    stated, shapes = entry.payload
    marks = Marks(agreed_size(f"{entry.source}: {entry.name}", stated, entry.picture), options)
    for index, (tag, attributes) in enumerate(shapes):
        where = f"{entry.source}: {entry.name}: shape {index + 1}, <{tag[:40]}>"
        if tag in NO_STROKES:
            marks.leave_out(NO_STROKES[tag])
        elif tag not in STROKES:
            raise DataError(f"{where} is unknown; known: {', '.join(sorted(STROKES))}")
        else:
            name = marks.known(where, attributes.get("label"))
            if name is not None:
                _add(marks, where, name, tag, attributes)
    yield marks.drawing(entry.name, entry.picture)


def _add(marks: Marks, where: str, name: str, tag: str, attributes: dict[str, str]) -> None:
    def value(key: str, missing: str | None = None) -> float:
        return number(f"{where}: {key}", attributes.get(key, missing))

    if tag == "box":
        left, top, right, bottom = (value(key) for key in ("xtl", "ytl", "xbr", "ybr"))
        pivot = ((left + right) / 2, (top + bottom) / 2)
        degrees = value("rotation", "0")
        marks.box(where, name, left, top, right, bottom, degrees=degrees, pivot=pivot)
    elif tag == "ellipse":
        center, radii = (value("cx"), value("cy")), (value("rx"), value("ry"))
        marks.ellipse(where, name, center, radii, value("rotation", "0"))
    elif tag == "mask":
        left, top = (
            whole_number(f"{where}: {key}", attributes.get(key), 0, MOST_PIXELS)
            for key in ("left", "top")
        )
        size = checked_size(where, attributes.get("height"), attributes.get("width"))
        runs = listed_runs(where, _numbers(attributes.get("rle", ""), int))
        marks.mask(where, name, runs, *size, row=top, column=left)
    else:
        pairs = attributes.get("points", "").split(";")
        points = [_numbers(pair, float) for pair in pairs]
        if tag == "points":
            marks.dots(where, name, points)
        else:
            marks.line(where, name, points, filled=tag == "polygon")


def _numbers(text: str, kind: type[int] | type[float]) -> list[Any]:
    """The numbers of a list with commas; the texts themselves if one is no number."""
    values = text.split(",")
    try:
        return list(map(kind, values))
    except ValueError:
        return values


def write(images: Sequence[LabelledImage], classes: Classes, target: Path) -> None:
    """``annotations.xml``, with one mask for each class in a picture; CVAT's brush can change it.

    To be uploaded to a task with these pictures and labels, as annotations in the format CVAT 1.1.
    """
    with (
        whole_file(target / "annotations.xml") as unfinished,
        unfinished.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        file.write("<version>1.1</version>\n<meta><task><labels>\n")
        for name, color in zip(classes.names, classes.palette, strict=True):
            shade = "#{:02x}{:02x}{:02x}".format(*color)
            file.write(f"<label><name>{escape(name)}</name><color>{shade}</color>")
            file.write("<type>any</type><attributes></attributes></label>\n")
        file.write("</labels></task></meta>\n")
        for index, image in enumerate(images):
            label = image.read()
            height, width = label.shape
            name = f"{image.name}{image.picture.suffix}"
            file.write(f"<image {_attributes(id=index, name=name, width=width, height=height)}>\n")
            for name, painted in class_masks(image.name, label, classes):
                file.write(f"<mask {_mask(name, painted)}></mask>\n")
            file.write("</image>\n")
        file.write("</annotations>\n")


def _mask(name: str, painted: NDArray[np.bool_]) -> str:
    """The attributes of a mask, in the box around what is painted."""
    rows, columns = (np.flatnonzero(painted.any(axis=axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    box = painted[top : rows[-1] + 1, left : columns[-1] + 1]
    return _attributes(
        label=name,
        source="manual",
        occluded=0,
        rle=", ".join(map(str, mask_runs(box).tolist())),
        left=left,
        top=top,
        width=box.shape[1],
        height=box.shape[0],
        z_order=0,
    )


def _attributes(**values: object) -> str:
    return " ".join(f"{key}={quoteattr(str(value))}" for key, value in values.items())


FORMAT = Format(
    name="cvat",
    title="CVAT for images 1.1",
    source="annotations.xml, or the folder of an unpacked export",
    unlabelled="pixels on which no shape lies",
    background=(
        "drawn where a shape has the label background, _background_ or bg, in upper or lower case"
    ),
    find=find,
    read=read,
    write=write,
)
