"""Label images into the files of an annotation tool, so that a person can correct them."""

import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from scribbleseg.annotation.audit import check_label
from scribbleseg.annotation.formats.format import Classes, Format, LabelledImage
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import image_size
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.annotation.raster import unlabelled_value
from scribbleseg.data.pseudo_labels import is_confidence
from scribbleseg.errors import ConfigError, DataError, RunError

__all__ = ["export_annotations", "find_labels"]


def find_labels(folder: Path) -> dict[str, Path]:
    """The label images ``<id>.png`` at any depth of a folder, by id; confidences are left out.

    Raises:
        DataError: There are none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold label images <id>.png")
    found = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*.png"))
        if not is_confidence(path) and not path.name.startswith(".")
    }
    if not found:
        raise DataError(f"{folder}: no label images <id>.png")
    return found


def export_annotations(
    form: Format,
    labels: Mapping[str, Path],
    pictures: Mapping[str, Path],
    classes: Classes,
    target: Path,
) -> None:
    """Write label images for an annotation tool; the folder appears when it is complete.

    Args:
        form: The tool's format.
        labels: Index PNGs by id.
        pictures: The picture of each id.
        classes: Names and colours of the classes.
        target: Folder to be made.

    Raises:
        ConfigError: The format is only read.
        RunError: The folder is there already.
        DataError: A picture is missing or of another size, or a label is no class.
    """
    if form.write is None:
        raise ConfigError(f"{form.name}: there is no writer for this format; see import --list")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunError(f"{target}: exists and is not empty; choose another folder")
    missing = [name for name in labels if name not in pictures]
    if missing:
        raise DataError(f"no picture for {some(missing)}; say where they are: --images DIR")
    images = [
        LabelledImage(name, pictures[name], partial(_read, path, pictures[name], classes))
        for name, path in sorted(labels.items())
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        form.write(images, classes, building)
        building.chmod(0o755)  # as any other folder; temporary ones are private
        building.replace(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _read(path: Path, picture: Path, classes: Classes) -> LabelImage:
    label, size = read_label(path), image_size(picture)
    if label.shape != size:
        raise DataError(
            f"{path}: label is {label.shape[1]}x{label.shape[0]} but {picture} is "
            f"{size[1]}x{size[0]} pixels"
        )
    count = len(classes.names)
    check_label(path, label, num_classes=count, ignore_index=unlabelled_value(count))
    return label
