"""PASCAL VOC 2012 with the masks of SBD and the ScribbleSup scribbles.

The source is ``VOCdevkit/VOC2012`` (or a folder above it)::

    JPEGImages/<id>.jpg
    SegmentationClass/<id>.png              official masks of train and val, a colour palette
    SegmentationClassAug/<id>.png           with SBD merged in, as many papers share it; or --sbd
    ImageSets/Segmentation/{train,val}.txt  1464 and 1449 ids

Without ``SegmentationClassAug``, masks of SBD fill in where VOC has none. The list ``trainaug`` is
every image with a mask that is not in ``val``, sorted: 10582. Without masks of SBD, it is every
image with a scribble that is not in ``val``: scribbles alone are enough to train.

Scribbles are found as ScribbleSup publishes them and as the methods repackage them: XML
(``scribble_annotation/pascal_2012``), and PNG (``pascal_2012_scribble`` of CDSP, ``ScribbleLabels``
of PFA with ``cls_labels.npy``, ``scribble_annotation/pascal_2012_label`` of BLPSeg).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.raster import Raster
from scribbleseg.data.image_folder import find_images
from scribbleseg.data.layout import Layout
from scribbleseg.data.layouts import voc, voc_blpseg, voc_pfa
from scribbleseg.data.preparation.cls_labels import cls_labels_file, read_cls_labels
from scribbleseg.data.preparation.dataset_files import tags_of_images
from scribbleseg.data.preparation.datasets.sbd import read_sbd_mask
from scribbleseg.data.preparation.labelled_images import Label, LabelFile, image_job
from scribbleseg.data.preparation.preparation import Options, Plan, Preparation, no_more
from scribbleseg.data.preparation.production import Job
from scribbleseg.data.preparation.scribble_files import (
    ScribbleFiles,
    find_scribbles,
    read_index_label,
    scribble_remarks,
)
from scribbleseg.data.preparation.source_tree import (
    count_remark,
    disjoint,
    files_by_id,
    folder_of,
    present,
    read_ids,
)
from scribbleseg.errors import DataError

__all__ = ["PREPARATION"]

PUBLISHED = {"train": 1464, "val": 1449, "trainaug": 10582}
GET = "get VOCtrainval_11-May-2012.tar from the home page of PASCAL VOC"
GET_SBD = "prepare SBD ('scribbleseg prepare sbd') and give its folder: --sbd DIR"
GET_SCRIBBLES = "get them from jifengdai.org/downloads/scribble_sup and give --scribbles DIR"
CLS_LABELS = "cls_labels.npy"

LAYOUTS = {"voc": voc.LAYOUT, "pfa": voc_pfa.LAYOUT, "blpseg": voc_blpseg.LAYOUT}
RASTERS = {
    "voc": Raster("line-3px"),
    "pfa": Raster("line-3px"),
    "blpseg": Raster("reference-1px"),
}
"""The rule that each form's published label images follow, as far as it is known."""

LIST_FOLDERS = ("ImageSets/Segmentation", "ImageSets/SegmentationAug", "ImageSets")
"""Of VOC itself, of CDSP and of PFA."""

PFA_FOLDER = "ScribbleLabels"
STROKES = "scribble_annotation/pascal_2012"
THICK = ("pascal_2012_scribble", PFA_FOLDER)
"""Label images of three pixels wide lines; those of ``_label`` below are one pixel wide."""
THIN = (STROKES, "pascal_2012", f"{STROKES}_label", "pascal_2012_label")
SCRIBBLE_FOLDERS = {
    "voc": (*THICK, *THIN),
    "pfa": (*THICK[::-1], *THIN),
    "blpseg": (*THIN, *THICK),
}
"""Where scribbles are looked for: first those that each form's published numbers were made with."""


