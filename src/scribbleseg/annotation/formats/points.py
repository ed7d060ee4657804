"""Points, one or a few an object, as JSON (What's the Point, Bearman et al., ECCV 2016).

Either one file for many pictures, ``{"2007_000032": [{"cls": 1, "x": 206, "y": 111}, ...], ...}``,
or one file a picture that holds the list alone. The class is ``cls``, ``class`` or ``label``: a
name, or its index (PASCAL VOC's, unless classes are given). ``x`` and ``y`` count pixels from 0;
other keys, such as ``rank``, are left alone.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from scribbleseg.annotation.class_table import KnownClasses, class_name, class_table
from scribbleseg.annotation.formats.format import Classes, Entry, Format, Found, Options
from scribbleseg.annotation.formats.scribblesup_xml import VOC
from scribbleseg.annotation.image_file import IMAGE_SUFFIXES
from scribbleseg.annotation.named_files import named_files
from scribbleseg.annotation.raster import Raster
from scribbleseg.annotation.stroke import Drawing, Stroke, check_points
from scribbleseg.annotation.untrusted import (
    PictureFinder,
    agreed_size,
    expect,
    file_id,
    number,
    read_json,
    shown,
    without_twins,
)
from scribbleseg.errors import DataError

__all__ = ["FORMAT"]

CLASS_KEYS = ("cls", "class", "label")
MOST_POINTS = 100_000
"""Of a picture: each is a stroke."""


def find(source: Path, options: Options) -> Found:
    """One entry a picture; class names from all points, unless they are indices."""
    pictures = PictureFinder([options.images, source.parent if source.is_file() else source])
    entries, names = [], set()
    for stem, path in named_files(source, (".json",)).items():
        content = read_json(path)
        lists = {stem: content} if isinstance(content, list) else content
        for key, points in expect(f"{path}: content", lists, dict).items():
            # An id such as scan.01 has no suffix to lose.
            is_file = key.lower().endswith(IMAGE_SUFFIXES)
            name = file_id(str(path), key if is_file else f"{key}.json")
            points = expect(f"{path}: {shown(key)}", points, list)
            if len(points) > MOST_POINTS:
                raise DataError(
                    f"{path}: {shown(key)} has {len(points)} points; at most {MOST_POINTS}"
                )
            suffix = PurePosixPath(key).suffix if is_file else ""
            entries.append(Entry(name, path, pictures(name, suffix), points))
            for at, point in enumerate(points, 1):
                value = _class(f"{path}: {shown(key)}, point {at}", point)
                if isinstance(value, str):
                    names.add(class_name(f"{path}: {shown(key)}, point {at}", value))
    without_twins(source, [entry.name for entry in entries])
    classes: Classes = class_table(str(source), sorted(names)) if names else VOC
    remarks = ["a point becomes a dot as wide as the raster (1 pixel; SPML takes 13)"]
    if not names and options.classes is None:
        remarks.append("classes are taken for those of PASCAL VOC, since points hold numbers")
    return Found(sorted(entries, key=lambda entry: entry.name), classes, tuple(remarks))


def _class(where: str, point: Any) -> Any:
    fields = expect(where, point, dict)
    for key in CLASS_KEYS:
        if key in fields:
            return fields[key]
    raise DataError(f"{where}: no {' or '.join(CLASS_KEYS)}")


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The points of a picture, as strokes of one point."""
    assert options.classes is not None
    size = agreed_size(f"{entry.source}: {entry.name}", None, entry.picture)
    known, names = KnownClasses(options), options.classes.names
    marks, outside = [], 0
    for at, point in enumerate(entry.payload, 1):
        where = f"{entry.source}: {entry.name}, point {at}"
        value = _class(where, point)
        if isinstance(value, int) and not isinstance(value, bool):
            if not 0 <= value < len(names):
                raise DataError(f"{where}: class {shown(value)}; expected 0..{len(names) - 1}")
            value = names[value]
        name = known(where, value)
        x, y = (number(f"{where}: {axis}", point.get(axis)) for axis in "xy")
        place = check_points(where, [[x, y]])
        outside += not ((place >= -0.5) & (place < np.array(size[::-1]) - 0.5)).all()
        if name is not None:
            marks.append(Stroke(name, place))
    remarks = [f"{outside} points outside the picture"] if outside else []
    if not marks:
        remarks.append("no points: every pixel is unlabelled")
    yield Drawing(
        entry.name,
        size,
        tuple(marks),
        picture=entry.picture,
        remarks=(*remarks, *known.remarks()),
    )


FORMAT = Format(
    name="points",
    title="points as JSON (What's the Point)",
    source="JSON file of many pictures, or folder of JSON files",
    unlabelled="everything but the dots",
    background="points of the class background (index 0); What's the Point has none",
    find=find,
    read=read,
    raster=Raster("opencv", 1),
    options={
        "classes": "by default the names that occur, or PASCAL VOC's where points hold indices",
        "images": "required where the pictures do not lie beside the JSON: it says no sizes",
    },
)
