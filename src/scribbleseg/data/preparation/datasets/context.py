"""PASCAL-Context: 59 classes of VOC 2010's pictures, with the ScribbleSup scribbles.

The masks are Matlab files of 459 ids (``LabelMap``). Two forms are known. That of BLPSeg, with the
scribbles beside it or given with ``--scribbles``::

    Context/JPEGImages/<id>.jpg
    Context/ImageSets/Segmentation/{train,val}.txt       4998 and 5105 ids
    Context/SegmentationClass/<id>.mat
    scribble_annotation/pascal_context/<id>.xml          or pascal_context_label/<id>.png

and the official one, ``trainval.tar.gz`` unpacked in ``VOC2010``, whose lists are those of
``ImageSets/Main``::

    VOC2010/JPEGImages/<id>.jpg
    VOC2010/ImageSets/Main/{train,val}.txt
    VOC2010/trainval/<id>.mat
"""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.raster import Raster
from scribbleseg.data.image_folder import find_images
from scribbleseg.data.layouts.context import LAYOUT
from scribbleseg.data.preparation.labelled_images import Label, LabelFile, image_job
from scribbleseg.data.preparation.matlab_file import read_matlab
from scribbleseg.data.preparation.preparation import Options, Plan, Preparation
from scribbleseg.data.preparation.scribble_files import find_scribbles, scribble_remarks
from scribbleseg.data.preparation.source_tree import (
    count_remark,
    disjoint,
    folder_of,
    present,
    read_ids,
)
from scribbleseg.errors import DataError

__all__ = ["PREPARATION", "class_of_id"]

PUBLISHED = {"train": 4998, "val": 5105}
GET = "get trainval.tar.gz of PASCAL-Context (cs.stanford.edu/~roozbeh/pascal-context) and VOC 2010"
GET_SCRIBBLES = "get them from jifengdai.org/downloads/scribble_sup and give --scribbles DIR"

HIGHEST_ID = 459
# fmt: off
IDS = (
    2, 23, 25, 31, 34, 45, 59, 65, 72, 98, 397, 113, 207, 258, 284, 308, 347, 368, 416, 427, 9, 18,
    22, 33, 44, 46, 68, 80, 85, 104, 115, 144, 158, 159, 162, 187, 189, 220, 232, 259, 260, 105,
    296, 355, 295, 324, 326, 349, 354, 360, 366, 19, 415, 420, 424, 440, 445, 454, 458,
)
# fmt: on
"""The ids of classes 1..59, in the order of the layout."""

SCRIBBLE_FOLDERS = (
    "pascal_context",
    "pascal_context_label",
    "scribble_annotation/pascal_context",
    "scribble_annotation/pascal_context_label",
)


def class_of_id(table: Literal["correct", "reference"] = "correct") -> NDArray[np.uint8]:
    """The class of each of the 459 ids, and of 0 (nothing): ``(460,)``.

    ``reference`` is what BLPSeg's evaluation makes of them: it replaces one id after another in
    place, so that four classes are replaced twice (bag and bedclothes become background, bed and
    bench bicycle). Only good for comparing with its published number.

    >>> class_of_id()[[9, 18, 458]], class_of_id("reference")[[9, 18, 458]]
    (array([21, 22, 59], dtype=uint8), array([ 0,  2, 59], dtype=uint8))
    """
    classes = np.zeros(HIGHEST_ID + 1, np.uint8)
    classes[list(IDS)] = np.arange(1, len(IDS) + 1)
    if table == "correct":
        return classes
    values = np.arange(HIGHEST_ID + 1)
    for number, index in enumerate(classes):
        values[values == number] = index
    return values.astype(np.uint8)


def read_mask(path: Path, *, table: Literal["correct", "reference"]) -> Label:
    """The mask of a Matlab file, 0..59.

    Raises:
        DataError: It is no such file, or holds something else than ids.
    """
    ids = read_matlab(path, "LabelMap")
    if ((ids < 0) | (ids > HIGHEST_ID) | (ids % 1 != 0)).any():
        raise DataError(
            f"{path}: values from {ids.min()} to {ids.max()}; expected ids 0..{HIGHEST_ID}"
        )
    return Label(class_of_id(table)[ids.astype(np.int64)])


def plan(source: Path, options: Options) -> Plan:
    """What is made of PASCAL-Context."""
    root = folder_of(
        "PASCAL-Context", source, ("Context", ".", "VOC2010"), get=GET, holding="JPEGImages"
    )
    masks = folder_of("masks", root, ("trainval", "SegmentationClass"), get=GET)
    official = masks.name == "trainval"
    folder = folder_of(
        "lists", root, ("ImageSets/Main" if official else "ImageSets/Segmentation",), get=GET
    )
    lists = {name: read_ids(folder / f"{name}.txt") for name in PUBLISHED}
    disjoint({folder / f"{name}.txt": ids for name, ids in lists.items()})
    ids = [name for one in lists.values() for name in one]
    files = {name: masks / f"{name}.mat" for name in ids}
    present("masks", files, get=GET)
    pictures = find_images(root / "JPEGImages", ids, LAYOUT.image_suffixes)
    scribbles = find_scribbles(
        root, options, SCRIBBLE_FOLDERS, default=Raster("reference-1px"), get=GET_SCRIBBLES
    )
    read = partial(read_mask, table=options.context_table)
    jobs = [
        image_job(
            name,
            pictures[name],
            f"{LAYOUT.images}/{name}.jpg",
            [
                LabelFile("mask", files[name], f"{LAYOUT.masks}/{name}.png", read),
                *(scribbles.label_files(name, LAYOUT) if scribbles else ()),
            ],
            num_classes=len(LAYOUT.class_names),
        )
        for name in ids
    ]
    raster = scribbles.raster if scribbles else None
    return Plan(
        layout=LAYOUT,
        lists={f"ImageSets/Segmentation/{name}.txt": one for name, one in lists.items()},
        jobs=jobs,
        settings={
            "raster": raster.as_dict() if raster else "as published",
            "scribbles": scribbles.folder.name if scribbles else None,
        },
        remarks=(
            *(r for n, one in lists.items() for r in count_remark(n, one, PUBLISHED[n])),
            *scribble_remarks(scribbles, lists["train"], get=GET_SCRIBBLES),
        ),
    )


PREPARATION = Preparation(
    name="context",
    title="PASCAL-Context (59 classes and background), with ScribbleSup",
    source="JPEGImages, SegmentationClass/*.mat and ImageSets/Segmentation; or VOC2010 with "
    "trainval/*.mat in it",
    plan=plan,
    takes=("scribbles", "raster", "context_table"),
)
