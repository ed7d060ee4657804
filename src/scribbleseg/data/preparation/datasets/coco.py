"""MS COCO 2014: semantic masks drawn from the instance annotations, and the scribbles of CSPNet.

::

    train2014/COCO_train2014_<number>.jpg     also below images/ or JPEGImages/
    val2014/COCO_val2014_<number>.jpg
    annotations/instances_{train,val}2014.json
    coco2014_train_scribble_{r1,r2,r3}/<id>.png    CSPNet; there, or with --scribbles

Class k is the k-th category by its id. Of things that overlap, the smaller one is in front: the
rule of github alicranck/coco2voc, to which ToCo refers. A crowd is a thing like any other, or
unlabelled with ``--crowd ignore``. The lists are the images in which something is annotated: 82081
and 40137, those of ToCo.

The larger of the two annotation files (330 MB) is read whole, but taken apart piece by piece: about
1 GB of memory. Each image's job then holds its own annotations only.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.run_length import coco_text_runs, listed_runs, painted_rows
from scribbleseg.annotation.stroke import check_points
from scribbleseg.annotation.untrusted import number, optional_package
from scribbleseg.data.layouts import coco, scribble_coco
from scribbleseg.data.preparation.labelled_images import Label, LabelFile, image_job
from scribbleseg.data.preparation.preparation import Options, Plan, Preparation
from scribbleseg.data.preparation.production import Job
from scribbleseg.data.preparation.scribble_files import find_variants, scribble_remarks
from scribbleseg.data.preparation.source_tree import ID, count_remark, folder_of, present
from scribbleseg.errors import DataError

__all__ = ["PREPARATION"]

PUBLISHED = {"train": 82081, "val": 40137}
GET = "get train2014.zip, val2014.zip and annotations_trainval2014.zip from cocodataset.org"
VARIANT_FOLDERS = ("coco2014_train_scribble_{}",)
GET_SCRIBBLES = "get them from github Zxl19990529/ScribbleSimulation, or simulate some"

EXTRA = "formats"
NUM_CLASSES = len(coco.LAYOUT.class_names)
MOST_BYTES = 1 << 30
MOST_POINTS = 100_000
"""Of one polygon; pycocotools keeps five integers for each and its edges' pixels."""

Crowd = Literal["class", "ignore"]


@dataclass
class Annotated:
    """A picture of an annotation file.

    Args:
        name: Its id.
        file_name: Of the picture.
        size: Height and width in pixels.
        annotations: Each still as JSON text.
    """

    name: str
    file_name: str
    size: tuple[int, int]
    annotations: list[str] = field(default_factory=list)


def plan(source: Path, options: Options) -> Plan:
    """What is made of COCO."""
    optional_package("pycocotools.mask", EXTRA)  # now, not in the middle of 120000 pictures
    variants = find_variants(source, options, VARIANT_FOLDERS)
    layout = coco.LAYOUT
    if variants:
        folder = VARIANT_FOLDERS[0].format(next(iter(variants)))
        layout = replace(scribble_coco.LAYOUT, scribbles=folder)
    lists: dict[str, list[str]] = {}
    jobs: list[Job] = []
    for split in PUBLISHED:
        path = source / f"annotations/instances_{split}2014.json"
        pictures = folder_of(
            f"pictures ({split})",
            source,
            [f"{above}{split}2014" for above in ("", "images/", "JPEGImages/")],
            get=GET,
        )
        images, classes = read_annotations(path)
        annotated = sorted(
            (image for image in images if image.annotations), key=lambda image: image.name
        )
        files = {image.name: pictures / image.file_name for image in annotated}
        present("pictures", files, get=GET)
        lists[split] = [image.name for image in annotated]
        for image in annotated:
            read = partial(_read_mask, image=image, classes=classes, crowd=options.crowd)
            labels = [LabelFile("mask", path, f"{layout.masks}/{image.name}.png", read)]
            for variant, scribbles in variants.items():
                where = replace(layout, scribbles=VARIANT_FOLDERS[0].format(variant))
                labels += scribbles.label_files(image.name, where)
            picture = f"{layout.images}/{image.name}.jpg"
            jobs.append(
                image_job(image.name, files[image.name], picture, labels, num_classes=NUM_CLASSES)
            )
    first = next(iter(variants.values()), None)
    return Plan(
        layout=layout,
        lists={f"ImageSets/SegmentationAug/{split}.txt": ids for split, ids in lists.items()},
        jobs=jobs,
        settings={"scribbles": sorted(variants)},
        remarks=(
            *(r for split, n in PUBLISHED.items() for r in count_remark(split, lists[split], n)),
            *scribble_remarks(first, lists["train"], get=GET_SCRIBBLES),
        ),
    )


