"""QuPath: GeoJSON, one file for each picture; of QuPath 0.3 and later.

https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html. Coordinates are
those of the full picture (level 0) in pixels from its corner. The class of an object is its
``classification``; objects without one are left out, and so are cells, detections and tiles, which
nobody has drawn.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from scribbleseg.annotation.class_table import class_name, classes_of_files, read_color
from scribbleseg.annotation.formats.format import Entry, Format, Found, Options
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import IMAGE_SUFFIXES
from scribbleseg.annotation.label_image import Color
from scribbleseg.annotation.marks import Marks
from scribbleseg.annotation.named_files import named_files
from scribbleseg.annotation.stated_value import agreed_size, expect, shown
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.untrusted import PictureFinder, file_id, read_json, without_twins
from scribbleseg.errors import DataError

__all__ = ["FORMAT"]

SUFFIXES = tuple({suffix.lower() for suffix in IMAGE_SUFFIXES})

GEOMETRIES = (
    "LineString",
    "MultiLineString",
    "MultiPoint",
    "MultiPolygon",
    "Point",
    "Polygon",
)


def find(source: Path, options: Options) -> Found:
    """The files of a folder; all are read once, for the names of their classes."""
    files = named_files(source, (".geojson", ".json"))
    pictures = PictureFinder([options.images, source if source.is_dir() else source.parent])
    entries, broken = [], []
    colors: dict[str, Color | None] = {}
    for file_name, path in files.items():
        whole = file_name.lower().endswith(SUFFIXES)  # a.png.geojson
        name = file_id(str(path), file_name) if whole else file_name
        suffix = PurePosixPath(file_name).suffix if whole else ""
        entries.append(Entry(name, path, pictures(name, suffix)))
        try:
            for where, feature in _features(path):
                label, color, _ = _class(where, feature)
                if label:
                    colors[label] = colors.get(label) or color
        except DataError as error:  # `read` says it again, of each file
            broken.append(str(error))
    without_twins(source, [entry.name for entry in entries])
    missing = [entry.name for entry in entries if entry.picture is None]
    if missing:
        raise DataError(
            f"{source}: no picture of {some(missing)}; GeoJSON does not say how large a picture "
            "is, so give the folder that holds them"
        )
    entries.sort(key=lambda entry: entry.name)
    given = {label: color for label, color in colors.items() if color is not None}
    table = options.classes or classes_of_files(source, sorted(colors), given, broken=broken)
    return Found(entries, table)


def _features(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file and those that lie within them, with what messages call them."""
    content = read_json(path)
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        content = expect(f"{path}: features", content.get("features"), list)
    elif isinstance(content, dict):
        content = [content]
    listed = enumerate(expect(str(path), content, list))
    waiting = [(f"{path}: features[{index}]", feature) for index, feature in listed][::-1]
    while waiting:
        where, content = waiting.pop()
        feature = expect(where, content, dict)
        if feature.get("type") != "Feature":
            raise DataError(f"{where}: type is {shown(feature.get('type'))}; expected 'Feature'")
        yield where, feature
        children = _properties(where, feature).get("childObjects") or []
        listed = enumerate(expect(f"{where}: childObjects", children, list))
        waiting += [(f"{where}.childObjects[{index}]", child) for index, child in listed][::-1]


def _properties(where: str, feature: dict[str, Any]) -> dict[str, Any]:
    return expect(f"{where}: properties", feature.get("properties") or {}, dict)


def _class(where: str, feature: dict[str, Any]) -> tuple[str, Color | None, str]:
    """Class and colour of an object; an empty class, and why, if it is to be left out."""
    properties = _properties(where, feature)
    kind = properties.get("objectType", "annotation")
    if kind != "annotation":
        return "", None, f"objects of type {shown(kind)}, which nobody has drawn"
    classification = properties.get("classification")
    if not classification:
        return "", None, "objects without a classification"
    if isinstance(classification, str):
        return class_name(where, classification), None, ""
    classification = expect(f"{where}: classification", classification, dict)
    name = classification.get("name")
    if name is None:
        # What belongs to several classes at once is shown so in QuPath.
        names = expect(f"{where}: names", classification.get("names"), list)
        name = ": ".join(class_name(where, part) for part in names)
    color = classification.get("color", classification.get("colorRGB"))
    return class_name(where, name), read_color(color), ""


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The drawing of a file."""
    marks = Marks(agreed_size(str(entry.source), None, entry.picture), options)
    for where, feature in _features(entry.source):
        label, _, reason = _class(where, feature)
        if not label:
            marks.leave_out(reason)
            continue
        name = marks.known(where, label)
        geometry = expect(f"{where}: geometry", feature.get("geometry"), dict)
        plane = expect(f"{where}: plane", geometry.get("plane") or {}, dict)
        if plane.get("z") or plane.get("t"):
            marks.leave_out("objects in other planes of a stack than the first")
        elif name is not None:
            _add(marks, where, name, geometry)
    yield marks.drawing(entry.name, entry.picture)


def _add(marks: Marks, where: str, name: str, geometry: dict[str, Any]) -> None:
    kind = geometry.get("type")
    if kind not in GEOMETRIES:
        raise DataError(f"{where}: geometry is {shown(kind)}; known: {', '.join(GEOMETRIES)}")
    where = f"{where}: coordinates"
    coordinates = expect(where, geometry.get("coordinates"), list)
    parts = coordinates if kind.startswith("Multi") else [coordinates]
    if kind.endswith("Point"):
        marks.dots(where, name, parts)
        return
    for index, part in enumerate(parts):
        at = f"{where}[{index}]" if kind.startswith("Multi") else where
        if kind.endswith("LineString"):
            marks.line(at, name, expect(at, part, list))
        else:
            marks.area(at, name, expect(at, part, list))


FORMAT = Format(
    name="qupath",
    title="QuPath GeoJSON",
    source="a folder of GeoJSON files with the names of their pictures, or one file",
    unlabelled="pixels on which no classified annotation lies",
    background=(
        "drawn where an annotation has the class background, _background_ or bg, in upper or "
        "lower case"
    ),
    find=find,
    read=read,
)
