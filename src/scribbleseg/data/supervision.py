"""What each training image brings: a scribble, a mask, or tags only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from scribbleseg.annotation.id_list import read_utf8, some
from scribbleseg.data.layout import Supervision, kinds_of
from scribbleseg.errors import ConfigError, DataError

__all__ = [
    "KINDS",
    "Unlabelled",
    "find_supervision",
    "read_supervision",
    "split_labelled",
    "training_kinds",
]

Unlabelled = Literal["tags", "leave_out"]

KINDS: tuple[Supervision, ...] = ("mask", "scribble", "tags")


def read_supervision(path: Path) -> dict[str, Supervision]:
    """The kind of every image in a file with lines ``<id><tab>scribble|mask|tags``.

    Raises:
        DataError: A line says something else.
    """
    kinds: dict[str, Supervision] = {}
    for number, line in enumerate(read_utf8(path).splitlines(), start=1):
        if line.strip():
            name, _, kind = line.strip().rpartition("\t")
            if kind not in KINDS:
                raise DataError(
                    f"{path}: line {number} is {line!r}; expected '<id><tab>{'|'.join(KINDS)}'"
                )
            kinds[name.strip()] = kind
    return kinds


def find_supervision(setting: str, root: Path) -> dict[str, Supervision] | Supervision:
    """What ``data.supervision`` means: one kind for all images, or the kind of each.

    Args:
        setting: A kind, or a file from here or below the dataset's root.
        root: Folder of the dataset.

    Raises:
        ConfigError: It is neither.
        DataError: As `read_supervision`.
    """
    if setting in KINDS:
        return setting
    for path in (Path(setting), root / setting):
        if path.is_file():
            return read_supervision(path)
    raise ConfigError(f"data.supervision: {setting!r} is neither {', '.join(KINDS)} nor a file")


def training_kinds(
    names: Sequence[str],
    setting: str,
    root: Path,
    labelled: Sequence[str] | None = None,
    first: int | None = None,
    unlabelled: Unlabelled = "tags",
) -> dict[str, Supervision]:
    """What each training image brings, by id, in the order of training.

    Args:
        names: All training images.
        setting: As in `find_supervision`.
        root: As in `find_supervision`.
        labelled: Those that bring it; None for all of them.
        first: As in `split_labelled`.
        unlabelled: As in `split_labelled`.

    Raises:
        ConfigError: As `find_supervision` and `split_labelled`; or none is left out, though they
            should be.
        DataError: The same; or an image is of no kind.
    """
    supervision = find_supervision(setting, root)
    if labelled is not None or first is not None:
        return split_labelled(
            names, names if labelled is None else labelled, supervision, first, unlabelled
        )
    if unlabelled == "leave_out":
        raise ConfigError(
            "data.unlabelled: leave_out, but all training images are labelled; set data.labelled "
            "or data.labelled_first"
        )
    return kinds_of(names, supervision, setting)


def split_labelled(
    names: Sequence[str],
    labelled: Sequence[str],
    supervision: Mapping[str, Supervision] | Supervision,
    first: int | None = None,
    unlabelled: Unlabelled = "tags",
) -> dict[str, Supervision]:
    """The kind of each training image where a list says which of them are labelled.

    Args:
        names: All training images.
        labelled: Those of them that are labelled.
        supervision: What these bring: ``mask`` or ``scribble``.
        first: Only so many of them, from the top of the list, as LPL chooses them; None for all.
        unlabelled: Whether the others bring tags, or are left out.

    Returns:
        By id: those of the list ``labelled`` in its order, then the others in theirs.

    Raises:
        ConfigError: There are fewer than ``first``, or the supervision is another.
        DataError: A labelled image is no training image.

    >>> split_labelled(["a", "b", "c"], ["c", "b"], "mask", first=1)
    {'c': 'mask', 'b': 'tags', 'a': 'tags'}
    """
    if supervision not in ("mask", "scribble"):
        raise ConfigError(
            "data.labelled, data.labelled_first: the labelled images bring data.supervision, which "
            "must be mask or scribble then; a file of supervision names them itself"
        )
    if first is not None and not 1 <= first <= len(labelled):
        raise ConfigError(
            f"data.labelled_first: {first}; expected 1 to {len(labelled)}, the images of the list"
        )
    strangers = sorted(set(labelled) - set(names))
    if strangers:
        raise DataError(
            f"data.labelled: {some(strangers)} ({len(strangers)} of {len(labelled)} images) not in "
            "the list data.train"
        )
    kinds: dict[str, Supervision] = dict.fromkeys(labelled[:first], supervision)
    if unlabelled == "tags":
        kinds |= {name: "tags" for name in (*labelled, *names) if name not in kinds}
    return kinds
