"""What each training image brings: a scribble, a mask, or tags only."""

from pathlib import Path

from scribbleseg.data.layout import Supervision
from scribbleseg.errors import ConfigError, DataError

__all__ = ["KINDS", "find_supervision", "read_supervision"]

KINDS: tuple[Supervision, ...] = ("mask", "scribble", "tags")


def read_supervision(path: Path) -> dict[str, Supervision]:
    """The kind of every image in a file with lines ``<id><tab>scribble|mask|tags``.

    Raises:
        DataError: A line says something else.
    """
    kinds: dict[str, Supervision] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
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
