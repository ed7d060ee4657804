"""What the tests of annotation formats have in common: import, export, and damage."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from scribbleseg.annotation.formats import Classes, LabelledImage, Options, load_format
from scribbleseg.annotation.label_image import voc_palette
from scribbleseg.annotation.raster import Raster, rasterise
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.errors import ConfigError, DataError

Label = NDArray[np.uint8] | NDArray[np.uint16]

ODD_VALUES: Sequence[Any] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    1e300,
    2**40,
    "",
    "x",
    "é\ud800\x00",
    "../../etc/passwd",
    [],
    [[]],
    [None],
    {},
    {"a": []},
    "9" * 5000,
)


def classes_of(*names: str) -> Classes:
    """Classes with the colours of PASCAL VOC."""
    return Classes(names, tuple(voc_palette(len(names))))


def save_picture(path: Path, size: tuple[int, int]) -> Path:
    """A grey picture of this height and width."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, 99, np.uint8)).save(path)
    return path


def read_all(
    name: str, source: Path, options: Options | None = None
) -> tuple[dict[str, Drawing], Classes]:
    """All drawings of a source, and the classes that it defines unless the options do."""
    known = load_format(name)
    options = options or Options()
    found = known.find(source, options)
    classes = options.classes or found.classes
    assert classes is not None
    full = Options(classes, options.images, options.unlabelled, options.unknown)
    drawings = [drawing for entry in found.entries for drawing in known.read(entry, full)]
    assert [drawing.name for drawing in drawings] == [entry.name for entry in found.entries]
    return {drawing.name: drawing for drawing in drawings}, classes


def imported(
    name: str, source: Path, options: Options | None = None, raster: Raster | None = None
) -> dict[str, Label]:
    """The label images of a source."""
    drawings, classes = read_all(name, source, options)
    rule = raster or load_format(name).raster
    return {key: rasterise(drawing, classes.index, rule) for key, drawing in drawings.items()}


def exported(name: str, labels: Mapping[str, Label], classes: Classes, folder: Path) -> Path:
    """Label images in a tool's format; the pictures lie in ``images`` beside them."""
    images = [
        LabelledImage(
            key,
            save_picture(folder / "images" / f"{key}.png", label.shape),
            lambda label=label: label.copy(),
        )
        for key, label in sorted(labels.items())
    ]
    target = folder / "export"
    target.mkdir()
    write = load_format(name).write
    assert write is not None
    write(images, classes, target)
    return target


@contextmanager
def errors_for_the_user(naming: str) -> Iterator[None]:
    """Anything may be refused in one line that names the file; no other error may come out."""
    try:
        yield
    except (DataError, ConfigError) as error:
        message = str(error)
    else:
        return
    assert naming in message
    assert "\n" not in message
    assert len(message.encode()) < 1500


def read_or_refuse(name: str, source: Path, options: Options | None = None) -> bool:
    """Whether a source is read; any error but one for the user is a failure."""
    with errors_for_the_user(""):
        read_all(name, source, options)
        return True
    return False


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """The bytes of a file with a few of them changed, removed or doubled."""

    def change(edits: list[tuple[int, int, bytes]]) -> bytes:
        result = content
        for begin, length, new in edits:
            result = result[:begin] + new + result[begin + length :]
        return result

    pieces = st.binary(max_size=3) | st.sampled_from([b"]", b"}", b'"', b"-", b"9" * 20, b"<", b""])
    edit = st.tuples(st.integers(0, len(content)), st.integers(0, 8), pieces)
    return st.lists(edit, min_size=1, max_size=3).map(change)


def changed(content: Any) -> st.SearchStrategy[Any]:
    """The values of a JSON file with one of them replaced or removed."""

    def places(value: Any) -> list[list[Any]]:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [
            place
            for key, inner in items
            for place in [
                [key],
                *(
                    [key, *deeper]
                    for deeper in (places(inner) if isinstance(inner, dict | list) else [])
                ),
            ]
        ]

    def change(place: list[Any], value: Any, remove: bool) -> Any:
        result = copy.deepcopy(content)
        inner = result
        for key in place[:-1]:
            inner = inner[key]
        if remove:
            del inner[place[-1]]
        else:
            inner[place[-1]] = value
        return result

    return st.builds(
        change, st.sampled_from(places(content)), st.sampled_from(ODD_VALUES), st.booleans()
    )
