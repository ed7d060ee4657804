"""ilastik: the labels of a pixel classification project (``.ilp``).

The project is an HDF5 file that keeps the painted blocks of each image in
``PixelClassification/LabelSets/labels000/block0000``, each with its place in ``blockSlice``; 0 is
unpainted, 1 the first of ``LabelNames``. ilastik's own label export has bugs (1784, 3015), so the
project itself is read. Recent versions write the axes of each block; before, they are those of the
image with the channel last (``Input Data/infos/lane0000/Raw Data``).
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.class_table import class_name, class_table
from scribbleseg.annotation.formats.format import Entry, Format, Found, Options
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.ilastik_project import block_values, read_project
from scribbleseg.annotation.image_file import image_size
from scribbleseg.annotation.isolated import isolated
from scribbleseg.annotation.label_image import Color
from scribbleseg.annotation.label_values import label_of_values, meaning_of_names
from scribbleseg.annotation.raster import unlabelled_value
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.untrusted import (
    MOST_PIXELS,
    PictureFinder,
    file_id,
    files_below,
    shown,
    without_twins,
)
from scribbleseg.annotation.volume import (
    EXTRA,
    MOST_BYTES,
    MOST_SLICES,
    Volume,
    is_volume,
    read_volume,
    slice_drawings,
)
from scribbleseg.errors import DataError

__all__ = ["FORMAT"]

AXES = "tzyxc"
SLICING = re.compile(r"\[([0-9]{1,9}:[0-9]{1,9}(?:,[0-9]{1,9}:[0-9]{1,9}){1,4})\]", re.ASCII)
SEVERAL_FILES = re.compile(r"[*;]|(?<=..):")
ARCHIVE = re.compile(r"(.*\.(?:h5|hdf5|ilp|n5|npz|zarr))/.*", re.IGNORECASE)

Spans = Mapping[str, tuple[int, int]]
"""From where to where a block reaches along each of its axes, in their order."""


def find(source: Path, options: Options) -> Found:
    """One entry an image, with its painted blocks; names and colours of the labels."""
    entries, lost = [], []
    colors: dict[str, Color | None] = {}
    for path in files_below(source, (".ilp",)):
        pictures = PictureFinder([options.images, path.parent])
        project = isolated(path, read_project)
        labels = _label_colors(path, project["names"], project["colors"])
        colors = labels | colors
        for image in project["images"]:
            place = _image_place(path, image["filePath"], image["nickname"])
            name = file_id(str(path), f"{place.name}.ilp")
            # Folders of the machine where it was drawn may be called otherwise here.
            where, suffix = place.as_posix().lstrip("/"), Path(image["filePath"]).suffix
            picture = pictures(where, suffix) or pictures(place.name, suffix)
            if picture is None:
                lost.append(image["filePath"])
            entries.append(Entry(name, path, picture, {"labels": list(labels), **image}))
    without_twins(source, [entry.name for entry in entries])
    return Found(
        sorted(entries, key=lambda entry: entry.name),
        class_table(str(source), colors, {name: c for name, c in colors.items() if c is not None}),
        (f"pictures not found: {some(lost)}; give their folder",) if lost else (),
    )


def _label_colors(path: Path, texts: list[str], stored: Any) -> dict[str, Color | None]:
    """Names of the labels in the order of their values, with their colours where known."""
    names = [class_name(f"{path}: LabelNames", text) for text in texts]
    if len(set(names)) < len(names):
        raise DataError(f"{path}: LabelNames {shown(names)} are not all different; rename one")
    colors: dict[str, Color | None] = dict.fromkeys(names)
    values = np.asarray(stored)
    if values.shape == (len(names), 3) and values.dtype.kind == "i":
        colors |= {
            name: (red, green, blue)
            for name, (red, green, blue) in zip(names, values.tolist(), strict=True)
            if 0 <= min(red, green, blue) <= max(red, green, blue) <= 255
        }
    return colors


def _image_place(path: Path, location: str, nickname: str) -> PurePosixPath:
    """Path of an image without suffix; of several files, what ilastik calls them."""
    place = PurePosixPath(nickname)
    if not SEVERAL_FILES.search(location):
        file = location.replace("\\", "/")
        inside = ARCHIVE.fullmatch(file)
        place = PurePosixPath(inside[1] if inside else file)
        place = place.with_suffix("") if place.name else place
    if not place.name:
        raise DataError(f"{path}: an image has no filePath; save the project again")
    return place


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The label image of an image, or those of its slices."""
    assert options.classes is not None
    path, picture = entry.source, entry.picture
    painted = _painted(entry)
    names = dict(enumerate(entry.payload["labels"], 1))
    meaning, remarks = meaning_of_names(str(path), names, options)
    count = len(options.classes.names)
    meaning[0] = unlabelled_value(count)
    labels = Volume(path, painted, is_flat=len(painted) == 1)
    stacked = picture is not None and not labels.is_flat and is_volume(picture)
    yield from slice_drawings(
        entry.name,
        labels,
        read_volume(picture) if stacked and picture else picture,
        partial(label_of_values, index_of_value=meaning, num_classes=count),
        remarks,
    )


