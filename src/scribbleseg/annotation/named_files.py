"""Files of a folder, each with the id of the picture that it describes."""

from collections.abc import Sequence
from pathlib import Path

from scribbleseg.annotation.formats.format import Entry, Options
from scribbleseg.annotation.untrusted import (
    PictureFinder,
    file_id,
    files_below,
    without_twins,
)
from scribbleseg.errors import DataError

__all__ = ["label_pictures", "named_files"]

PICTURE_FOLDERS = ("images", "JPEGImages")


def named_files(source: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files with these suffixes by id, sorted: their path below ``source`` without suffix.

    Args:
        source: A folder, searched at any depth, or one file.
        suffixes: Lower case, with their dots; ``.nii.gz`` is one suffix.

    Raises:
        DataError: There are none, a name cannot be an id, or two have the same.
    """
    paths = files_below(source, sorted({"." + suffix.rpartition(".")[2] for suffix in suffixes}))
    root = source.parent if source.is_file() else source
    if root == source:
        paths = [path for path in paths if path.name.lower().endswith(tuple(suffixes))]
    if not paths:
        raise DataError(f"{source}: no file *{' or *'.join(suffixes)}")
    named = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        if name.lower().endswith(".gz"):
            name = name[:-3]
        named.append((file_id(str(path), name), path))
    without_twins(source, [name for name, _ in named])
    return dict(sorted(named))


def label_pictures(
    source: Path, options: Options, suffixes: Sequence[str] = (".png",)
) -> list[Entry]:
    """One entry for each label image of a folder, with its picture if there is one.

    Pictures are looked for in ``options.images``, in folders ``images`` and ``JPEGImages`` beside
    and in ``source``, and among the labels.

    Raises:
        DataError: There are no label images, or only JPEG files.
    """
    if source.is_dir() and not _has(source, suffixes) and _has(source, (".jpg", ".jpeg")):
        raise DataError(
            f"{source}: only JPEG files; JPEG mixes neighbouring labels, export them as "
            f"{' or '.join(suffixes)}"
        )
    files = named_files(source, suffixes)
    folder = source if source.is_dir() else source.parent
    beside = [root / name for root in (folder.parent, folder) for name in PICTURE_FOLDERS]
    find = PictureFinder([options.images, *filter(Path.is_dir, beside), folder])
    labels = set(files.values())
    entries = []
    for name, path in files.items():
        picture = find(name)
        entries.append(Entry(name, path, None if picture in labels else picture))
    return entries


def _has(folder: Path, suffixes: Sequence[str]) -> bool:
    return any(path.suffix.lower() in suffixes for path in folder.rglob("*"))
