"""Index PNG: the value of a pixel is its class, as in PASCAL VOC.

Palette, grey (1, 2, 4, 8 and 16 bit) and three equal channels are read, always as indices:
converted to grey, a palette picture becomes the luminance of its colours. JPEG is refused even
where it is called PNG, for it blurs indices into classes that nobody drew.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from scribbleseg.annotation.formats.format import (
    Classes,
    Entry,
    Format,
    Found,
    LabelledImage,
    Options,
)
from scribbleseg.annotation.image_file import open_image
from scribbleseg.annotation.label_image import read_label, write_label
from scribbleseg.annotation.label_values import label_of_values
from scribbleseg.annotation.named_files import label_pictures
from scribbleseg.annotation.raster import unlabelled_value
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.untrusted import agreed_size
from scribbleseg.errors import ConfigError, DataError

__all__ = ["FORMAT", "refuse_jpeg"]


def find(source: Path, options: Options) -> Found:
    """One entry a PNG."""
    remarks: tuple[str, ...] = ()
    if options.unlabelled == 0:
        remarks = ("0 is unlabelled: the background, class 0, is never drawn",)
    return Found(label_pictures(source, options), remarks=remarks)


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The label image of a file, 255 where nothing is drawn."""
    assert options.classes is not None
    names, value = options.classes.names, options.unlabelled
    if value is not None and not (value == 0 or len(names) <= value <= 65535):
        taken = f"class {names[value]!r}" if 0 < value < len(names) else "no value of a pixel"
        raise ConfigError(
            f"unlabelled: {value} is {taken}; allowed: 0 (the background is never drawn) and "
            f"{len(names)}..65535"
        )
    refuse_jpeg(entry.source)
    values = read_label(entry.source)
    agreed_size(str(entry.source), (values.shape[0], values.shape[1]), entry.picture)
    unlabelled = unlabelled_value(len(names))
    meaning = {index: index for index in range(len(names))} | {unlabelled: unlabelled}
    if values.dtype != "uint8":
        meaning[65535] = unlabelled
    if value is not None:
        meaning[value] = unlabelled
    label = label_of_values(str(entry.source), values, meaning, len(names))
    yield Drawing(entry.name, (label.shape[0], label.shape[1]), label=label, picture=entry.picture)


def refuse_jpeg(path: Path) -> None:
    """Stop at a JPEG picture, whatever its suffix.

    Raises:
        DataError: It is one.
    """
    with open_image(path) as image:
        if image.format in {"JPEG", "MPO"}:
            raise DataError(
                f"{path}: a JPEG picture; its compression mixes neighbouring labels, export the "
                "labels as PNG"
            )


def write(images: Sequence[LabelledImage], classes: Classes, target: Path) -> None:
    """One palette PNG an image, 16-bit grey for more than 255 classes."""
    for image in images:
        write_label(target / f"{image.name}.png", image.read(), classes.palette)


FORMAT = Format(
    name="index_png",
    title="index PNG (PASCAL VOC)",
    source="folder of PNG files whose values are class indices",
    unlabelled="255 (16-bit files: 65535 too), and the value given as 'unlabelled'",
    background="pixels of value 0; with 'unlabelled' 0 it is never drawn, and classes keep their "
    "indices 1, 2, ...",
    find=find,
    read=read,
    strokes=False,
    write=write,
    options={
        "classes": "required; in the order of the values",
        "images": "by default a folder images or JPEGImages beside the labels, or JPEG files "
        "among them",
        "unlabelled": "another value that stands for unlabelled, such as 0 or 254",
    },
)
