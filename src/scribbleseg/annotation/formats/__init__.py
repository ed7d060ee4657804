"""Annotation formats, one module each; found by name, so adding one is adding a file.

A module defines ``FORMAT``. Libraries that only one format needs are imported when it is used.
"""

import difflib
import importlib
import pkgutil

from scribbleseg.annotation.formats.format import (
    Classes,
    Entry,
    Format,
    Found,
    LabelledImage,
    Options,
)
from scribbleseg.errors import ConfigError

__all__ = [
    "Classes",
    "Entry",
    "Format",
    "Found",
    "LabelledImage",
    "Options",
    "format_names",
    "load_format",
]


def format_names() -> list[str]:
    """Names of the formats that come with the library.

    >>> "labelme" in format_names()
    True
    """
    return sorted(
        module.name for module in pkgutil.iter_modules(__path__) if module.name != "format"
    )


def load_format(name: str) -> Format:
    """The format called ``name``.

    Args:
        name: One of `format_names`, or the dotted path of a module of the user's own.

    Raises:
        ConfigError: There is no such format.
    """
    known = format_names()
    if name not in known and "." not in name:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(
            f"no format {name!r}; {hint}known: {', '.join(known)}, or a module path a.b.c"
        )
    try:
        module = importlib.import_module(f"{__name__}.{name}" if name in known else name)
    except ImportError as error:
        raise ConfigError(f"format: cannot import {name!r} ({error})") from None
    found = getattr(module, "FORMAT", None)
    if not isinstance(found, Format):
        raise ConfigError(f"format: module {name!r} defines no FORMAT")
    return found
