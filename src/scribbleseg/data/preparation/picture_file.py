"""Pictures that a prepared dataset needs under its own names."""

import filecmp
import os
import shutil
from pathlib import Path

from scribbleseg.annotation.whole_file import whole_file

__all__ = ["place_picture"]


def place_picture(source: Path, target: Path) -> None:
    """Make ``target`` the same picture: a hard link, so that it costs no room, or else a copy.

    Raises:
        OSError: It could not be written.
    """
    if target.is_file() and (target.samefile(source) or filecmp.cmp(source, target, shallow=False)):
        return
    with whole_file(target) as unfinished:
        try:
            os.link(source.resolve(), unfinished)
        except OSError:  # another disk, or a file system without links
            _copy(source, unfinished)


def _copy(source: Path, target: Path) -> None:
    """Copy a file's content; an error of the target names the target."""
    with source.open("rb") as old:
        try:
            with target.open("wb") as new:
                shutil.copyfileobj(old, new)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(target)) from None
