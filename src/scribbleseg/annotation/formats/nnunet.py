"""nnU-Net raw data (version 2): ``dataset.json``, ``labelsTr`` and ``imagesTr``.

``dataset.json`` is the only source of truth: names and values of the classes, 0 the background, and
``ignore``, always the highest value, for pixels without a label. Pictures are those of the first
channel; an RGB PNG is one file with all its channels.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from scribbleseg.annotation.class_table import class_table, is_background
from scribbleseg.annotation.formats.format import Entry, Format, Found, Options
from scribbleseg.annotation.label_image import read_label
from scribbleseg.annotation.label_values import label_of_values, meaning_of_names
from scribbleseg.annotation.named_files import named_files
from scribbleseg.annotation.raster import unlabelled_value
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.untrusted import agreed_size, expect, read_json, shown
from scribbleseg.annotation.volume import EXTRA, is_volume, read_volume, slice_drawings
from scribbleseg.errors import DataError

__all__ = ["FORMAT"]

ENDINGS = (".nii.gz", ".nii", ".tif", ".tiff", ".png", ".bmp")
IGNORE = "ignore"


def find(source: Path, options: Options) -> Found:
    """One entry a file of ``labelsTr``."""
    path = source / "dataset.json" if source.is_dir() else source
    description = expect(f"{path}: content", read_json(path), dict)
    values = _label_values(path, description)
    ending = description.get("file_ending")
    if ending not in ENDINGS:
        raise DataError(
            f"{path}: file_ending is {shown(ending)}; {', '.join(ENDINGS)} are read, convert the "
            "files"
        )
    ignore = values.pop(IGNORE, None)
    names = sorted(values, key=values.__getitem__)
    root = path.parent
    images = options.images or root / "imagesTr"
    entries = []
    for name, label in named_files(root / "labelsTr", (ending,)).items():
        picture = images / f"{name}_0000{ending}"
        if not picture.is_file():
            raise DataError(f"{label}: no picture {picture}")
        entries.append(Entry(name, label, picture, {"names": names, "ignore": ignore}))
    remarks = []
    if ignore is None:
        remarks.append(f"{path} has no label 'ignore': every pixel is labelled")
    channels = description.get("channel_names")
    if isinstance(channels, dict) and any(images.glob(f"*_0001{ending}")):
        remarks.append(f"of {len(channels)} channels only the first is taken")
    return Found(entries, class_table(str(path), names), tuple(remarks))


def _label_values(path: Path, description: dict[str, Any]) -> dict[str, int]:
    """Value of each label: whole numbers from 0 without gaps."""
    labels = expect(f"{path}: labels", description.get("labels"), dict)
    for name, value in labels.items():
        if isinstance(value, list):
            raise DataError(
                f"{path}: label {shown(name)} is a region of several values; regions are not read"
            )
        if not isinstance(value, int) or isinstance(value, bool):
            raise DataError(
                f"{path}: label {shown(name)} has the value {shown(value)}; expected name: number, "
                "as nnU-Net 2 writes it"
            )
    order = sorted(labels, key=labels.__getitem__)
    if [labels[name] for name in order] != list(range(len(order))) or len(order) > 65535:
        raise DataError(
            f"{path}: labels have the values {shown(sorted(labels.values()))}; expected 0, 1, ... "
            "without gaps"
        )
    if not order or not is_background(order[0]):
        raise DataError(f"{path}: label 0 is {shown(order[:1])}; expected background")
    if IGNORE in labels and order[-1] != IGNORE:
        raise DataError(
            f"{path}: 'ignore' has the value {labels[IGNORE]}; expected the highest, "
            f"{len(order) - 1}"
        )
    return labels


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    """The label image of a file, or those of its slices."""
    assert options.classes is not None
    path, picture = entry.source, entry.picture
    assert picture is not None
    meaning, remarks = meaning_of_names(str(path), dict(enumerate(entry.payload["names"])), options)
    count = len(options.classes.names)
    if entry.payload["ignore"] is not None:
        meaning[entry.payload["ignore"]] = unlabelled_value(count)
    label_of = partial(label_of_values, index_of_value=meaning, num_classes=count)
    if is_volume(path):
        labels = read_volume(path)
        stacked = not labels.is_flat or path.name.lower().endswith((".nii", ".nii.gz"))
        yield from slice_drawings(
            entry.name, labels, read_volume(picture) if stacked else picture, label_of, remarks
        )
        return
    label = label_of(str(path), read_label(path))
    size = agreed_size(str(path), (label.shape[0], label.shape[1]), picture)
    yield Drawing(entry.name, size, label=label, picture=picture, remarks=remarks)


FORMAT = Format(
    name="nnunet",
    title="nnU-Net raw data (version 2)",
    source="folder with dataset.json, labelsTr and imagesTr",
    unlabelled="the value of the label 'ignore' in dataset.json",
    background="value 0, which dataset.json calls background",
    find=find,
    read=read,
    strokes=False,
    extra=EXTRA,
    options={"images": "by default imagesTr"},
)