def plan(source: Path, options: Options) -> Plan:
    """What is made of VOC."""
    root = folder_of(
        "VOC 2012", source, (".", "VOC2012", "VOCdevkit/VOC2012"), get=GET, holding="JPEGImages"
    )
    layout = LAYOUTS[options.form]
    folder = folder_of("lists", root, LIST_FOLDERS, get=GET, holding="train.txt")
    listed, val = read_ids(folder / "train.txt"), read_ids(folder / "val.txt")
    disjoint({folder / "train.txt": listed, folder / "val.txt": val})
    scribbles = _scribbles(root, options, val)
    masks, remarks = _masks(root, listed, val, options.sbd)
    if folder == root / LIST_FOLDERS[0]:
        lists = {"train": listed, "val": val}
        trainaug = _extended(folder / "train.txt", listed, val, masks, scribbles)
        lists |= {"trainaug": trainaug} if trainaug else {}
    else:  # packages that only keep the extended list, under the name of the official one
        lists = {"trainaug": listed, "val": val}
    ids = list(dict.fromkeys(name for one in lists.values() for name in one))
    pictures = find_images(root / "JPEGImages", ids, layout.image_suffixes)
    tags_file = _tags_file(scribbles)
    tags = read_cls_labels(tags_file, len(layout.class_names)) if tags_file else {}
    scored = frozenset(val) if options.form == "pfa" else frozenset()
    raster = scribbles.raster if scribbles else None
    return Plan(
        layout=replace(layout, scribbles=layout.scribbles if scribbles else None),
        lists=_list_files(options.form, lists),
        jobs=[
            _job(name, pictures[name], masks.get(name), scribbles, layout, name in scored)
            for name in ids
        ],
        tags=tags,
        more=partial(_cls_labels, tags) if options.form == "pfa" else no_more,
        settings={
            "raster": raster.as_dict() if raster else "as published",
            "scribbles": scribbles.folder.name if scribbles else None,
            "sbd": options.sbd is not None,
        },
        remarks=(
            *remarks,
            *(r for name, n in PUBLISHED.items() for r in count_remark(name, lists.get(name), n)),
            *scribble_remarks(scribbles, lists.get("trainaug", listed), get=GET_SCRIBBLES),
            *([f"tags are those of {tags_file}, not those of the scribbles"] if tags_file else []),
        ),
    )


def _scribbles(root: Path, options: Options, val: Sequence[str]) -> ScribbleFiles | None:
    found = find_scribbles(
        root,
        options,
        SCRIBBLE_FOLDERS[options.form],
        default=RASTERS[options.form],
        get=GET_SCRIBBLES,
    )
    if found is None and options.form != "voc":
        raise DataError(f"{root}: no scribbles for the form {options.form!r}; {GET_SCRIBBLES}")
    if found is None or found.folder.name != PFA_FOLDER:
        return found
    # There, what has the name of a validation image is its mask.
    masks = set(val)
    return replace(found, files={n: path for n, path in found.files.items() if n not in masks})


def _masks(
    root: Path, train: Sequence[str], val: Sequence[str], sbd: Path | None
) -> tuple[dict[str, Path], list[str]]:
    """The mask of each image, and remarks."""
    merged, official = root / "SegmentationClassAug", root / "SegmentationClass"
    if merged.is_dir():
        masks = files_by_id(merged, ".png")
        remarks = [f"--sbd is not used: {merged} is there"] if sbd else []
    elif official.is_dir():
        masks = (_sbd_masks(sbd) if sbd else {}) | files_by_id(official, ".png")
        remarks = [] if sbd else [f"no masks but those of VOC itself: {GET_SBD}"]
        present("masks", {name: official / f"{name}.png" for name in train}, get=GET)
    elif (root / PFA_FOLDER).is_dir():
        masks = {name: root / PFA_FOLDER / f"{name}.png" for name in val}
        remarks = [f"only the images of val have masks, those in {root / PFA_FOLDER}"]
    else:
        raise DataError(f"{root}: no SegmentationClass or SegmentationClassAug; {GET}")
    present("masks", {name: masks.get(name, merged / f"{name}.png") for name in val}, get=GET)
    return masks, remarks


