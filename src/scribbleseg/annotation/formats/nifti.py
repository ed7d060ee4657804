"""Scribbles on volumes as NIfTI, as those of ACDC (Valvano et al., IEEE TMI 2021).

The file holds class indices 0 .. K-1, and one more value where nothing is drawn: 4 in ACDC, easily
taken for a class. Files lie in pairs, ``<case>.nii.gz`` and ``<case>_scribble.nii.gz``, or in two
folders. Slices are called ``<case>_slice_<z>`` from 0 in the order of the file; pictures become 8
bits with one scale a volume, as in the packaged ACDC.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from scribbleseg.annotation.formats.format import Classes, Entry, Format, Found, Options
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.label_values import label_of_values
from scribbleseg.annotation.named_files import named_files
from scribbleseg.annotation.raster import unlabelled_value
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.volume import EXTRA, NIFTI_SUFFIXES, read_volume, slice_drawings
from scribbleseg.errors import ConfigError, DataError

__all__ = ["FORMAT"]

SUFFIX = "_scribble"
ACDC = Classes(
    ("background", "RV", "MYO", "LV"), ((0, 0, 0), (220, 60, 60), (70, 170, 90), (70, 110, 220))
)


def find(source: Path, options: Options) -> Found:
    """One entry a scribble file, with the volume on which it was drawn."""
    files = named_files(source, NIFTI_SUFFIXES)
    scribbles = {
        name.removesuffix(SUFFIX): path for name, path in files.items() if name.endswith(SUFFIX)
    }
    pictures = {name: path for name, path in files.items() if not name.endswith(SUFFIX)}
    if options.images is not None:
        scribbles = scribbles or files
        pictures = named_files(options.images, NIFTI_SUFFIXES)
    if not scribbles:
        raise DataError(
            f"{source}: no file *{SUFFIX}.nii.gz; without that ending, give the folder of the "
            "volumes too"
        )
    by_last: dict[str, list[Path]] = {}
    for name, path in pictures.items():
        by_last.setdefault(name.rpartition("/")[2], []).append(path)
    entries, lost = [], []
    for name, path in sorted(scribbles.items()):
        last = by_last.get(name.rpartition("/")[2], [])
        picture = pictures.get(name) or (last[0] if len(last) == 1 else None)
        if picture is None:
            lost.append(name)
        entries.append(Entry(name, path, picture))
    if lost:
        raise DataError(f"{source}: no volume, or several, for the scribbles of {some(lost)}")
    remark = f"classes are taken for those of ACDC: {', '.join(ACDC.names)}"
    return Found(entries, ACDC, () if options.classes else (remark,))


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The slices of a volume."""
    assert options.classes is not None
    assert entry.picture is not None
    names = options.classes.names
    value = len(names) if options.unlabelled is None else options.unlabelled
    if not len(names) <= value <= 65535:
        raise ConfigError(
            f"unlabelled: {value}; expected a value from {len(names)}, for smaller ones are classes"
        )
    labels = read_volume(entry.source)
    if not any((labels.values(index) == value).any() for index in range(len(labels.stored))):
        raise DataError(
            f"{entry.source}: no pixel has the value {value}, which stands for unlabelled; give "
            f"the value, and the classes if they are not {', '.join(names)}"
        )
    meaning = {index: index for index in range(len(names))} | {value: unlabelled_value(len(names))}
    yield from slice_drawings(
        entry.name,
        labels,
        read_volume(entry.picture),
        partial(label_of_values, index_of_value=meaning, num_classes=len(names)),
    )


FORMAT = Format(
    name="nifti",
    title="NIfTI scribbles on NIfTI volumes (ACDC)",
    source="folder with <case>.nii.gz and <case>_scribble.nii.gz, or the folder of the scribbles",
    unlabelled="the number of classes (4 in ACDC), or the value given as 'unlabelled'",
    background="value 0",
    find=find,
    read=read,
    strokes=False,
    extra=EXTRA,
    options={
        "classes": "by default those of ACDC: background, RV, MYO, LV",
        "images": "folder of the volumes, where they do not lie beside the scribbles",
        "unlabelled": "value of unlabelled pixels",
    },
)
