"""Label Studio: its JSON export (not JSON-MIN), of version 1.0 and later.

https://labelstud.io/guide/task_format. Each task has a picture in ``data`` and, in ``annotations``,
one list of results per annotator. A brush stroke is an rle-pack of the whole picture; all other
shapes are in percent of the picture from its corner.

The export does not contain the labels of the project. Its labelling configuration, saved as
``label_config.xml`` beside the export, gives their order and colours.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from scribbleseg.annotation.class_table import class_name, class_table, read_color
from scribbleseg.annotation.formats.format import (
    Classes,
    Entry,
    Format,
    Found,
    LabelledImage,
    Options,
)
from scribbleseg.annotation.image_file import IMAGE_SUFFIXES
from scribbleseg.annotation.marks import Marks, class_masks
from scribbleseg.annotation.run_length import brush_bytes, brush_runs, listed_runs, mask_runs
from scribbleseg.annotation.stated_value import agreed_size, checked_size, expect, number, shown
from scribbleseg.annotation.stroke import Drawing, check_points
from scribbleseg.annotation.untrusted import (
    PictureFinder,
    file_id,
    files_below,
    read_json,
    read_xml,
    without_twins,
)
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import DataError

__all__ = ["FORMAT"]

CONFIG = "label_config.xml"

UPLOAD = re.compile("^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that is uploaded."""

SUFFIXES = tuple({suffix.lower() for suffix in IMAGE_SUFFIXES})

SHAPES = frozenset({"brush", "ellipse", "keypoint", "polygon", "rectangle", "vector"})

NO_STROKES = frozenset(
    {"choices", "datetime", "number", "pairwise", "rating", "relation", "taxonomy", "textarea"}
)


def find(source: Path, options: Options) -> Found:
    """The tasks of an export, with the labels of the configuration beside it, or those drawn."""
    paths = files_below(source, (".json",))
    folder = source if source.is_dir() else source.parent
    pictures = PictureFinder([options.images, folder])
    entries = []
    drawn: set[str] = set()
    for path in paths:
        content = read_json(path)
        tasks = [content] if isinstance(content, dict) else expect(str(path), content, list)
        for index, task in enumerate(tasks):
            where = f"{path}: task {index + 1}"
            name, picture = _picture(where, expect(where, task, dict), pictures)
            results, remarks = _newest(where, task)
            drawn |= {stroke.label for stroke in _strokes(where, results) if stroke.kind}
            entries.append(Entry(name, path, picture, (where, results, remarks)))
    without_twins(source, [entry.name for entry in entries])
    entries.sort(key=lambda entry: entry.name)
    classes = options.classes or _config(folder / CONFIG)
    return Found(entries, classes or class_table(str(source), sorted(drawn)))


def _config(path: Path) -> Classes | None:
    """The labels of a labelling configuration, if it is there."""
    if not path.is_file():
        return None
    labels = list(read_xml(path).iter("Label"))
    names = [class_name(f"{path}: <Label>", label.get("value")) for label in labels]
    shades = [read_color(label.get("background")) for label in labels]
    colors = {name: shade for name, shade in zip(names, shades, strict=True) if shade is not None}
    return class_table(str(path), names, colors)


def _picture(where: str, task: dict[str, Any], pictures: PictureFinder) -> tuple[str, Path | None]:
    """Id and file of the picture of a task."""
    data = task.get("data")
    if not isinstance(data, dict):
        raise DataError(f"{where}: has no data; export it as JSON, not as JSON-MIN")
    listed = (_file_names(text) for text in [*data.values(), task.get("file_upload")])
    names = next((names for names in listed if names[0].lower().endswith(SUFFIXES)), None)
    if names is None:
        raise DataError(f"{where}: data names no picture ({shown(data)})")
    for name in names:
        key = file_id(where, name)
        picture = pictures(key, PurePosixPath(name).suffix)
        if picture is not None:
            break
    return key, picture


def _file_names(reference: Any) -> list[str]:
    """What the file may be called that a path or address leads to; empty if it is neither."""
    try:
        address = urlsplit(reference if isinstance(reference, str) else "")
        if address.path.endswith("/data/local-files/"):
            # A path below the folder that Label Studio serves.
            return [parse_qs(address.query).get("d", [""])[0]]
        name = re.split(r"[/\\]", unquote(address.path))[-1]
    except ValueError:
        return [""]
    return [name, UPLOAD.sub("", name)]