def _painted(entry: Entry) -> NDArray[np.uint16]:
    """The painted values ``(Z, H, W)``, 0 where nothing is painted."""
    where, image = f"{entry.source}: {entry.name}", entry.payload
    tags = image["axistags"]
    keys = _axes(where, tags) if tags else image["axisorder"]
    blocks = [
        (block, _spans(f"{entry.source}: {block['name']}", block, keys))
        for block in image["blocks"]
    ]
    size = _size(where, entry, keys, [spans for _, spans in blocks])
    painted = np.zeros([size[axis] for axis in AXES[:-1]], np.uint16)
    for block, spans in blocks:
        place = painted[tuple(slice(*spans.get(axis, (0, 1))) for axis in AXES[:-1])]
        others = [axis for axis in AXES if axis not in spans]
        values = np.moveaxis(
            block_values(block)[(..., *(None for _ in others))],
            range(len(AXES)),
            [AXES.index(axis) for axis in (*spans, *others)],
        )[..., 0]
        if values.shape != place.shape:
            raise DataError(f"{where}: block {spans} lies outside the image of {size}")
        place[values > 0] = values[values > 0]
    stack: NDArray[np.uint16] = painted[0]
    return stack


def _size(where: str, entry: Entry, keys: str, blocks: list[Spans]) -> dict[str, int]:
    """Length of an image along each axis: as the project says, or, in old ones, the picture."""
    size = {axis: max([1, *(spans.get(axis, (0, 1))[1] for spans in blocks)]) for axis in AXES}
    shape = entry.payload["shape"]
    if shape is not None:
        lengths = np.asarray(shape)
        if lengths.shape != (len(keys),) or lengths.dtype.kind != "i":
            raise DataError(f"{where}: shape {shown(shape)} does not belong to the axes {keys!r}")
        size |= dict(zip(keys, lengths.tolist(), strict=True))
    elif entry.picture is not None:
        size["y"], size["x"] = image_size(entry.picture)
    else:
        raise DataError(f"{where}: its size is not stored; give the folder of the pictures")
    if size["t"] != 1:
        raise DataError(f"{where}: a film of {size['t']} frames; only pictures and stacks are read")
    pixels, slices = size["y"] * size["x"], size["z"]
    if (
        min(size.values()) < 1
        or pixels > MOST_PIXELS
        or slices > MOST_SLICES
        or 2 * pixels * slices > MOST_BYTES
    ):
        raise DataError(f"{where}: an image of {size} pixels is too large, or empty")
    return size


def _axes(where: str, tags: str) -> str:
    """Letters of the axes from vigra's JSON."""
    try:
        keys = "".join(axis["key"] for axis in json.loads(tags)["axes"])
    except (ValueError, KeyError, TypeError, RecursionError):
        keys = ""
    if not keys or len(set(keys)) < len(keys) or not set(keys) <= set(AXES):
        raise DataError(f"{where} has the axes {shown(tags)}; expected some of {AXES}")
    return keys


def _spans(where: str, block: Mapping[str, Any], keys: str) -> Spans:
    """The place of a block, where ``keys`` are the axes of its image."""
    text, tags = block["blockSlice"], block["axistags"]
    match = SLICING.fullmatch(text)
    if match is None:
        raise DataError(f"{where} has blockSlice {shown(text)}; expected [0:1,...]")
    ends = [int(end) for end in re.split("[:,]", match[1])]
    spans = list(zip(ends[::2], ends[1::2], strict=True))
    axes = _old_axes(keys, spans) if tags is None else _axes(where, tags)
    if len(axes) != len(spans) or [stop - start for start, stop in spans] != block["shape"]:
        raise DataError(
            f"{where} has blockSlice {text} for the axes {axes!r} and {block['shape']} values; "
            "expected as many"
        )
    named = dict(zip(axes, spans, strict=True))
    if named.get("c", (0, 1)) != (0, 1):
        raise DataError(f"{where} has several channels; labels have one")
    return named


def _old_axes(keys: str, spans: list[tuple[int, int]]) -> str:
    """Axes of a block that does not say them: those of the image, the channel mostly last."""
    space = keys.replace("c", "")
    if len(spans) == 5 and len(space) < 4:
        return "txyzc"
    if len(spans) == len(space):
        return space
    channel = keys.find("c")
    if 0 <= channel < len(spans) - 1 and spans[channel] == (0, 1) != spans[-1]:
        return keys
    return space + "c"


FORMAT = Format(
    name="ilastik",
    title="ilastik pixel classification project",
    source="an .ilp file, or a folder of them",
    unlabelled="what is not painted (0, or in no block)",
    background="a label called background; if there is none, it was not drawn",
    find=find,
    read=read,
    strokes=False,
    extra=EXTRA,
    options={"images": "by default the folder of the project; pictures inside it are not read"},
)
