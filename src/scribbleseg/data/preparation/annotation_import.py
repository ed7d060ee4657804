"""From an annotation tool's files to a dataset that can be trained on.

The folder becomes a user's own dataset: ``images/``, ``scribbles/``, ``dataset.yaml``. The
description is written last: a folder without it is not finished.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from scribbleseg.annotation.class_table import is_background
from scribbleseg.annotation.formats.format import Classes, Entry, Format, Found, Options
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import image_size, open_image
from scribbleseg.annotation.label_image import write_label
from scribbleseg.annotation.raster import Raster, rasterise, unlabelled_value
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.untrusted import without_twins
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.data.preparation.picture_file import place_picture
from scribbleseg.data.preparation.production import Crew, Job, Made, Production, Progress, produce
from scribbleseg.errors import ConfigError, DataError

__all__ = [
    "Imported",
    "background_missing",
    "find_entries",
    "import_annotations",
    "known_classes",
    "picture_of",
]


@dataclass(frozen=True)
class Imported:
    """What has been imported.

    Args:
        production: The files.
        classes: The classes, in the order of the labels.
        pictures: Number of pictures (slices).
        pixels: Labelled pixels of each class.
        drawn_in: Number of pictures in which each class is drawn.
        remarks: What a person should know, each once, and how often it was found.
    """

    production: Production
    classes: Classes
    pictures: int
    pixels: Mapping[str, int]
    drawn_in: Mapping[str, int]
    remarks: tuple[str, ...]


def import_annotations(
    form: Format,
    source: Path,
    target: Path,
    *,
    options: Options,
    raster: Raster | None = None,
    background_drawn: bool = False,
    without_background: bool = False,
    crew: Crew = Crew(),
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> Imported:
    """Make a dataset of annotations.

    Args:
        form: How the files are read.
        source: The files.
        target: Folder of the dataset.
        options: What the user says about the files.
        raster: Rule by which strokes become pixels; None for the format's own.
        background_drawn: Whether the background strokes go around the objects; kept in
            ``dataset.yaml``.
        without_background: Accept files in which nobody drew the background.
        crew: Who does the work.
        overwrite: As `produce`.
        progress: As `produce`.

    Raises:
        DataError: A file cannot be used, or nobody drew the background.
        ConfigError: The classes are not known, or a library is missing.
        RunError: The folder is something else's.
    """
    raster = raster or form.raster
    _check_apart(source, target)
    found = find_entries(form, source, options)
    without_twins(source, [entry.name for entry in found.entries])
    classes = known_classes(form, found, options)
    options = replace(options, classes=classes)
    jobs = [
        Job(
            entry.name,
            partial(_import_entry, form, entry, options, raster),
            tuple(path for path in (entry.source, entry.picture) if path is not None),
            details=entry.payload,
        )
        for entry in found.entries
    ]
    production = produce(
        target,
        jobs,
        settings={
            "import": form.name,
            "classes": list(classes.names),
            "palette": [list(color) for color in classes.palette],
            "raster": raster.as_dict() if form.strokes else None,
            "unlabelled": options.unlabelled,
            "unknown": options.unknown,
        },
        finish=partial(
            _describe, source, form, classes, raster, background_drawn, without_background
        ),
        crew=crew,
        overwrite=overwrite,
        progress=progress,
    )
    slices = [one for fact in production.facts.values() for one in fact["pictures"]]
    remarks = Counter([*found.remarks, *production.remarks])
    return Imported(
        production=production,
        classes=classes,
        pictures=len(slices),
        pixels={name: sum(one["pixels"].get(name, 0) for one in slices) for name in classes.names},
        drawn_in={name: sum(name in one["pixels"] for one in slices) for name in classes.names},
        remarks=tuple(
            remark if count == 1 else f"{remark} ({count} times)"
            for remark, count in remarks.items()
        ),
    )


def _check_apart(source: Path, target: Path) -> None:
    """Refuse a target in the source, or the other way round: it would be imported the next time.

    Raises:
        ConfigError: One lies in the other.
    """
    here, there = source.resolve(), target.resolve()
    if there.is_relative_to(here) or (source.is_dir() and here.is_relative_to(there)):
        raise ConfigError(f"{target} and {source} lie in one another; choose a folder beside them")


def find_entries(form: Format, source: Path, options: Options) -> Found:
    """What is in a source.

    Raises:
        ConfigError: The user names fewer than two classes, or one twice.
        DataError: Nothing is.
    """
    if options.classes is not None:
        _check_classes(options.classes)
    if options.unlabelled is not None and "unlabelled" not in form.options:
        raise ConfigError(f"--unlabelled means nothing for {form.name}: {form.unlabelled}")
    found = form.find(source, options)
    if not found.entries:
        raise DataError(f"{source}: nothing to import; expected {form.source}")
    return found


def known_classes(form: Format, found: Found, options: Options) -> Classes:
    """The classes that the user names, or else the files.

    Raises:
        ConfigError: Nobody names them, there is only one, or one is listed twice.
    """
    classes = options.classes or found.classes
    if classes is None:
        raise ConfigError(
            f"{form.name} files do not name their classes; give them in the order of the values: "
            "--classes background,cat,dog"
        )
    _check_classes(classes)
    return classes


def _check_classes(classes: Classes) -> None:
    twice = [name for name, count in Counter(classes.names).items() if count > 1]
    if twice:
        raise ConfigError(f"class {twice[0]!r} is listed twice; give each class one name")
    late = [name for name in classes.names[1:] if is_background(name)]
    if late and not is_background(classes.names[0]):
        raise ConfigError(
            f"class {late[0]!r} is not the first, but class 0, here {classes.names[0]!r}, is the "
            f"background; name {late[0]!r} first"
        )
    if len(classes.names) < 2:
        raise ConfigError(
            f"only one class, {', '.join(classes.names)}; two or more are needed, the background "
            "first: --classes background,cat"
        )


def _import_entry(
    form: Format, entry: Entry, options: Options, raster: Raster, target: Path
) -> Made:
    """Write picture and scribble of everything that one entry holds."""
    classes = options.classes
    assert classes is not None
    files: list[str] = []
    pictures: list[dict[str, Any]] = []
    remarks: list[str] = []
    for drawing in form.read(entry, options):
        label = rasterise(drawing, classes.index, raster)
        image, mode = _write_picture(entry, drawing, target)
        scribble = f"scribbles/{drawing.name}.png"
        palette = classes.palette if label.dtype == np.uint8 else None
        write_label(target / scribble, label, palette)
        files += [image, scribble]
        counts = np.bincount(label.ravel(), minlength=len(classes.names))[: len(classes.names)]
        pictures.append(
            {
                "name": drawing.name,
                "mode": mode,
                "pixels": {classes.names[i]: int(counts[i]) for i in np.flatnonzero(counts)},
                "volume": drawing.volume,
                "spacing": drawing.spacing,
            }
        )
        remarks += drawing.remarks
    return Made(tuple(files), {"pictures": pictures}, tuple(remarks))


def _write_picture(entry: Entry, drawing: Drawing, target: Path) -> tuple[str, str]:
    """The picture's path below ``target``, and whether it is grey (``L``) or ``RGB``."""
    picture = picture_of(entry, drawing)
    if isinstance(picture, Path):
        with open_image(picture) as image:
            mode = "L" if image.mode in {"L", "1"} else "RGB"
        path = f"images/{drawing.name}{picture.suffix.lower()}"
        place_picture(picture, target / path)
        return path, mode
    path = f"images/{drawing.name}.png"
    with whole_file(target / path) as unfinished:
        Image.fromarray(picture).save(unfinished, format="PNG")
    return path, "L" if picture.ndim == 2 else "RGB"


