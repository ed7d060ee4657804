"""ScribbleSup: one XML file a picture, open polylines of PASCAL VOC or PASCAL-Context classes.

D. Lin et al., ScribbleSup, CVPR 2016. An element ``polygon`` is a stroke, not an area. Tags are
short names of the VOC classes (plane, bike, table, plant, monitor); VOC's own names are accepted
too. Coordinates are whole pixels from 0; some lie outside the picture, and the raster rule moves
them to its border. Reader and policy: BLPSeg (Wang et al., TIP 2023), whose converter names the
label image after the XML file and ignores ``filename``.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.class_table import KnownClasses
from scribbleseg.annotation.formats.format import Classes, Entry, Format, Found, Options
from scribbleseg.annotation.label_image import voc_palette
from scribbleseg.annotation.named_files import named_files
from scribbleseg.annotation.raster import Raster
from scribbleseg.annotation.stroke import MOST_POINTS, Drawing, Stroke, check_points
from scribbleseg.annotation.untrusted import (
    PictureFinder,
    agreed_size,
    checked_size,
    read_xml,
    shown,
)
from scribbleseg.errors import DataError

__all__ = ["CONTEXT", "FORMAT", "VOC"]

LONG_NAMES = {
    "plane": "aeroplane",
    "bike": "bicycle",
    "table": "diningtable",
    "plant": "pottedplant",
    "monitor": "tvmonitor",
}
# fmt: off
VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)
CONTEXT_NAMES = (
    "bag", "bed", "bench", "book", "building", "cabinet", "ceiling", "cloth", "computer", "cup",
    "door", "fence", "floor", "flower", "food", "grass", "ground", "keyboard", "light", "mountain",
    "mouse", "curtain", "platform", "sign", "plate", "road", "rock", "shelves", "sidewalk", "sky",
    "snow", "bedclothes", "track", "tree", "truck", "wall", "water", "window", "wood",
)
# fmt: on

VOC = Classes(VOC_NAMES, tuple(voc_palette(21)))
"""The 21 classes of PASCAL VOC, in its order."""
CONTEXT = Classes((*VOC_NAMES, *CONTEXT_NAMES), tuple(voc_palette(60)))
"""The 60 classes of PASCAL-Context in the order of ScribbleSup, which is not alphabetical."""

TAG = re.compile(rb"<tag>([^<]{1,99})</tag>")
RUN = re.compile(
    rb"(?:<point>\s*+<X>\s*+[-+]?[0-9]{1,9}+\s*+</X>"
    rb"\s*+<Y>\s*+[-+]?[0-9]{1,9}+\s*+</Y>\s*+</point>\s*+)++"
)
ONLY_NUMBERS = bytes(code if chr(code) in "+-0123456789\n" else 32 for code in range(256))
WHOLE_NUMBERS = re.compile(r"(?:\s*[-+]?[0-9]{1,9}\s*\0)*", re.ASCII)


def find(source: Path, options: Options) -> Found:
    """One entry a file; PASCAL-Context if any of its own classes is drawn anywhere, else VOC."""
    files = named_files(source, (".xml",))
    beside = source.parent if source.is_file() else source
    pictures = PictureFinder([options.images, beside])
    entries = [Entry(name, path, pictures(name)) for name, path in files.items()]
    witness = None if options.classes else _context_tag(list(files.values()))
    if witness is None:
        return Found(entries, VOC)
    return Found(entries, CONTEXT, (f"the 60 classes of PASCAL-Context: {witness}",))


def _context_tag(paths: list[Path]) -> str | None:
    """Where a class is drawn that VOC has not; searched in bytes, far faster than parsing."""
    own = {name.encode() for name in CONTEXT_NAMES}
    for path in paths:
        with suppress(OSError), path.open("rb") as file:  # the reader will say what is wrong
            tags = own.intersection(map(bytes.strip, TAG.findall(file.read(1 << 26))))
            if tags:
                return f"{path} has the tag {min(tags).decode()!r}"
    return None


def _shortened(content: bytes) -> bytes:
    """The file with ``<_points>x y x y</_points>`` for each run of ordinary points.

    Nine elements of ten are points: parsing the rest takes a quarter of the time. What the parser
    ignores or refuses it still does, for text stays text and markup stays markup, in the same line.
    """
    return RUN.sub(
        lambda run: b"<_points>" + run[0].translate(ONLY_NUMBERS) + b"</_points>", content
    )


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The strokes of a file."""
    path, root = entry.source, read_xml(entry.source, _shortened)
    stated = checked_size(
        f"{path}: size", root.findtext(".//size/height"), root.findtext(".//size/width")
    )
    size = agreed_size(str(path), stated, entry.picture)
    known = KnownClasses(options)
    marks, single, total = [], 0, 0
    for number, polygon in enumerate(root.iter("polygon"), 1):
        where = f"{path}: polygon {number}"
        points = _points(where, polygon)
        total += len(points)
        if total > MOST_POINTS:
            raise DataError(f"{path}: more than {MOST_POINTS} points; no person drew them")
        single += len(points) < 2
        name = known(where, _class(where, polygon, known.index))
        if name is not None:
            marks.append(Stroke(name, points))
    yield Drawing(
        entry.name,
        size,
        tuple(marks),
        picture=entry.picture,
        remarks=(*_remarks(marks, size, single), *known.remarks()),
    )


