"""The files of Cityscapes: pictures by split and city, masks as ids, colours or polygons."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from scribbleseg.annotation.label_image import Color, LabelImage, read_label
from scribbleseg.annotation.stroke import check_points
from scribbleseg.annotation.untrusted import read_json
from scribbleseg.data.preparation.color_mask import read_color_mask
from scribbleseg.data.preparation.labelled_images import Label, LabelFile
from scribbleseg.data.preparation.source_tree import count_remark, files_by_id, folder_of
from scribbleseg.errors import DataError

__all__ = ["IDS", "StreetScene", "find_scenes", "scene_remarks"]

PUBLISHED = {"train": 2975, "val": 500, "test": 1525}
GET = "get leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from cityscapes-dataset.com"
PICTURE, MASK = "_leftImg8bit.png", "_gtFine_"
MOST_OBJECTS = 100_000

# fmt: off
IDS: dict[str, tuple[int, Color]] = {
    "unlabeled": (0, (0, 0, 0)), "ego vehicle": (1, (0, 0, 0)),
    "rectification border": (2, (0, 0, 0)), "out of roi": (3, (0, 0, 0)),
    "static": (4, (0, 0, 0)), "dynamic": (5, (111, 74, 0)), "ground": (6, (81, 0, 81)),
    "road": (7, (128, 64, 128)), "sidewalk": (8, (244, 35, 232)), "parking": (9, (250, 170, 160)),
    "rail track": (10, (230, 150, 140)), "building": (11, (70, 70, 70)),
    "wall": (12, (102, 102, 156)), "fence": (13, (190, 153, 153)),
    "guard rail": (14, (180, 165, 180)), "bridge": (15, (150, 100, 100)),
    "tunnel": (16, (150, 120, 90)), "pole": (17, (153, 153, 153)),
    "polegroup": (18, (153, 153, 153)), "traffic light": (19, (250, 170, 30)),
    "traffic sign": (20, (220, 220, 0)), "vegetation": (21, (107, 142, 35)),
    "terrain": (22, (152, 251, 152)), "sky": (23, (70, 130, 180)), "person": (24, (220, 20, 60)),
    "rider": (25, (255, 0, 0)), "car": (26, (0, 0, 142)), "truck": (27, (0, 0, 70)),
    "bus": (28, (0, 60, 100)), "caravan": (29, (0, 0, 90)), "trailer": (30, (0, 0, 110)),
    "train": (31, (0, 80, 100)), "motorcycle": (32, (0, 0, 230)), "bicycle": (33, (119, 11, 32)),
}
# fmt: on
"""Number and colour of each label of Cityscapes; license plates are part of the car."""


@dataclass(frozen=True)
class StreetScene:
    """A picture of Cityscapes.

    Args:
        name: ``<city>_<sequence>_<frame>``.
        split: train, val or test.
        picture: Its file.
        mask: The file of its mask, None for those of ``test``.
    """

    name: str
    split: str
    picture: Path
    mask: Path | None

    def label_files(self, folder: str, classes: Mapping[str, int], rest: int) -> list[LabelFile]:
        """The mask of the scene; none if it is kept back.

        Args:
            folder: Where it goes.
            classes: Label of names of `IDS`.
            rest: Label of all others.
        """
        if self.mask is None:
            return []
        table = np.full(256, rest, np.uint8)
        for name, index in classes.items():
            table[IDS[name][0]] = index
        read = partial(_read_mask, table=tuple(table.tolist()))
        return [LabelFile("mask", self.mask, f"{folder}/{self.name}.png", read)]


def find_scenes(source: Path) -> list[StreetScene]:
    """The scenes of all splits, in the order of splits, cities and names.

    Raises:
        DataError: Folders, pictures or masks are missing.
    """
    root = folder_of("Cityscapes", source, (".", "cityscapes"), get=GET, holding="leftImg8bit")
    annotations = folder_of("masks", root, ("gtFine",), get=GET)
    scenes: list[StreetScene] = []
    for split in PUBLISHED:
        folder = root / "leftImg8bit" / split
        if split == "test" and not folder.is_dir():
            continue
        folder_of(f"pictures ({split})", root, (f"leftImg8bit/{split}",), get=GET)
        for city in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
            for name, picture in files_by_id(city, PICTURE).items():
                mask = None if split == "test" else _mask_of(annotations / split / city.name, name)
                scenes.append(StreetScene(name, split, picture, mask))
    for split in ("train", "val"):
        if all(scene.split != split for scene in scenes):
            raise DataError(f"{root / 'leftImg8bit' / split}: no pictures *{PICTURE}; {GET}")
    return scenes


def scene_remarks(scenes: list[StreetScene]) -> list[str]:
    """Says what is not as published."""
    remarks: list[str] = []
    for split, published in PUBLISHED.items():
        ids = [scene.name for scene in scenes if scene.split == split]
        remarks += count_remark(split, ids or None, published)
    if any(scene.mask is not None and scene.mask.name.endswith("color.png") for scene in scenes):
        remarks.append("masks from colours: groups of poles become poles, which have the same one")
    return remarks


def _mask_of(folder: Path, name: str) -> Path:
    """The mask of a scene: ids, or else polygons, or else colours.

    Raises:
        DataError: There is none.
    """
    for ending in ("labelIds.png", "polygons.json", "color.png"):
        path = folder / f"{name}{MASK}{ending}"
        if path.is_file():
            return path
    raise DataError(f"{folder}: no {name}{MASK}labelIds.png (nor polygons.json, color.png); {GET}")


def _read_mask(path: Path, *, table: tuple[int, ...]) -> Label:
    """The mask of a scene, by the table from the numbers of `IDS` to labels."""
    ids: LabelImage
    if path.suffix == ".json":
        ids = _drawn(path)
    elif path.name.endswith("color.png"):
        number_of_color: dict[Color, int] = {}
        for number, color in IDS.values():
            number_of_color.setdefault(color, number)
        ids = read_color_mask(path, number_of_color)
    else:
        ids = read_label(path)
    if ids.max() >= len(IDS):
        raise DataError(f"{path}: id {ids.max()}; expected the ids of Cityscapes, 0..33")
    return Label(np.array(table, np.uint8)[ids])


def _drawn(path: Path) -> NDArray[np.uint8]:
    """The ids of a polygon file, drawn as its authors do: in their order, one over the other."""
    try:
        content = read_json(path)
        width, height, objects = content["imgWidth"], content["imgHeight"], content["objects"]
        if not all(isinstance(side, int) and 0 < side < 1 << 14 for side in (width, height)):
            raise DataError(f"{path}: picture of {width!r}x{height!r} pixels")
        if len(objects) > MOST_OBJECTS:
            raise DataError(f"{path}: {len(objects)} objects")
        image = Image.new("L", (width, height), 0)
        draw = ImageDraw.Draw(image)
        for position, one in enumerate(objects, start=1):
            _draw(draw, f"{path}: object {position}", one)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not as Cityscapes writes it ({type(error).__name__}: {error}); {GET}"
        ) from None
    return np.array(image)


def _draw(draw: ImageDraw.ImageDraw, where: str, one: Any) -> None:
    name = one["label"]
    if one.get("deleted") or name == "license plate":
        return
    # Several things in one outline: "cargroup".
    known = name if name in IDS else name.removesuffix("group")
    if known not in IDS:
        raise DataError(f"{where}: label {name!r:.40} is none of Cityscapes")
    points = check_points(where, one["polygon"])
    if len(points) < 2:
        raise DataError(f"{where}: polygon of {len(points)} points")
    draw.polygon([(x, y) for x, y in points.tolist()], fill=IDS[known][0])