def _extended(
    path: Path,
    train: Sequence[str],
    val: Sequence[str],
    masks: Mapping[str, Path],
    scribbles: ScribbleFiles | None,
) -> list[str]:
    """The list ``trainaug``; empty if nothing extends VOC.

    Raises:
        DataError: An image of the list ``train`` is not in it.
    """
    extended = set(masks)
    if extended <= {*train, *val}:
        extended = set(scribbles.files) if scribbles else set()
    lacking = sorted({*train} - extended)
    if extended and lacking:
        raise DataError(
            f"{path}: {some(lacking)} ({len(lacking)} of {len(train)}) have no mask or scribble "
            "where all the others have one; get the files again"
        )
    return sorted(extended - {*val})


def _sbd_masks(folder: Path) -> dict[str, Path]:
    for place, suffix in (
        ("SegmentationClass", ".png"),
        ("cls", ".mat"),
        ("dataset/cls", ".mat"),
        ("benchmark_RELEASE/dataset/cls", ".mat"),
    ):
        if (folder / place).is_dir() and (found := files_by_id(folder / place, suffix)):
            return found
    raise DataError(f"{folder}: no masks of SBD (SegmentationClass/*.png or cls/*.mat); {GET_SBD}")


def _read_mask(path: Path) -> Label:
    return read_sbd_mask(path) if path.suffix == ".mat" else read_index_label(path)


def _tags_file(scribbles: ScribbleFiles | None) -> Path | None:
    """The tags that PFA publishes beside its scribbles."""
    path = scribbles.folder.parent / CLS_LABELS if scribbles else None
    return path if path is not None and path.is_file() else None


def _job(
    name: str,
    picture: Path,
    mask: Path | None,
    scribbles: ScribbleFiles | None,
    layout: Layout,
    scored: bool,
) -> Job:
    """Makes the files of an image; ``scored`` if PFA looks for its mask among the scribbles."""
    labels, more = [], []
    if mask is not None:
        labels.append(LabelFile("mask", mask, f"{layout.masks}/{name}.png", _read_mask))
    if mask is not None and scored:
        path = f"{layout.scribbles}/{name}.png"
        labels.append(LabelFile("mask among scribbles", mask, path, _read_mask))
    elif scribbles is not None:
        labels += scribbles.label_files(name, layout)
        drawn = scribbles.raster is not None and name in scribbles.files
        if layout is voc_blpseg.LAYOUT and drawn:
            more = [(scribbles.files[name], f"{STROKES}/{name}.xml")]
    return image_job(
        name,
        picture,
        f"{layout.images}/{name}.jpg",
        labels,
        num_classes=len(layout.class_names),
        more=more,
    )


def _list_files(form: str, lists: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """The ids of each list, by the file in which the form keeps it."""
    longest = {"train": lists.get("trainaug", lists.get("train", [])), "val": lists["val"]}
    if form == "pfa":
        return {f"ImageSets/{name}.txt": ids for name, ids in longest.items()}
    folder = "VOC2012/ImageSets" if form == "blpseg" else "ImageSets"
    files = {f"{folder}/Segmentation/{name}.txt": ids for name, ids in lists.items()}
    if form == "voc":
        files |= {f"{folder}/SegmentationAug/{name}.txt": ids for name, ids in longest.items()}
    return files


def _cls_labels(
    known: Mapping[str, Sequence[int]], facts: Mapping[str, Mapping[str, Any]]
) -> dict[str, str | bytes]:
    """PFA's file of tags."""
    return {CLS_LABELS: cls_labels_file(tags_of_images(facts, known), len(voc.LAYOUT.class_names))}


PREPARATION = Preparation(
    name="voc",
    title="PASCAL VOC 2012 (21 classes), with SBD and ScribbleSup",
    source="VOCdevkit/VOC2012 with JPEGImages, SegmentationClass and ImageSets/Segmentation",
    plan=plan,
    takes=("scribbles", "raster", "form", "sbd"),
)