def _class(where: str, polygon: Element, names: frozenset[str]) -> str:
    """The name among ``names`` that a tag means, short or long; else the tag itself."""
    tags = polygon.findall("tag")
    if len(tags) != 1:
        raise DataError(f"{where}: {len(tags)} elements 'tag'; expected one, the class")
    tag = (tags[0].text or "").strip()
    aliases = [tag, LONG_NAMES.get(tag), *(key for key, name in LONG_NAMES.items() if name == tag)]
    return next((name for name in aliases if name in names), tag)


def _points(where: str, polygon: Element) -> NDArray[np.float64]:
    texts: list[str] = []
    for child in polygon:
        if child.tag == "_points":
            texts += (child.text or "").split()
        elif child.tag == "point":
            x, y = child.findtext("X"), child.findtext("Y")
            if x is None or y is None:
                number = len(texts) // 2 + 1
                raise DataError(f"{where}, point {number}: no {'X' if x is None else 'Y'}")
            texts += (x, y)
    if len(texts) % 2:
        raise DataError(f"{where}: {len(texts)} coordinates; expected pairs")
    # All at once: a check of each would take as long as everything else.
    if not WHOLE_NUMBERS.fullmatch("\0".join([*texts, ""])):
        wrong = next(text for text in texts if not WHOLE_NUMBERS.fullmatch(text + "\0"))
        raise DataError(f"{where}: coordinate {shown(wrong)}; expected a whole number of pixels")
    return check_points(where, np.array(list(map(int, texts)), np.float64).reshape(-1, 2))


def _remarks(marks: list[Stroke], size: tuple[int, int], single: int) -> list[str]:
    remarks = []
    if not marks:
        remarks.append("no strokes: every pixel is unlabelled")
    if single:
        remarks.append(f"{single} strokes of less than two points: reference-1px draws nothing")
    points = np.concatenate([np.zeros((0, 2)), *(stroke.points for stroke in marks)])
    outside = ((points < 0) | (points >= np.array(size[::-1]))).any(axis=1).sum()
    if outside:
        remarks.append(f"{outside} points outside the picture")
    return remarks


FORMAT = Format(
    name="scribblesup_xml",
    title="ScribbleSup XML (PASCAL VOC, PASCAL-Context)",
    source="folder of XML files, one a picture",
    unlabelled="everything off the lines",
    background="strokes of the class 'background'",
    find=find,
    read=read,
    raster=Raster("reference-1px"),
    options={
        "classes": "by default PASCAL VOC's 21, or the 60 of PASCAL-Context where one of its own "
        "is drawn"
    },
)
