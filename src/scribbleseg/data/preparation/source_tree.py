"""Looking through a published dataset: folders, lists and files, and what is missing of them."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from scribbleseg.annotation.id_list import read_list, some
from scribbleseg.errors import DataError

__all__ = ["count_remark", "disjoint", "files_by_id", "folder_of", "present", "read_ids"]

ID = re.compile(r"(?!\.)[\w\-. ]+")
"""Ids become file names: no folders, nothing hidden, nothing a file system refuses."""


def folder_of(
    what: str, source: Path, candidates: Sequence[str], *, get: str, holding: str = "."
) -> Path:
    """The first of some folders of a source that exists.

    Args:
        what: What it holds, for the message.
        source: The dataset.
        candidates: Relative to it; ``.`` is the source itself.
        get: What to do if there is none.
        holding: A folder or file that has to be in it.

    Raises:
        DataError: None exists.
    """
    for candidate in candidates:
        if (source / candidate / holding).exists():
            return source / candidate
    wanted = [(Path(candidate) / holding).as_posix() for candidate in candidates]
    raise DataError(f"{source}: no {what}; looked for {', '.join(wanted)} there; {get}")


def read_ids(path: Path) -> list[str]:
    """The ids of a published list, in its order.

    Raises:
        DataError: It is missing or empty, names an id twice, or an id cannot be a file name.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such list; it should hold one image id a line")
    ids = read_list(path)
    for name in ids:
        if ID.fullmatch(name) is None:
            raise DataError(f"{path}: {name!r} is no image id (a file name without folder)")
    return ids


def disjoint(lists: Mapping[Path, Sequence[str]]) -> None:
    """Refuse lists that share an image.

    Args:
        lists: The ids of each list, by where they come from.

    Raises:
        DataError: Two of them do.
    """
    for (first, ids), (second, others) in combinations(lists.items(), 2):
        shared = sorted(set(ids) & set(others))
        if shared:
            raise DataError(
                f"{first} and {second} share {some(shared)}; an image is trained on or scored, "
                "not both: get the published lists again"
            )


def present(what: str, files: Mapping[str, Path], *, get: str) -> None:
    """Refuse files that are missing.

    Args:
        what: What they hold, for the message.
        files: The file of each id.
        get: What to do about it.

    Raises:
        DataError: Files are missing; the first ones and their number are listed.
    """
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise DataError(f"no {what} {some(missing)} ({len(missing)} of {len(files)}); {get}")


def files_by_id(folder: Path, suffix: str) -> dict[str, Path]:
    """The files ``<id><suffix>`` of a folder by id, sorted; hidden ones are left out.

    Raises:
        DataError: A name cannot be an id.
    """
    names = sorted(
        path.name.removesuffix(suffix)
        for path in folder.iterdir()
        if path.name.endswith(suffix) and not path.name.startswith(".")
    )
    for name in names:
        if ID.fullmatch(name) is None:
            raise DataError(f"{folder}: {name + suffix!r} is no image id; rename or remove it")
    return {name: folder / f"{name}{suffix}" for name in names}


def count_remark(name: str, ids: Sequence[str] | None, published: int) -> tuple[str, ...]:
    """Says that a list is not as long as the published one; nothing if it is, or there is none.

    >>> count_remark("train", ["a", "b"], 1464)
    ('train: 2 images, published are 1464',)
    """
    if ids is None or len(ids) == published:
        return ()
    return (f"{name}: {len(ids)} images, published are {published}",)