def read_annotations(path: Path) -> tuple[list[Annotated], dict[int, int]]:
    """The pictures of an annotation file with their annotations, and the class of each category.

    Raises:
        DataError: The file is missing, too large or not as COCO writes it.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; {GET}")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path}: more than {MOST_BYTES >> 20} MB; that is not COCO 2014")
    try:
        text = path.read_text(encoding="utf-8-sig")
        images: dict[int, Annotated] = {}
        pieces: list[tuple[int, int, str]] = []
        categories: Any = None
        for key, value, piece in _members(text):
            if key == "images":
                images = _images(path, value)
            elif key == "categories":
                categories = value
            elif key == "annotations":
                pieces.append((value["image_id"], value["category_id"], piece))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; get the file again") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); get the file again") from None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: not as COCO writes it ({type(error).__name__}: {error}); {GET}"
        ) from None
    known = _class_of_category(path, categories)
    for image_id, category_id, piece in pieces:
        numbers = isinstance(image_id, int) and isinstance(category_id, int)
        if not numbers or image_id not in images or category_id not in known:
            raise DataError(
                f"{path}: an annotation of image {image_id!r} and category {category_id!r}, "
                f"which the file does not have; {GET}"
            )
        images[image_id].annotations.append(piece)
    return list(images.values()), known


def _members(text: str) -> Iterator[tuple[str, Any, str]]:
    """The members of a JSON object; those of the list ``annotations`` one by one, with their text.

    Raises:
        JSONDecodeError: The text is no JSON object.
    """
    decode = json.JSONDecoder().raw_decode

    def skip(at: int, expected: str = "") -> int:
        """The next place that is no white space, after the expected character."""
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if not expected:
            return at
        if text[at : at + 1] != expected:
            raise json.JSONDecodeError(f"expected {expected}", text, at)
        return skip(at + 1)

    at = skip(skip(0), "{")
    while text[at : at + 1] != "}":
        key, at = decode(text, at)
        at = skip(at, ":")
        if key == "annotations":
            at = skip(at, "[")
            while text[at : at + 1] != "]":
                value, end = decode(text, at)
                yield key, value, text[at:end]
                at = skip(end)
                at = at if text[at : at + 1] == "]" else skip(at, ",")
            at = skip(at, "]")
        else:
            value, at = decode(text, at)
            yield key, value, ""
            at = skip(at)
        at = at if text[at : at + 1] == "}" else skip(at, ",")


def _images(path: Path, entries: Any) -> dict[int, Annotated]:
    images: dict[int, Annotated] = {}
    names: set[str] = set()
    for entry in entries:
        file_name, height, width = entry["file_name"], entry["height"], entry["width"]
        name = Path(file_name).stem if isinstance(file_name, str) else ""
        if ID.fullmatch(name) is None or file_name != f"{name}.jpg":
            raise DataError(f"{path}: picture {file_name!r} is no file name <id>.jpg")
        if entry["id"] in images or name in names:
            raise DataError(f"{path}: picture {file_name!r} is listed twice; {GET}")
        if not all(isinstance(side, int) and 0 < side < 1 << 16 for side in (height, width)):
            raise DataError(f"{path}: picture {file_name!r} of {width!r}x{height!r} pixels")
        names.add(name)
        images[entry["id"]] = Annotated(name, file_name, (height, width))
    return images


def _class_of_category(path: Path, categories: Any) -> dict[int, int]:
    """The class of each category id.

    Raises:
        DataError: They are not the 80 of COCO in this order.
    """
    try:
        named = sorted((entry["id"], entry["name"]) for entry in categories)
    except (KeyError, TypeError):
        named = []
    if tuple(name for _, name in named) != coco.LAYOUT.class_names[1:]:
        raise DataError(
            f"{path}: {len(named)} categories that are not the 80 of COCO; for a dataset of your "
            "own use 'scribbleseg import coco'"
        )
    return {category_id: index for index, (category_id, _) in enumerate(named, start=1)}


def _read_mask(path: Path, *, image: Annotated, classes: Mapping[int, int], crowd: Crowd) -> Label:
    """The semantic mask of a picture: the smaller of two things is in front.

    Args:
        path: The annotation file, for messages.
        image: The picture and its annotations.
        classes: Class of each category id.
        crowd: What regions of many things become.

    Raises:
        DataError: An annotation is not as COCO writes it.
    """
    mask = np.zeros(image.size, np.uint8)
    things = []
    for piece in image.annotations:
        thing = json.loads(piece)
        where = f"{path}: annotation {thing.get('id')!r:.40} of {image.name}"
        things.append((number(f"{where}: area", thing.get("area")), where, thing))
    things.sort(key=lambda thing: thing[0])
    remarks = []
    for _, where, thing in reversed(things):
        pixels = _pixels(where, thing.get("segmentation"), image.size)
        if pixels is None:
            remarks.append(f"{where}: no polygon of three points or more, left out")
            continue
        ignored = crowd == "ignore" and thing.get("iscrowd") == 1
        mask[pixels] = coco.LAYOUT.ignore_index if ignored else classes[thing["category_id"]]
    return Label(mask, tuple(remarks))


def _pixels(where: str, segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """The pixels of a thing, ``(H, W)``; None if its polygons enclose nothing."""
    if isinstance(segmentation, list) and all(isinstance(one, list) for one in segmentation):
        outlines = [_outline(where, one, size) for one in segmentation if len(one) >= 6]
        if not outlines:
            return None
        masks = optional_package("pycocotools.mask", EXTRA)
        counts = masks.merge(masks.frPyObjects(outlines, *size))["counts"].decode()
    elif isinstance(segmentation, dict) and segmentation.get("size") == list(size):
        counts = segmentation.get("counts")
    else:
        raise DataError(
            f"{where}: 'segmentation' is {segmentation!r:.60}; expected polygons, or runs of size "
            f"{list(size)}"
        )
    if isinstance(counts, str):
        runs = coco_text_runs(where, counts)
    else:
        runs = listed_runs(where, counts if isinstance(counts, list) else [None])
    # COCO counts column by column.
    first, columns = painted_rows(where, runs, size[1], size[0])
    pixels = np.zeros(size, bool)
    pixels[:, first : first + len(columns)] = columns.T
    return pixels


def _outline(where: str, polygon: list[Any], size: tuple[int, int]) -> list[float]:
    """A polygon ``x, y, x, y, ...`` that is safe to hand to a library in C."""
    if len(polygon) % 2 or len(polygon) > 2 * MOST_POINTS:
        raise DataError(f"{where}: polygon of {len(polygon)} numbers")
    points = check_points(where, [polygon[at : at + 2] for at in range(0, len(polygon), 2)])
    sides = np.array(size[::-1])
    if ((points < -sides) | (points > 2 * sides)).any():
        raise DataError(f"{where}: polygon far outside the picture")
    flat: list[float] = points.ravel().tolist()
    return flat


PREPARATION = Preparation(
    name="coco",
    title="MS COCO 2014 (80 classes and background), and ScribbleCOCO",
    source="train2014, val2014 and annotations/instances_{train,val}2014.json",
    plan=plan,
    takes=("scribbles", "variant", "crowd"),
    extra=EXTRA,
)
