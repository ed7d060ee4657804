"""napari: a labels layer saved as TIFF, a picture or a stack of slices.

A pixel holds 0 where nothing is painted, else the number of the label, from 1; so the background is
a label like any other and 1 is class 0. napari (0.4, 0.5) writes 32 or 64 bits; 8 and 16 bits,
BigTIFF and zlib compression are read too.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from scribbleseg.annotation.formats.format import (
    Classes,
    Entry,
    Format,
    Found,
    LabelledImage,
    Options,
)
from scribbleseg.annotation.label_values import label_of_values
from scribbleseg.annotation.named_files import label_pictures
from scribbleseg.annotation.raster import unlabelled_value
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.untrusted import optional_package
from scribbleseg.annotation.volume import (
    EXTRA,
    TIFF_SUFFIXES,
    is_volume,
    read_volume,
    slice_drawings,
)
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import DataError

__all__ = ["FORMAT"]


def find(source: Path, options: Options) -> Found:
    """One entry a TIFF file."""
    zarr = source if source.suffix == ".zarr" else next(iter(source.glob("*.zarr")), None)
    if zarr is not None:
        raise DataError(f"{zarr}: zarr is not read; save the labels layer as .tif")
    return Found(label_pictures(source, options, TIFF_SUFFIXES))


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The label image of a file, or those of its slices."""
    assert options.classes is not None
    labels, picture = read_volume(entry.source), entry.picture
    stacked = picture is not None and not labels.is_flat and is_volume(picture)
    count = len(options.classes.names)
    unlabelled = unlabelled_value(count)
    meaning = {0: unlabelled} | {index + 1: index for index in range(count)}
    yield from slice_drawings(
        entry.name,
        labels,
        read_volume(picture) if stacked and picture else picture,
        partial(label_of_values, index_of_value=meaning, num_classes=count),
    )


def write(images: Sequence[LabelledImage], classes: Classes, target: Path) -> None:
    """One TIFF an image, which napari opens as a labels layer."""
    tifffile = optional_package("tifffile", EXTRA)
    for image in images:
        label = image.read().astype(np.uint32) + 1
        label[label > unlabelled_value(len(classes.names))] = 0
        with whole_file(target / f"{image.name}.tif") as unfinished:
            tifffile.imwrite(unfinished, label, compression="zlib")


FORMAT = Format(
    name="napari",
    title="napari labels (TIFF)",
    source="folder of TIFF files, pictures or stacks of slices (not zarr)",
    unlabelled="0",
    background="label 1 is the first class, the background: it has to be painted",
    find=find,
    read=read,
    strokes=False,
    write=write,
    extra=EXTRA,
    options={
        "classes": "required; label 1 is the first, label 2 the second, ...",
        "images": "by default a folder images or JPEGImages beside the labels",
    },
)
