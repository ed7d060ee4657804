"""Small trees in the form in which datasets are published, drawn in a blink."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scribbleseg.annotation.label_image import write_label
from scribbleseg.data.layouts.coco import LAYOUT as COCO

SIZE = (24, 32)
"""Height and width of most pictures."""

XML = """<?xml version="1.0"?>
<annotation><filename>{name}.jpg</filename>
<size><width>{width}</width><height>{height}</height><depth>3</depth></size><segmented>1</segmented>
{polygons}</annotation>
"""


def picture(path: Path, seed: int, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def mask_of(seed: int, num_classes: int = 21, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Two boxes of different classes on the background, the first with a void rim."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(size, np.uint8)
    first, second = rng.choice(np.arange(1, num_classes), 2, replace=False)
    mask[3:12, 2:14], mask[4:11, 3:13] = 255, first
    mask[14:22, 16:30] = second
    return mask


def strokes_of(mask: np.ndarray) -> np.ndarray:
    scribble = np.full(mask.shape, 255, np.uint8)
    scribble[7, 5:11], scribble[18, 18:28], scribble[1, 2:30] = mask[7, 5:11], mask[18, 18:28], 0
    return scribble


def write_ids(path: Path, ids: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in ids))


def write_strokes(path: Path, lines: Mapping[str, Sequence[tuple[int, int]]]) -> None:
    """A ScribbleSup file; points are x, y."""
    path.parent.mkdir(parents=True, exist_ok=True)
    polygons = "".join(
        f"<polygon><tag>{tag}</tag>"
        + "".join(f"<point><X>{x}</X><Y>{y}</Y></point>" for x, y in points)
        + "</polygon>"
        for tag, points in lines.items()
    )
    height, width = SIZE
    path.write_text(XML.format(name=path.stem, height=height, width=width, polygons=polygons))


VOC_TRAIN = ("2007_000032", "2008_000008")
VOC_VAL = ("2007_000033", "2009_000100")
VOC_EXTRA = ("2008_000003", "2010_000001", "2011_000006")
STROKES = {
    "plane": [(3, 7), (20, 7)],
    "person": [(18, 18), (28, 20)],
    "background": [(1, 1), (9, 1)],
}


def voc(root: Path, *, merged: bool = True, strokes: bool = True) -> Path:
    """VOCdevkit/VOC2012: official train and val; ``merged`` with SegmentationClassAug."""
    devkit = root / "VOCdevkit"
    folder = devkit / "VOC2012"
    for seed, name in enumerate((*VOC_TRAIN, *VOC_VAL, *VOC_EXTRA)):
        picture(folder / f"JPEGImages/{name}.jpg", seed)
        if name not in VOC_EXTRA:
            write_label(folder / f"SegmentationClass/{name}.png", mask_of(seed))
        if merged:
            write_label(folder / f"SegmentationClassAug/{name}.png", mask_of(seed))
        if strokes:
            write_strokes(devkit / f"scribble_annotation/pascal_2012/{name}.xml", STROKES)
    write_ids(folder / "ImageSets/Segmentation/train.txt", VOC_TRAIN)
    write_ids(folder / "ImageSets/Segmentation/val.txt", VOC_VAL)
    return folder


def sbd(root: Path) -> Path:
    """benchmark_RELEASE/dataset: a train image of VOC, a val image of VOC, and the extra ones."""
    from scipy.io import savemat

    folder = root / "benchmark_RELEASE/dataset"
    (folder / "cls").mkdir(parents=True)
    ids = [VOC_TRAIN[1], VOC_VAL[0], *VOC_EXTRA]
    for seed, name in enumerate(ids, start=100):
        picture(folder / f"img/{name}.jpg", seed)
        mask = mask_of(seed)
        mask[mask == 255] = 0
        savemat(
            folder / f"cls/{name}.mat",
            {"GTcls": {"Segmentation": mask, "Boundaries": 1.0, "CategoriesPresent": [1.0]}},
            do_compression=True,
        )
    write_ids(folder / "train.txt", ids[:3])
    write_ids(folder / "val.txt", ids[3:])
    return folder


def context(root: Path, *, official: bool = False) -> Path:
    """The form of BLPSeg, or VOC2010 with trainval.tar.gz unpacked in it."""
    from scipy.io import savemat

    folder = root / ("VOC2010" if official else "Context")
    for seed, name in enumerate(("2008_000002", "2008_000003", "2008_000004")):
        picture(folder / f"JPEGImages/{name}.jpg", seed)
        ids = np.random.default_rng(seed).integers(0, 460, SIZE).astype(np.uint16)
        ids[0, :6] = 9, 18, 19, 22, 0, 459
        path = folder / ("trainval" if official else "SegmentationClass") / f"{name}.mat"
        path.parent.mkdir(exist_ok=True)
        savemat(path, {"LabelMap": ids}, do_compression=True)
        lines = {"wood": [(2, 2), (9, 9)], "plane": [(12, 5), (20, 5)]}
        write_strokes(root / f"scribble_annotation/pascal_context/{name}.xml", lines)
    lists = folder / ("ImageSets/Main" if official else "ImageSets/Segmentation")
    write_ids(lists / "train.txt", ("2008_000002", "2008_000004"))
    write_ids(lists / "val.txt", ("2008_000003",))
    if official:  # the lists of VOC's own segmentation task are not those of Context
        write_ids(folder / "ImageSets/Segmentation/train.txt", ("2008_000002",))
        write_ids(folder / "ImageSets/Segmentation/val.txt", ("2008_000003",))
    return folder


COCO_IDS = [
    number for number in range(1, 91) if number not in {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
]
"""The 80 ids of COCO's categories."""


