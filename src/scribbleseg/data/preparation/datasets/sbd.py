"""The Semantic Boundaries Dataset: masks of 11355 pictures of VOC 2011, in Matlab files.

::

    cls/<id>.mat      struct GTcls with the field Segmentation: 0..20, no void rim
    img/<id>.jpg
    train.txt 8498, val.txt 2857    (not the lists of VOC: many of VOC's val are in SBD's train)

``prepare voc --sbd`` takes this folder, or what is made of it here. B. Hariharan et al., ICCV 2011.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from scribbleseg.data.image_folder import find_images
from scribbleseg.data.layouts import voc
from scribbleseg.data.preparation.labelled_images import Label, LabelFile, image_job
from scribbleseg.data.preparation.matlab_file import read_matlab
from scribbleseg.data.preparation.preparation import Options, Plan, Preparation
from scribbleseg.data.preparation.source_tree import (
    count_remark,
    disjoint,
    folder_of,
    present,
    read_ids,
)
from scribbleseg.errors import DataError

__all__ = ["PREPARATION", "read_sbd_mask"]

PUBLISHED = {"train": 8498, "val": 2857}
GET = "unpack benchmark.tgz of SBD (home.bharathh.info/pubs/codes/SBD)"

LAYOUT = replace(
    voc.LAYOUT,
    name="sbd",
    scribbles=None,
    masks="SegmentationClass",
    raster="no scribbles",
)


def read_sbd_mask(path: Path) -> Label:
    """The mask of an SBD file, 0..20.

    Raises:
        DataError: It is no such file, or holds something else than classes.
    """
    mask = read_matlab(path, "GTcls", "Segmentation")
    if ((mask < 0) | (mask > 20) | (mask % 1 != 0)).any():
        raise DataError(f"{path}: values from {mask.min()} to {mask.max()}; expected classes 0..20")
    return Label(mask.astype(np.uint8))


def plan(source: Path, options: Options) -> Plan:
    """What is made of SBD."""
    root = folder_of("SBD", source, ("benchmark_RELEASE/dataset", "dataset", "."), get=GET)
    masks = folder_of("masks", root, ("cls",), get=GET)
    lists = {name: read_ids(root / f"{name}.txt") for name in PUBLISHED}
    disjoint({root / f"{name}.txt": ids for name, ids in lists.items()})
    ids = [name for one in lists.values() for name in one]
    pictures = find_images(root / "img", ids, (".jpg",))
    files = {name: masks / f"{name}.mat" for name in ids}
    present("masks", files, get=GET)
    jobs = [
        image_job(
            name,
            pictures[name],
            f"{LAYOUT.images}/{name}.jpg",
            [LabelFile("mask", files[name], f"{LAYOUT.masks}/{name}.png", read_sbd_mask)],
            num_classes=len(LAYOUT.class_names),
        )
        for name in ids
    ]
    return Plan(
        layout=LAYOUT,
        lists={f"ImageSets/Segmentation/{name}.txt": one for name, one in lists.items()},
        jobs=jobs,
        remarks=tuple(
            remark
            for name, one in lists.items()
            for remark in count_remark(name, one, PUBLISHED[name])
        ),
    )


PREPARATION = Preparation(
    name="sbd",
    title="SBD (masks of 11355 pictures of VOC)",
    source="benchmark_RELEASE/dataset with cls/*.mat, img/*.jpg, train.txt and val.txt",
    plan=plan,
)