def picture_of(entry: Entry, drawing: Drawing) -> Path | NDArray[np.uint8]:
    """The file or the pixels of the picture on which was drawn.

    Raises:
        DataError: There is none, or it has another size than the drawing.
    """
    picture = drawing.picture if drawing.picture is not None else entry.picture
    if picture is None:
        raise DataError(
            f"{entry.source}: no picture for {drawing.name!r}; say where the pictures are: "
            "--images DIR"
        )
    if isinstance(picture, Path):
        size = image_size(picture)
        if size != drawing.size:
            raise DataError(
                f"{entry.source}: drawn on {drawing.size[1]}x{drawing.size[0]} pixels, but "
                f"{picture} is {size[1]}x{size[0]}; is it the same picture?"
            )
    elif picture.shape[:2] != drawing.size:
        raise DataError(
            f"{entry.source}: {drawing.name!r} is drawn on {drawing.size[1]}x{drawing.size[0]} "
            f"pixels, but its picture is {picture.shape[1]}x{picture.shape[0]}"
        )
    return picture


def background_missing(source: Path, background: str, pictures: int) -> str:
    """What is wrong, and what to do, where nobody drew the background in any picture."""
    return (
        f"{source}: class {background!r} is drawn in none of {pictures} pictures, so that nothing "
        "would teach a network what is no object; draw a few strokes of it, name the right class "
        "first (--classes), or import with --without_background"
    )