def coco(root: Path) -> Path:
    """Two training pictures with annotations and one without, one for validation."""
    height, width = SIZE
    categories = [
        {"supercategory": "thing", "id": number, "name": name}
        for number, name in zip(COCO_IDS, COCO.class_names[1:], strict=True)
    ]
    for split, numbers in (("train", (9, 25, 30)), ("val", (42,))):
        images, annotations = [], []
        for number in numbers:
            name = f"COCO_{split}2014_{number:012d}.jpg"
            picture(root / f"{split}2014/{name}", number)
            images.append({"id": number, "file_name": name, "height": height, "width": width})
            if number != 30:
                annotations += _things(number)
        content = {
            "info": {"description": "COCO 2014 \u00e9"},
            "images": images,
            "licenses": [],
            "annotations": annotations,
            "categories": categories,
        }
        path = root / f"annotations/instances_{split}2014.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return root


def coco_runs(counts: bytes) -> list[int]:
    """Run lengths from COCO's text, decoded one character after another."""
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs


def _things(image: int) -> list[dict[str, object]]:
    """A large toothbrush (90) with a small person (1) before it, and a crowd of zebras (24)."""
    height, width = SIZE
    crowd = np.zeros(SIZE, np.uint8)
    crowd[20:23, 2:9] = 1
    flat = crowd.T.ravel()
    ends = np.append(np.flatnonzero(np.diff(flat)) + 1, flat.size)
    runs = np.diff(ends, prepend=0).tolist()
    common = {"image_id": image, "bbox": [0, 0, 1, 1]}
    return [
        {
            "id": 10 * image,
            "category_id": 1,
            "iscrowd": 0,
            "area": 30.0,
            "segmentation": [[6.0, 6.0, 12.0, 6.0, 12.0, 11.0, 6.0, 11.0]],
            **common,
        },
        {
            "id": 10 * image + 1,
            "category_id": 90,
            "iscrowd": 0,
            "area": 200.5,
            "segmentation": [
                [2.0, 2.0, 20.0, 2.0, 20.0, 15.0, 2.0, 15.0],
                [25.0, 2.0, 29.0, 2.0, 29.0, 8.0, 25.0, 8.0],
            ],
            **common,
        },
        {
            "id": 10 * image + 2,
            "category_id": 24,
            "iscrowd": 1,
            "area": 21,
            "segmentation": {"counts": runs, "size": [height, width]},
            **common,
        },
    ]


