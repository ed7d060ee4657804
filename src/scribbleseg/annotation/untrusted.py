"""Reading what somebody else has made: bounded in size and depth, never a file out of its place.

Annotation files travel by mail and web. One that is crafted must cost an error message, not the
memory, the disk or a file elsewhere.
"""

import importlib
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import IMAGE_SUFFIXES
from scribbleseg.annotation.stated_value import (
    MOST_PIXELS,
    UNPRINTABLE,
    agreed_size,
    checked_size,
    expect,
    number,
    shown,
    whole_number,
)
from scribbleseg.errors import ConfigError, DataError

__all__ = [
    "MOST_PIXELS",
    "UNPRINTABLE",
    "PictureFinder",
    "agreed_size",
    "checked_size",
    "expect",
    "file_id",
    "files_below",
    "number",
    "optional_package",
    "read_json",
    "read_xml",
    "shown",
    "whole_number",
    "without_twins",
]

MOST_BYTES = 512 << 20
"""Of a JSON or XML file."""

MOST_DEPTH = 64

MOST_ELEMENTS = 5_000_000
"""Of an XML file, attributes included."""

LONGEST_ELEMENT = 64 << 20
"""Bytes of one XML tag."""

MOST_MEMORY = 4 << 30
"""Bytes that the values of a JSON file may take."""

FORBIDDEN = re.compile(f'{UNPRINTABLE.pattern}|[<>:"|?*]')
"""Characters that some file system does not take in a name."""

CHUNK = 4 << 20


def read_xml(path: Path, shorten: Callable[[bytes], bytes] = bytes) -> Element:
    """The root element of an XML file; no document type, no entity of its own, no network.

    Args:
        path: The file.
        shorten: Applied to its bytes first; for formats that can spare the parser some elements.

    Raises:
        DataError: It is missing, too large, nested too deep, not well formed, or declares a
            document type.
    """
    builder, depth, elements = TreeBuilder(), 0, 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth += 1
        elements += 1 + len(attributes)
        if depth > MOST_DEPTH:
            raise DataError(f"{path}: elements are nested more than {MOST_DEPTH} deep")
        if elements > MOST_ELEMENTS:
            raise DataError(f"{path}: more than {MOST_ELEMENTS} elements; split the export")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse_doctype(*_: Any) -> None:
        # A document type is where entities are declared: those that multiply, and those that read
        # other files.
        raise DataError(
            f"{path}: declares a document type (DTD), which no annotation tool writes; remove "
            "<!DOCTYPE ...>"
        )

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse_doctype
    content = shorten(_content(path))
    try:
        for begin in range(0, len(content), CHUNK):
            parser.Parse(content[begin : begin + CHUNK], False)
            # A tag is collected whole before anything above hears of it.
            if begin + CHUNK - parser.CurrentByteIndex > LONGEST_ELEMENT:
                raise DataError(f"{path}: an element of more than {LONGEST_ELEMENT >> 20} MB")
        parser.Parse(b"", True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError, AssertionError) as error:
        raise DataError(f"{path}: not well-formed XML ({error}); export it again") from None


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: It is missing, too large, nested too deep, or no JSON. ``NaN`` and ``Infinity``
            are none.
    """
    content = _content(path)
    _check_structure(path, content)
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; export it again") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: line {error.lineno} is not valid JSON ({error.msg})") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error})") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Of JSON, also where the file ends before it. Takes nothing back, hence linear in time."""

OTHERS = bytes(set(range(256)).difference(b"[{]},:"))

STEPS = np.zeros(256, np.int8)
STEPS[[*b"[{"]] = 1
STEPS[[*b"]}"]] = -1

MEMORY = {b"[": 72, b"{": 200, b",": 32, b":": 24}
"""Bytes that Python takes for what a character stands for, about; 64 for a text."""


