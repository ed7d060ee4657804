"""Colour PNG: one exact colour a class.

Colours that are not in the table are refused, not rounded: they come from antialiasing, from JPEG,
or from a table that lacks a class, and each of the three needs a person.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scribbleseg.annotation.formats.format import (
    Classes,
    Entry,
    Format,
    Found,
    LabelledImage,
    Options,
)
from scribbleseg.annotation.formats.index_png import refuse_jpeg
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import open_image
from scribbleseg.annotation.label_image import Color, LabelImage
from scribbleseg.annotation.named_files import label_pictures
from scribbleseg.annotation.raster import unlabelled_value
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.untrusted import agreed_size
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import ConfigError, DataError

__all__ = ["FORMAT"]

FREE: tuple[Color, ...] = ((255, 255, 255), (224, 224, 192))
"""Unlabelled unless they are colours of classes: white, and void of VOC's palette."""


def find(source: Path, options: Options) -> Found:
    """One entry a PNG."""
    if options.classes is None:
        raise ConfigError(
            "color_png: the files do not say which colour is which class; give --classes FILE.yaml "
            "with a line '- {name: cat, color: [255, 0, 0]}' for each"
        )
    _color_table(options)
    return Found(label_pictures(source, options))


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The label image of a file."""
    assert options.classes is not None
    refuse_jpeg(entry.source)
    pixels = _pixels(entry.source)
    size = pixels.shape[0], pixels.shape[1]
    agreed_size(str(entry.source), size, entry.picture)
    # Strokes are runs of one colour: looking up a colour a run is far cheaper than one a pixel.
    codes = pixels.view("<u4").ravel()
    starts = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])
    lengths = np.diff(starts, append=codes.size)
    codes, first, run_color = np.unique(codes[starts], return_index=True, return_inverse=True)
    colors = codes[:, None].view(np.uint8)
    unlabelled = unlabelled_value(len(options.classes.names))
    table = _color_table(options)
    index = np.array(
        [
            unlabelled if alpha == 0 else table.get((red, green, blue, alpha), -1)
            for red, green, blue, alpha in colors.tolist()
        ]
    )
    if (index < 0).any():
        counts = np.bincount(run_color, lengths).astype(int)
        strange = sorted(np.flatnonzero(index < 0), key=lambda color: -counts[color])
        texts = []
        for color in strange:
            row, column = divmod(int(starts[first[color]]), size[1])
            red, green, blue, alpha = colors[color]
            texts.append(
                f"({red}, {green}, {blue}{'' if alpha == 255 else f', alpha {alpha}'}) on "
                f"{counts[color]} pixels, first in row {row}, column {column}"
            )
        raise DataError(
            f"{entry.source}: {len(strange)} colours of no class: {some(texts)}. Is it "
            "antialiased, or does the table lack a class?"
        )
    dtype = np.uint8 if unlabelled == 255 else np.uint16
    label: LabelImage = np.repeat(index.astype(dtype)[run_color], lengths).reshape(size)
    yield Drawing(entry.name, size, label=label, picture=entry.picture)


def _pixels(path: Path) -> NDArray[np.uint8]:
    """``(H, W, 4)``: red, green, blue, alpha."""
    with open_image(path) as image:
        if image.mode not in {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}:
            raise DataError(
                f"{path}: colour mode {image.mode}; expected RGB of 8 bits, with or without alpha"
            )
        return np.ascontiguousarray(image.convert("RGBA"))


def _color_table(options: Options) -> dict[tuple[int, ...], int]:
    """Class index, or the unlabelled value, of each opaque colour."""
    assert options.classes is not None
    classes, free = options.classes, FREE
    twins = [
        name
        for name, color in zip(classes.names, classes.palette, strict=True)
        if classes.palette.count(color) > 1
    ]
    if twins:
        raise ConfigError(f"classes: {some(twins)} share a colour; give each its own")
    if options.unlabelled is not None:
        code = options.unlabelled
        free = ((code >> 16, code >> 8 & 255, code & 255),)
        if not 0 <= code <= 0xFFFFFF or free[0] in classes.palette:
            raise ConfigError(
                f"unlabelled: {code:#08x} is no colour, or that of a class; give another one as "
                "0xRRGGBB"
            )
    unlabelled = unlabelled_value(len(classes.names))
    table = dict.fromkeys(free, unlabelled) | {
        color: index for index, color in enumerate(classes.palette)
    }
    return {(*color, 255): index for color, index in table.items()}


def write(images: Sequence[LabelledImage], classes: Classes, target: Path) -> None:
    """One RGBA PNG an image; unlabelled pixels are transparent, and white where that is lost."""
    colors = np.array([(*color, 255) for color in classes.palette], np.uint8)
    clear = np.array([[255, 255, 255, 0]], np.uint8)
    for image in images:
        label = image.read().astype(np.int64)
        label[label == unlabelled_value(len(classes.names))] = len(colors)
        picture = Image.fromarray(np.concatenate([colors, clear])[label])
        with whole_file(target / f"{image.name}.png") as unfinished:
            picture.save(unfinished, format="PNG")


FORMAT = Format(
    name="color_png",
    title="colour PNG (one exact colour a class)",
    source="folder of PNG files",
    unlabelled="transparent pixels; white and (224, 224, 192), unless a class has that colour, or "
    "the one colour given as 'unlabelled'",
    background="pixels of its colour",
    find=find,
    read=read,
    strokes=False,
    write=write,
    options={
        "classes": "required, with colours; any other colour is an error",
        "images": "by default a folder images or JPEGImages beside the labels, or JPEG files "
        "among them",
        "unlabelled": "colour of unlabelled pixels as 0xRRGGBB",
    },
)
