"""Class names of annotation files: their order, their colours, and names nobody knows.

The background is class 0 everywhere in the library. Few tools know it as a class, so it is put
there, whether the files speak of it or not.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import ImageColor

from scribbleseg.annotation.formats.format import Classes, Options
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.label_image import Color, voc_palette
from scribbleseg.annotation.stated_value import UNPRINTABLE, shown
from scribbleseg.errors import DataError

__all__ = [
    "KnownClasses",
    "class_name",
    "class_table",
    "classes_of_files",
    "is_background",
    "read_color",
]

BACKGROUND = "background"
BACKGROUND_NAMES = frozenset({BACKGROUND, "_background_", "bg"})
MOST_CLASSES = 65_535
MOST_CHARACTERS = 200


def is_background(name: str) -> bool:
    """Whether a class is called background, in one of the ways in which tools call it.

    >>> is_background("_background_"), is_background("Background"), is_background("sky")
    (True, True, False)
    """
    return name.strip().casefold() in BACKGROUND_NAMES


def class_name(where: str, value: Any) -> str:
    """A class name as a file holds it, without white space around it.

    Args:
        where: File and element, for the message.
        value: What the file holds.

    Raises:
        DataError: It is no text, empty, too long, or cannot be printed or written.
    """
    name = value.strip() if isinstance(value, str) else ""
    if not name or len(name) > MOST_CHARACTERS or UNPRINTABLE.search(name):
        raise DataError(
            f"{where}: class name {shown(value)} is not a text of 1 to {MOST_CHARACTERS} printable "
            "characters; rename the class in the annotation tool"
        )
    return name


def read_color(value: Any) -> Color | None:
    """The colour that a tool gives a class; None if it gives none that can be understood.

    Args:
        value: A name or ``#rrggbb``, a list of red, green and blue in 0..255, or all three in one
            whole number.

    >>> read_color("#ff8000"), read_color([1, 2, 3]), read_color(-16711936), read_color(None)
    ((255, 128, 0), (1, 2, 3), (0, 255, 0), None)
    """
    if isinstance(value, str):
        try:
            value = ImageColor.getcolor(value, "RGB")
        except ValueError:
            return None
    if isinstance(value, int):
        value = (value >> 16 & 255, value >> 8 & 255, value & 255)
    if (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(isinstance(channel, int) and channel in range(256) for channel in value)
    ):
        return (value[0], value[1], value[2])
    return None


def class_table(
    where: str, names: Iterable[Any], colors: Mapping[str, Color] | None = None
) -> Classes:
    """The classes of a set, background first.

    A class that is called background is moved to the front; without one, ``background`` is put
    there. The others keep their order.

    Args:
        where: File that defines the names, for the message.
        names: In the order of the tool.
        colors: RGB by name, 0..255; the other classes get a colour of PASCAL VOC.

    Raises:
        DataError: A name is no text or comes twice, or two names mean the background.

    >>> class_table("project.json", ["cat", "Background", "dog"]).names
    ('Background', 'cat', 'dog')
    """
    known = [class_name(where, name) for name in names]
    twice = [name for name, count in Counter(known).items() if count > 1]
    backgrounds = [name for name in known if is_background(name)]
    if twice:
        raise DataError(f"{where}: class {some(twice)} is defined twice; rename or remove one")
    if len(backgrounds) > 1:
        raise DataError(
            f"{where}: {' and '.join(map(repr, backgrounds))} both mean the background; rename one"
        )
    first = backgrounds[0] if backgrounds else BACKGROUND
    ordered = (first, *(name for name in known if name != first))
    if len(ordered) > MOST_CLASSES:
        raise DataError(f"{where}: {len(ordered)} classes; at most {MOST_CLASSES} fit 16 bits")
    given = colors or {}
    palette = [
        given.get(name, color)
        for name, color in zip(ordered, voc_palette(len(ordered)), strict=True)
    ]
    return Classes(ordered, tuple(palette))


def classes_of_files(
    source: Path,
    names: Iterable[Any],
    colors: Mapping[str, Color] | None = None,
    *,
    broken: Sequence[str] = (),
) -> Classes:
    """The classes of a set whose files name them stroke by stroke.

    Args:
        source: The files, for the message.
        names: Those that occur.
        colors: As `class_table`.
        broken: What is wrong with files that cannot be read.

    Raises:
        DataError: As `class_table`; or there are such files: nobody knows their classes.
    """
    if broken:
        raise DataError(
            f"{some(broken)}; these files ({len(broken)}) may hold further classes: mend them, or "
            "name all classes yourself"
        )
    return class_table(str(source), names, colors)


class KnownClasses:
    """Which strokes are read: those whose class is one of ``options.classes``.

    Args:
        options: Holds the classes, and says what to do with a stroke of another one.
    """

    def __init__(self, options: Options) -> None:
        self.names = () if options.classes is None else options.classes.names
        self.index = frozenset(self.names)
        self.skip = options.unknown == "skip"
        self.left_out: set[str] = set()

    def __call__(self, where: str, value: Any) -> str | None:
        """The name of a stroke's class; None if the stroke is to be left out.

        Args:
            where: File and stroke, for the message.
            value: The name as the file holds it.

        Raises:
            DataError: It is no name, or of an unknown class that is not to be skipped.
        """
        name = class_name(where, value)
        if name in self.index:
            return name
        if self.skip:
            self.left_out.add(name)
            return None
        close = difflib.get_close_matches(name, self.names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise DataError(f"{where}: class {name!r} is unknown; {hint}known: {some(self.names, 12)}")

    def remarks(self) -> tuple[str, ...]:
        """Of which classes strokes were left out."""
        return tuple(
            f"strokes left out: {name!r} is not one of the classes"
            for name in sorted(self.left_out)
        )
