"""Annotation formats, one module each; found by name, so adding one is adding a file.

A module defines ``FORMAT``. Libraries that only one format needs are imported when it is used.
"""

from scribbleseg.annotation.formats.format import (
    Classes,
    Entry,
    Format,
    Found,
    LabelledImage,
    Options,
)
from scribbleseg.errors import ConfigError
from scribbleseg.named_module import load_named_module, module_names

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
    return [name for name in module_names(__path__) if name != "format"]


def load_format(name: str) -> Format:
    """The format called ``name``.

    Args:
        name: One of `format_names`, or the dotted path of a module of the user's own.

    Raises:
        ConfigError: There is no such format.
    """
    known = format_names()
    module = load_named_module("format", "format", name, __name__, known)
    found = getattr(module, "FORMAT", None)
    if not isinstance(found, Format):
        raise ConfigError(f"format: module {name!r} defines no FORMAT")
    return found