def _newest(where: str, task: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """The results of the newest annotation that was not cancelled."""
    listed = task.get("annotations", task.get("completions", []))
    annotations = [
        expect(f"{where}: annotations[{index}]", annotation, dict)
        for index, annotation in enumerate(expect(f"{where}: annotations", listed, list))
    ]
    made = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    if not made:
        return [], ["skipped by the annotator" if annotations else "not annotated"]
    remarks = ["annotated more than once; the newest is used"] if len(made) > 1 else []
    newest = max(made, key=lambda made: str(made.get("updated_at") or made.get("created_at") or ""))
    return expect(f"{where}: result", newest.get("result"), list), remarks


@dataclass(frozen=True)
class _Stroke:
    where: str
    kind: str
    """One of `SHAPES`; empty for what is no stroke of a class."""
    label: str
    value: dict[str, Any]
    size: tuple[int, int] | None


def _strokes(where: str, results: list[Any]) -> Iterator[_Stroke]:
    """The results of an annotation, checked as far as all kinds have it in common."""
    for index, content in enumerate(results):
        at = f"{where}, result {index + 1}"
        result = expect(at, content, dict)
        stated = expect(f"{at}: type", result.get("type"), str)
        if stated in NO_STROKES:
            yield _Stroke(at, "", f"{stated}, which is no stroke", {}, None)
            continue
        value = expect(f"{at}: value", result.get("value"), dict)
        kind = _kind(value) if stated == "labels" else stated.removesuffix("labels")
        if kind not in SHAPES:
            raise DataError(f"{at}: type is {shown(stated)}; known: {', '.join(sorted(SHAPES))}")
        if result.get("image_rotation") not in (None, 0, 360):
            raise DataError(
                f"{at}: drawn while the picture was turned by {shown(result['image_rotation'])} "
                "degrees; turn it back in Label Studio and save"
            )
        size = None
        if result.get("original_height") is not None or result.get("original_width") is not None:
            size = checked_size(at, result.get("original_height"), result.get("original_width"))
        labels = expect(f"{at}: {stated}", value.get(stated, value.get("labels", [])), list)
        if len(labels) > 1:
            raise DataError(f"{at}: has the labels {shown(labels)}; a stroke can have only one")
        if labels:
            yield _Stroke(at, kind, class_name(at, labels[0]), value, size)
        else:
            yield _Stroke(at, "", "regions without a label", {}, size)


def _kind(value: dict[str, Any]) -> str:
    """The kind of a shape that got its label from a general ``Labels`` tag."""
    keys = {
        "rle": "brush",
        "radiusX": "ellipse",
        "points": "polygon",
        "vertices": "vector",
        "height": "rectangle",
        "x": "keypoint",
    }
    return next((kind for key, kind in keys.items() if key in value), "")


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The drawing of a task."""
    where, results, remarks = entry.payload
    strokes = list(_strokes(where, results))
    sizes = {stroke.size for stroke in strokes if stroke.size}
    if len(sizes) > 1:
        several = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
        raise DataError(f"{where}: drawn on pictures of {several} pixels")
    marks = Marks(agreed_size(where, sizes.pop() if sizes else None, entry.picture), options)
    for stroke in strokes:
        if not stroke.kind:
            marks.leave_out(stroke.label)
            continue
        name = marks.known(stroke.where, stroke.label)
        if name is not None:
            _add(marks, stroke.where, name, stroke.kind, stroke.value)
    drawing = marks.drawing(entry.name, entry.picture)
    yield replace(drawing, remarks=(*remarks, *drawing.remarks))


def _add(marks: Marks, where: str, name: str, kind: str, value: dict[str, Any]) -> None:
    height, width = marks.size
    percent = np.array([width, height]) / 100

    def pixels(key: str, axis: int) -> float:
        return float(number(f"{where}: {key}", value.get(key)) * percent[axis])

    if kind == "brush":
        rle = listed_runs(where, expect(f"{where}: rle", value.get("rle"), list))
        if len(rle) and not 0 <= rle.min() <= rle.max() <= 255:
            raise DataError(f"{where}: rle holds numbers that are no bytes (0..255)")
        runs = brush_runs(where, rle.astype(np.uint8).tobytes(), height * width)
        marks.mask(where, name, runs, height, width)
        return
    if kind == "polygon":
        points = check_points(where, expect(f"{where}: points", value.get("points"), list))
        marks.line(where, name, points * percent, filled=value.get("closed") is not False)
        return
    if kind == "vector":
        closed = value.get("closed") is True
        for path in _paths(where, value):
            marks.line(where, name, check_points(where, path) * percent, closed=closed)
        return
    x, y = pixels("x", 0), pixels("y", 1)
    degrees = number(f"{where}: rotation", value.get("rotation") or 0)
    if kind == "keypoint":
        marks.dots(where, name, [[x, y]])
    elif kind == "ellipse":
        radii = (pixels("radiusX", 0), pixels("radiusY", 1))
        marks.ellipse(where, name, (x, y), radii, degrees)
    else:
        right, bottom = x + pixels("width", 0), y + pixels("height", 1)
        marks.box(where, name, x, y, right, bottom, degrees=degrees, pivot=(x, y))


def _paths(where: str, value: dict[str, Any]) -> list[list[list[Any]]]:
    """The lines of a vector: its points tell which one comes before, so it may branch."""
    places: dict[str, list[Any]] = {}
    paths: list[list[list[Any]]] = []
    before: str | None = None
    for index, content in enumerate(expect(f"{where}: vertices", value.get("vertices"), list)):
        at = f"{where}: vertices[{index}]"
        vertex = expect(at, content, dict)
        if vertex.get("isBezier"):
            raise DataError(f"{at}: curves are not read; make the points straight ones")
        place = [vertex.get("x"), vertex.get("y")]
        origin = vertex.get("prevPointId", before)
        if origin is not None and str(origin) not in places:
            raise DataError(f"{at}: prevPointId {shown(origin)} is no point before it")
        if origin is None:
            paths.append([place])
        elif origin == before:
            paths[-1].append(place)
        else:
            paths.append([places[str(origin)], place])
        before = str(vertex.get("id", index))
        places[before] = place
    return paths


def write(images: Sequence[LabelledImage], classes: Classes, target: Path) -> None:
    """``tasks.json`` and ``label_config.xml``, to be imported into a new project.

    The labels are annotations, which the brush can change at once; predictions would have to be
    copied first. Pictures are looked up by their id below the folder that Label Studio serves as
    local files (``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``).
    """
    lines = [
        f'    <Label value={quoteattr(name)} background="#{red:02x}{green:02x}{blue:02x}"/>'
        for name, (red, green, blue) in zip(classes.names, classes.palette, strict=True)
    ]
    config = [
        "<View>",
        '  <Image name="image" value="$image" zoom="true" zoomControl="true"/>',
        '  <BrushLabels name="brush" toName="image">',
        *lines,
        "  </BrushLabels>",
        "</View>",
    ]
    with whole_file(target / CONFIG) as unfinished:
        unfinished.write_text("\n".join(config) + "\n", encoding="utf-8")
    with (
        whole_file(target / "tasks.json") as unfinished,
        unfinished.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for index, image in enumerate(images):
            file.write("[\n" if index == 0 else ",\n")
            file.write(json.dumps(_task(index + 1, image, classes)))
        file.write("\n]\n" if images else "[]\n")


def _task(number: int, image: LabelledImage, classes: Classes) -> dict[str, Any]:
    label = image.read()
    results = [
        {
            "id": f"{number}-{name}",
            "type": "brushlabels",
            "from_name": "brush",
            "to_name": "image",
            "origin": "manual",
            "original_width": label.shape[1],
            "original_height": label.shape[0],
            "image_rotation": 0,
            "value": {
                "format": "rle",
                "rle": list(brush_bytes(mask_runs(painted))),
                "brushlabels": [name],
            },
        }
        for name, painted in class_masks(image.name, label, classes)
    ]
    file = quote(f"{image.name}{image.picture.suffix}")
    return {
        "id": number,
        "data": {"image": f"/data/local-files/?d={file}"},
        "annotations": [{"result": results, "was_cancelled": False, "ground_truth": False}],
    }


FORMAT = Format(
    name="label_studio",
    title="Label Studio JSON export",
    source="the exported JSON file, or a folder with it; label_config.xml beside it if possible",
    unlabelled=(
        "pixels on which no region lies; within a brush stroke, those that are fully transparent "
    ),
    background=(
        "drawn where a region has the label background, _background_ or bg, in upper or lower case"
    ),
    find=find,
    read=read,
    write=write,
)
