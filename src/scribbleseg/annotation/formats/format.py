"""What a module of an annotation format offers, and what it is told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from scribbleseg.annotation.label_image import Color, LabelImage
from scribbleseg.annotation.raster import Raster
from scribbleseg.annotation.stroke import Drawing

__all__ = ["Classes", "Entry", "Format", "Found", "LabelledImage", "Options", "Reader", "Writer"]


@dataclass(frozen=True)
class Classes:
    """Names in the order of the label values, background first, and their colours.

    Args:
        names: One a class.
        palette: RGB of each, 0..255.
    """

    names: tuple[str, ...]
    palette: tuple[Color, ...]

    @property
    def index(self) -> dict[str, int]:
        """Label value of each name."""
        return {name: value for value, name in enumerate(self.names)}


@dataclass(frozen=True)
class Options:
    """What the user says about the files to be read.

    Args:
        classes: The classes; None to take them from the files.
        images: Folder of the pictures; None where the files lie or name them.
        unlabelled: Value of unlabelled pixels in formats of pixels; None for the format's own.
        unknown: What to do with a stroke of a class that is not in ``classes``: stop, or leave it
            out with a remark.
    """

    classes: Classes | None = None
    images: Path | None = None
    unlabelled: int | None = None
    unknown: Literal["error", "skip"] = "error"


@dataclass(frozen=True)
class Entry:
    """One file, or one picture of a file that describes many.

    Args:
        name: Id of the picture (of the volume); entries of one source have different ones.
        source: The file of the annotation.
        picture: The file of the picture; None if there is none, or it is in ``source``.
        payload: What the reader needs beside it; plain values.
    """

    name: str
    source: Path
    picture: Path | None = None
    payload: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Found:
    """What is in a source.

    Args:
        entries: One for each picture or volume, sorted by name.
        classes: The classes that the files define, with the background (which may be absent from
            the files) first; None if the format defines none.
        remarks: What a person should know.
    """

    entries: Sequence[Entry]
    classes: Classes | None = None
    remarks: tuple[str, ...] = ()


class Reader(Protocol):
    """Reads one entry; called in any process, so it depends on its arguments alone."""

    def __call__(self, entry: Entry, options: Options) -> Iterator[Drawing]:
        """The drawing of a picture, or those of the slices of a volume.

        Marks carry class names; a ``label`` carries the indices of ``options.classes``, which is
        never None here.

        Raises:
            DataError: The file cannot be used; the message names it, and the stroke.
        """


@dataclass(frozen=True)
class LabelledImage:
    """A picture and its label image, to be written in another tool's format.

    Args:
        name: Id of the picture.
        picture: Its file; the picture has the label's size.
        read: Reads the label ``(H, W)``: class indices, 255 (65535) where there is none.
    """

    name: str
    picture: Path
    read: Callable[[], LabelImage]


class Writer(Protocol):
    """Writes label images in the format of a tool."""

    def __call__(self, images: Sequence[LabelledImage], classes: Classes, target: Path) -> None:
        """Write all of them, each file completely or not at all, one image in memory at a time.

        Args:
            images: Sorted by name.
            classes: Names and colours; class 0 is the background and is written like any other.
            target: Folder that exists and is empty.
        """


@dataclass(frozen=True)
class Format:
    """An annotation format.

    Args:
        name: As on the command line.
        title: What it is, in a few words.
        source: What has to be given: a folder of which files, or a file.
        unlabelled: Which pixels count as unlabelled.
        background: How it is known whether the background was drawn.
        find: Lists what is in a source without reading more than that takes.
        read: Reads one entry.
        write: Writes label images for the tool; None if there is no way back.
        raster: Rule by which strokes become pixels, unless the user says otherwise.
        strokes: Whether the files hold strokes or outlines; False if they hold pixels.
        extra: Extra of this package that has to be installed.
        options: Help for what `Options` mean here, by field name, where it is not plain.
    """

    name: str
    title: str
    source: str
    unlabelled: str
    background: str
    find: Callable[[Path, Options], Found]
    read: Reader
    write: Writer | None = None
    raster: Raster = field(default_factory=Raster)
    strokes: bool = True
    extra: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