def _describe(
    source: Path,
    form: Format,
    classes: Classes,
    raster: Raster,
    background_drawn: bool,
    without_background: bool,
    facts: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """The files that make a dataset of the folder.

    Raises:
        DataError: Two entries hold pictures of one name, or nobody drew the background.
    """
    pictures = [one for fact in facts.values() for one in fact["pictures"]]
    without_twins(source, [one["name"] for one in pictures])
    background = classes.names[0]
    drawn = sum(background in one["pixels"] for one in pictures)
    if not drawn and not without_background:
        raise DataError(background_missing(source, background, len(pictures)))
    description: dict[str, Any] = {
        "classes": [
            {"name": name, "color": list(color)}
            for name, color in zip(classes.names, classes.palette, strict=True)
        ],
        "ignore_index": unlabelled_value(len(classes.names)),
        "background_drawn": background_drawn,
    }
    if form.strokes:
        description["raster"] = raster.as_dict()
    if all(one["mode"] == "L" for one in pictures):
        description["image_mode"] = "L"
    texts = {"ImageSets/all.txt": "".join(f"{one['name']}\n" for one in pictures)}
    volumes = _volumes(pictures)
    if volumes:
        description["volumes"] = "volumes.csv"
        texts["volumes.csv"] = volumes
    head = f"# Imported from {form.title}. All keys: docs, 'dataset.yaml and files'.\n"
    texts["dataset.yaml"] = head + yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
    return texts


def _volumes(pictures: Sequence[Mapping[str, Any]]) -> str:
    """The table of volumes; empty if no picture is a slice of one with known spacing."""
    slices: dict[str, list[str]] = {}
    spacing: dict[str, Sequence[float]] = {}
    for one in pictures:
        if one["volume"] is not None and one["spacing"] is not None:
            slices.setdefault(one["volume"], []).append(one["name"])
            spacing[one["volume"]] = one["spacing"]
    spaced = [name for names in slices.values() for name in names if len(name.split()) != 1]
    if spaced:
        raise DataError(
            f"slices are listed with spaces between them, but {some(spaced)} have one in their "
            "name; rename the volumes"
        )
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("patient", "frame", "spacing_z", "spacing_y", "spacing_x", "slices"))
    for volume, names in slices.items():
        patient, _, frame = volume.rpartition("_")
        sizes = [f"{size:g}" for size in spacing[volume]]
        rows.writerow((patient or volume, frame if patient else "0", *sizes, " ".join(names)))
    return table.getvalue() if slices else ""
