"""The pictures of a folder, found by their ids. Capitals in a suffix make no difference."""

import os
from collections.abc import Sequence
from pathlib import Path

from scribbleseg.annotation.id_list import some
from scribbleseg.errors import DataError

__all__ = ["find_images", "images_in"]


def images_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files of a folder that end in one of the suffixes (small letters), sorted.

    Two that differ in their suffix alone are both among them; a folder that is not there is empty.
    """
    return [path for path in _files_of(folder) if path.suffix.lower() in suffixes]


def find_images(folder: Path, names: Sequence[str], suffixes: Sequence[str]) -> dict[str, Path]:
    """The picture of each id: ``<id><suffix>`` with the first suffix that exists.

    Args:
        folder: The folder.
        names: Ids, those of pictures in folders below with their path.
        suffixes: In order, small letters behind the last dot.

    Raises:
        DataError: Pictures are missing; the first ones and their number are listed.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; it should hold the pictures <id>{'|'.join(suffixes)}"
        )
    files: dict[Path, dict[str, Path]] = {}
    found: dict[str, Path] = {}
    missing = []
    for name in names:
        wanted = folder / name
        if wanted.parent not in files:  # one look at a folder, not one at every name
            files[wanted.parent] = {
                f"{path.stem}{path.suffix.lower()}": path for path in _files_of(wanted.parent)
            }
        beside = files[wanted.parent]
        path = next((beside[f] for s in suffixes if (f := f"{wanted.name}{s}") in beside), None)
        if path is None:
            missing.append(name)
        else:
            found[name] = path
    if missing:
        hint = "; ids are names without suffix" if missing[0].endswith(tuple(suffixes)) else ""
        raise DataError(f"{folder}: no picture ({', '.join(suffixes)}) for {some(missing)}{hint}")
    return found


def _files_of(folder: Path) -> list[Path]:
    """The files of a folder, ``a.PNG`` before ``a.png``; none if it is not there."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(Path(entry) for entry in entries if entry.is_file())