def _check_structure(path: Path, content: bytes) -> None:
    """Refuse depth and number of values before the parser builds them."""
    memory = 32 * content.count(b'"')
    bare = b"" if memory > MOST_MEMORY else STRING.sub(b"", content).translate(None, OTHERS)
    memory += sum(bare.count(character) * size for character, size in MEMORY.items())
    if memory > MOST_MEMORY:
        raise DataError(
            f"{path}: its values would take about {memory >> 30} GB of memory; split the export"
        )
    depth = 0
    for begin in range(0, len(bare), CHUNK):
        characters = np.frombuffer(bare, np.uint8, min(CHUNK, len(bare) - begin), begin)
        depths = depth + np.cumsum(STEPS[characters], dtype=np.int64)
        if depths.max() > MOST_DEPTH:
            raise DataError(f"{path}: lists are nested more than {MOST_DEPTH} deep")
        depth = int(depths[-1])


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(
                f"{path}: {size >> 20} MB; at most {MOST_BYTES >> 20} MB are read, split the export"
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if not content.strip():
        raise DataError(f"{path}: the file is empty; export it again")
    return content


def file_id(where: str, name: Any) -> str:
    """The id of a picture that a file calls ``name``: without suffix, ``/`` between folders.

    Args:
        where: File that holds the name, for the message.
        name: A relative path; either kind of slash.

    Raises:
        DataError: The name is no text, empty, absolute, leads upwards, or no file can be called so.

    >>> file_id("a.xml", "ward 3/scan.01.png")
    'ward 3/scan.01'
    """
    path = PurePosixPath(name.replace("\\", "/") if isinstance(name, str) else "")
    if (
        # Some names lead upwards only without their suffix: "...jpg".
        not path.stem.strip(".")
        or path.is_absolute()
        or ".." in path.parts
        or any(FORBIDDEN.search(part) or len(part.encode()) > 240 for part in path.parts)
        or len(str(path)) > 1000
    ):
        raise DataError(
            f"{where}: picture name {shown(name)} is not a relative path below the folder of the "
            "pictures; rename it in the annotation tool"
        )
    return path.with_name(path.stem).as_posix()


def files_below(source: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files with these suffixes in a folder, at any depth, or the one file given.

    Links that lead out of the folder are left out.

    Raises:
        DataError: There are none.
    """
    if source.is_file():
        return [source]
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    paths = _below(source, frozenset(suffixes))
    if not paths:
        raise DataError(f"{source}: no file *{' or *'.join(suffixes)}")
    return paths


def _below(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    root = folder.resolve()
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes
        and not path.name.startswith(".")
        and path.is_file()
        and (not path.is_symlink() or path.resolve().is_relative_to(root))
    )


def without_twins(source: Path, names: Sequence[str]) -> None:
    """Refuse ids that occur twice, also where the file system does not tell cases apart.

    Raises:
        DataError: Two are equal.
    """
    seen: dict[str, str] = {}
    twins = []
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            before = seen[key]
            twins.append(f"{before!r} and {name!r}" if before != name else repr(name))
        seen[key] = name
    if twins:
        raise DataError(f"{source}: two pictures would have one id: {some(twins)}; rename one")


class PictureFinder:
    """Finds the pictures that annotation files speak of, and nothing outside their folders.

    Args:
        folders: Where to look, in this order. Each is listed once, when those before it lack a
            picture.

    Raises:
        DataError: One is no folder.
    """

    def __init__(self, folders: Sequence[Path | None]) -> None:
        self.folders = [folder for folder in folders if folder is not None]
        self.listed: list[tuple[dict[str, list[Path]], dict[str, list[str]]]] = []
        for folder in self.folders:
            if not folder.is_dir():
                raise DataError(f"{folder}: no such folder")

    def __call__(self, name: str, suffix: str = "") -> Path | None:
        """The picture of an id; None if there is none.

        A picture fits if its id is the end of ``name`` or the other way round, by whole folders:
        either may begin further up. Of several the one that has most folders in common is taken.

        Args:
            name: Id of the picture.
            suffix: Of its file, where that is stated. A picture with another one is taken only if
                there is none with this, the first in the order of `IMAGE_SUFFIXES`.

        Raises:
            DataError: Pictures of several folders could be it.
        """
        parts = name.split("/")
        for index, folder in enumerate(self.folders):
            if index == len(self.listed):
                self.listed.append(_pictures(folder))
            pictures, longer = self.listed[index]
            names = [name] if name in pictures else longer.get(name, [])
            if not names:
                ends = ("/".join(parts[begin:]) for begin in range(1, len(parts)))
                names = [end for end in ends if end in pictures][:1]
            if len(names) > 1:
                paths = [str(pictures[known][0]) for known in names]
                raise DataError(
                    f"picture {name!r} could be any of {some(paths)}; give the folder that "
                    "holds the right ones"
                )
            if names:
                return min(pictures[names[0]], key=lambda path: _unlike(path.suffix, suffix))
        return None


def _unlike(suffix: str, stated: str) -> tuple[bool, bool]:
    """Sorts the suffix that is stated first, then that in other letters."""
    return suffix != stated, suffix.lower() != stated.lower()


def _pictures(folder: Path) -> tuple[dict[str, list[Path]], dict[str, list[str]]]:
    """The pictures of a folder by id, and their ids by every shorter end of them."""
    pictures = defaultdict(list)
    for path in sorted(_below(folder, SUFFIXES), key=_suffix_order):
        pictures[path.relative_to(folder).with_suffix("").as_posix()].append(path)
    longer = defaultdict(list)
    for name in pictures:
        parts = name.split("/")
        for begin in range(1, len(parts)):
            longer["/".join(parts[begin:])].append(name)
    return pictures, longer


SUFFIXES = frozenset(suffix.lower() for suffix in IMAGE_SUFFIXES)


def _suffix_order(path: Path) -> tuple[int, Path]:
    return IMAGE_SUFFIXES.index(path.suffix.lower()), path


def optional_package(name: str, extra: str) -> ModuleType:
    """A library that only some formats need.

    Raises:
        ConfigError: It is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"this format needs {name} ({error}): pip install 'scribbleseg[{extra}]'"
        ) from None
