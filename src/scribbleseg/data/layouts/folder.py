"""A user's own dataset: a folder that describes itself in ``dataset.yaml``.

::

    classes:                     # in the order of the label values
      - {name: background, color: [0, 0, 0]}
      - {name: cell, color: [230, 60, 60]}
    dirs: {images: images, scribbles: scribbles, masks: masks}   # these are the defaults
    splits: {train: train.txt, val: val.txt, test: test.txt}  # one id a line
    ignore_index: 255            # unlabelled pixels; 65535 for 16-bit labels
    background_drawn: false      # true: background strokes go around the objects
    image_mode: RGB              # or L for grey pictures
    tags: tags.txt               # image-level tags, for images without strokes
    volumes: volumes.csv         # which slices make a volume, for 3-D scores
    raster: {rule: opencv, width: 3}
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scribbleseg.annotation.image_file import IMAGE_SUFFIXES
from scribbleseg.annotation.label_image import Color, voc_palette
from scribbleseg.data.layout import Layout
from scribbleseg.errors import ConfigError, DataError

__all__ = ["read_classes", "read_layout"]

FILE_NAME = "dataset.yaml"
KEYS = (
    "classes",
    "dirs",
    "splits",
    "ignore_index",
    "background_drawn",
    "image_mode",
    "tags",
    "volumes",
    "raster",
)
DIRS = ("images", "scribbles", "masks", "pseudo_labels")


def read_layout(root: Path) -> Layout:
    """The layout that ``dataset.yaml`` in ``root`` describes.

    Raises:
        DataError: The file is missing or no YAML.
        ConfigError: A key is unknown or a value impossible; the message names both.
    """
    path = root / FILE_NAME
    description = _read(path)
    _known(path, "", description, KEYS)
    names, palette = _classes(path, description.get("classes"))
    dirs = _mapping(path, "dirs", description.get("dirs", {}))
    _known(path, "dirs.", dirs, DIRS)
    ignore_index = _one_of(path, "ignore_index", description.get("ignore_index", 255), (255, 65535))
    if ignore_index < len(names):
        raise ConfigError(
            f"{path}: {len(names)} classes need 16-bit labels; set 'ignore_index: 65535'"
        )
    return Layout(
        name=root.resolve().name,
        class_names=names,
        palette=palette,
        images=dirs.get("images", "images"),
        scribbles=dirs.get("scribbles", "scribbles"),
        masks=dirs.get("masks", "masks"),
        image_suffixes=IMAGE_SUFFIXES,
        image_mode=_one_of(path, "image_mode", description.get("image_mode", "RGB"), ("RGB", "L")),
        ignore_index=ignore_index,
        background_drawn=_one_of(
            path, "background_drawn", description.get("background_drawn", False), (True, False)
        ),
        lists=_mapping(path, "splits", description.get("splits", {})),
        tags=description.get("tags"),
        volumes=description.get("volumes"),
        raster=str(description.get("raster", "not stated")),
    )


def read_classes(path: Path) -> tuple[tuple[str, ...], tuple[Color, ...]]:
    """Names and colours of the classes in a ``dataset.yaml``, or a file that holds them alone.

    Raises:
        DataError: The file is missing or no YAML.
        ConfigError: ``classes`` is missing or wrong.
    """
    return _classes(path, _read(path).get("classes"))


def _read(path: Path) -> dict[str, Any]:
    try:
        description = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; a dataset describes its classes and folders there"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(description, dict):
        raise DataError(f"{path}: expected 'key: value' lines, found {type(description).__name__}")
    return description


def _classes(path: Path, classes: Any) -> tuple[tuple[str, ...], tuple[Color, ...]]:
    if not isinstance(classes, list) or len(classes) < 2:
        raise ConfigError(
            f"{path}: 'classes' is {classes!r}; list two or more, each a name or "
            f"{{name, color: [r, g, b]}}"
        )
    names, palette = [], voc_palette(len(classes))
    for index, entry in enumerate(classes):
        fields = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
            raise ConfigError(
                f"{path}: classes[{index}] is {entry!r}; expected a name or "
                f"{{name: ..., color: [r, g, b]}}"
            )
        _known(path, f"classes[{index}].", fields, ("name", "color"))
        names.append(fields["name"])
        if "color" in fields:
            color = fields["color"]
            if not (
                isinstance(color, list) and len(color) == 3 and all(c in range(256) for c in color)
            ):
                raise ConfigError(
                    f"{path}: classes[{index}].color is {color!r}; expected three values in 0..255"
                )
            palette[index] = (color[0], color[1], color[2])
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: 'classes' names a class twice: {', '.join(names)}")
    return tuple(names), tuple(palette)


def _known(path: Path, prefix: str, fields: Mapping[str, Any], allowed: Sequence[str]) -> None:
    for key in fields:
        if key not in allowed:
            close = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"did you mean {prefix + close[0]!r}? " if close else ""
            raise ConfigError(
                f"{path}: {prefix + str(key)!r} is unknown; {hint}known: {', '.join(allowed)}"
            )


def _mapping(path: Path, key: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ConfigError(
            f"{path}: {key!r} is {value!r}; expected {{name: path}} relative to {path.parent}"
        )
    return value


def _one_of(path: Path, key: str, value: Any, allowed: Sequence[Any]) -> Any:
    if value not in allowed:
        raise ConfigError(f"{path}: {key!r} is {value!r}; allowed: {', '.join(map(str, allowed))}")
    return value