CITIES = {"train": ("aachen", "zurich"), "val": ("munster",), "test": ("berlin",)}


def cityscapes(root: Path, form: str = "labelIds") -> Path:
    """One scene a city; masks as ``labelIds``, ``polygons`` or ``color``."""
    for split, cities in CITIES.items():
        for city in cities:
            name = f"{city}_000000_000019"
            picture(root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", len(city))
            folder = root / f"gtFine/{split}/{city}"
            folder.mkdir(parents=True)
            objects = [
                ("road", [[0, 12], [31, 12], [31, 23], [0, 23]]),
                ("sky", [[0, 0], [31, 0], [31, 4], [0, 4]]),
                ("cargroup", [[4, 10], [12, 10], [12, 16], [4, 16]]),
                ("license plate", [[6, 14], [8, 14], [8, 15], [6, 15]]),
                ("polegroup", [[20, 2], [22, 2], [22, 20], [20, 20]]),
                ("rider", [[26, 8], [29, 8], [29, 14], [26, 14]]),
            ]
            if form == "polygons":
                content = {
                    "imgHeight": SIZE[0],
                    "imgWidth": SIZE[1],
                    "objects": [{"label": label, "polygon": points} for label, points in objects],
                }
                (folder / f"{name}_gtFine_polygons.json").write_text(json.dumps(content))
                continue
            ids = np.zeros(SIZE, np.uint8)
            for number, (label, points) in zip((7, 23, 26, 26, 18, 25), objects, strict=True):
                del label
                (left, top), (right, bottom) = points[0], points[2]
                ids[top : bottom + 1, left : right + 1] = number
            if form == "color":
                colors = {0: (0, 0, 0), 7: (128, 64, 128), 23: (70, 130, 180), 26: (0, 0, 142)}
                colors |= {18: (153, 153, 153), 25: (255, 0, 0)}
                table = np.zeros((256, 4), np.uint8)
                for number, color in colors.items():
                    table[number] = (*color, 255)
                Image.fromarray(table[ids]).save(folder / f"{name}_gtFine_color.png")
            else:
                Image.fromarray(ids).save(folder / f"{name}_gtFine_labelIds.png")
    return root


def heart(seed: int, slices: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture, mask and scribble of a volume, ``(Z, H, W)``, the scribble with 4 for nothing."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 900, (slices, *SIZE)).astype(np.int16)
    masks = np.zeros((slices, *SIZE), np.uint8)
    masks[:, 6:18, 6:12], masks[:, 6:18, 12:24], masks[:, 9:15, 15:21] = 1, 2, 3
    scribbles = np.full((slices, *SIZE), 4, np.uint16)
    for row, value in ((8, 1), (7, 2), (11, 3)):
        columns = slice(7, 11) if value == 1 else slice(15, 20)
        scribbles[:, row, columns] = value
    scribbles[:, 2, 3:28] = 0
    return images, masks, scribbles


ACDC_CASES = {"patient001_frame01": 1, "patient001_frame12": 2, "patient021_frame01": 3}
SPACING = (10.0, 1.5625, 1.25)
"""Of slices, rows and columns."""


def acdc_nifti(root: Path, volumes: Mapping[str, tuple[np.ndarray, ...]] | None = None) -> Path:
    """The challenge's form, with the scribbles beside the masks."""
    import nibabel

    volumes = volumes or {name: heart(seed) for name, seed in ACDC_CASES.items()}
    affine = np.diag([*SPACING[::-1], 1.0])
    for name, arrays in volumes.items():
        folder = root / name[:10]
        folder.mkdir(parents=True, exist_ok=True)
        for kind, array in zip(("", "_gt", "_scribble"), arrays, strict=True):
            image = nibabel.Nifti1Image(np.ascontiguousarray(array.T), affine, dtype=array.dtype)
            nibabel.save(image, folder / f"{name}{kind}.nii.gz")
        frames = sorted(int(one[-2:]) for one in volumes if one[:10] == name[:10])
        text = f"ED: {frames[0]}\nES: {frames[-1]}\nGroup: DCM\nHeight: 184.0\n"
        (folder / "Info.cfg").write_text(text)
    return root


def acdc_hdf5(root: Path) -> Path:
    """The form of WSL4MIS."""
    import h5py

    folder = root / "ACDC_training_slices"
    folder.mkdir(parents=True)
    for case, seed in ACDC_CASES.items():
        images, masks, scribbles = heart(seed)
        for index in range(len(images)):
            with h5py.File(folder / f"{case}_slice_{index}.h5", "w") as file:
                grey = (images[index] / np.float32(900)).astype(np.float32)
                file.create_dataset("image", data=grey, compression="gzip")
                file.create_dataset("label", data=masks[index], compression="gzip")
                file.create_dataset("scribble", data=scribbles[index], compression="gzip")
    return root


def acdc_pictures(root: Path, *, as_released: bool = False) -> Path:
    """Slices as pictures: this library's form, or that of ScribbleACDC."""
    images, masks = (
        ("JPEGImages", "SegmentationClassAug") if as_released else ("images", "SegmentationClass")
    )
    for folder in (images, masks, "scribbles"):
        (root / folder).mkdir(parents=True)
    rows = []
    for case, seed in ACDC_CASES.items():
        greys, labels, scribbles = heart(seed)
        names = [f"{case}_slice_{index}" for index in range(len(greys))]
        for index, name in enumerate(names):
            grey = Image.fromarray((greys[index] // 4).astype(np.uint8))
            if as_released:
                grey.convert("RGB").save(root / images / f"{name}.jpg")
            else:
                grey.save(root / images / f"{name}.png")
            Image.fromarray(labels[index]).save(root / masks / f"{name}.png")
            drawn = np.where(scribbles[index] == 4, 255, scribbles[index]).astype(np.uint8)
            Image.fromarray(drawn).save(root / f"scribbles/{name}.png")
        patient, frame = case.split("_")
        rows.append((patient, frame, *SPACING))
    if not as_released:
        with (root / "volumes.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [("patient", "frame", "spacing_z", "spacing_y", "spacing_x"), *rows]
            )
    return root


CAMVID = {
    "train": ("0016E5_07920", "0006R0_f00930"),
    "val": ("0016E5_07959",),
    "test": ("Seq05VD_f00000",),
}


def camvid_tutorial(root: Path) -> Path:
    for split, names in CAMVID.items():
        lines = []
        for seed, name in enumerate(names):
            picture(root / f"{split}/{name}.png", seed)
            mask = np.random.default_rng(seed).integers(0, 12, SIZE).astype(np.uint8)
            path = root / f"{split}annot/{name}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(mask).save(path)
            lines.append(
                f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png"
            )
        write_ids(root / f"{split}.txt", lines)
    return root


def camvid_authors(root: Path) -> Path:
    colors = {
        "Sky": (128, 128, 128),
        "Wall": (64, 192, 0),
        "LaneMkgsDriv": (128, 0, 192),
        "Child": (192, 128, 64),
        "Void": (0, 0, 0),
    }
    (root / "LabeledApproved_full").mkdir(parents=True)
    for seed, name in enumerate(name for names in CAMVID.values() for name in names):
        picture(root / f"701_StillsRaw_full/{name}.png", seed)
        table = np.array(list(colors.values()), np.uint8)
        index = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % len(table)
        Image.fromarray(table[index]).save(root / f"LabeledApproved_full/{name}_L.png")
    lines = [f"{r} {g} {b}\t\t{name}" for name, (r, g, b) in colors.items()]
    write_ids(root / "label_colors.txt", lines)
    return root
