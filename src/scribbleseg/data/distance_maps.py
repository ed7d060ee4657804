"""Where the distance maps of training images come from: computed when loaded, or a folder of them.

They are those of `annotation.distance`, of the whole picture at its original size. Resizing and
augmentation move them with the nearest pixel and leave their values alone, so that a distance is
always one in pixels of the original picture, as in the papers.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.distance import distance_scale, read_distance_map
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import image_size
from scribbleseg.data.layout import Record, find_folder
from scribbleseg.errors import ConfigError, DataError

__all__ = [
    "DistanceMap",
    "check_stored_maps",
    "map_sources",
    "read_stored_map",
    "scale_or_folder",
    "with_maps",
    "with_stored_maps",
]

DistanceMap = Literal["scribble_distance", "pseudo_distance"]


def scale_or_folder(value: str | float | None) -> float | str | None:
    """What a setting means: the scale of maps to compute, a folder of maps, or no maps.

    >>> scale_or_folder("e"), scale_or_folder("distance_map")
    (2.718281828459045, 'distance_map')

    Raises:
        ConfigError: It is a number that is no scale.
    """
    if value is None:
        return None
    try:
        return distance_scale(value)
    except ConfigError:
        if _is_number(value):
            raise
        return str(value)


def map_sources(
    scribble: str | float | None, pseudo: str | float | None
) -> dict[DistanceMap, float | str]:
    """The scale, or the folder, of the maps that training samples bring.

    Args:
        scribble: Setting of the maps of strokes, as `scale_or_folder`.
        pseudo: The same of pseudo labels.

    Raises:
        ConfigError: A setting is a number that is no scale.
    """
    settings: dict[DistanceMap, str | float | None] = {
        "scribble_distance": scribble,
        "pseudo_distance": pseudo,
    }
    sources = {name: scale_or_folder(value) for name, value in settings.items()}
    return {name: source for name, source in sources.items() if source is not None}


def _is_number(value: str | float) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def with_stored_maps(
    records: Sequence[Record], key: DistanceMap, folder: str, root: Path
) -> list[Record]:
    """Records with the files ``<id>.png`` of one of their maps.

    Args:
        records: Files of each image.
        key: Which map.
        folder: Its folder, relative to the working directory or to the dataset.
        root: Folder of the dataset.

    Raises:
        ConfigError: There is no such folder.
        DataError: Images have no map.
    """
    found = find_folder(
        f"data.{key}",
        folder,
        root,
        cure="give a folder of maps, or the scale of maps to compute (e, e6, a number above 0)",
    )
    paths = {record.name: found / f"{record.name}.png" for record in records}
    missing = [name for name, path in paths.items() if not path.is_file()]
    if missing:
        raise DataError(
            f"{found}: no distance map for {some(missing)} ({len(missing)} of {len(paths)} "
            "images); make them, or give a scale instead of a folder to compute them"
        )
    if key == "scribble_distance":
        return [replace(record, scribble_distance=paths[record.name]) for record in records]
    return [replace(record, pseudo_distance=paths[record.name]) for record in records]


def read_stored_map(path: Path, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """A stored map ``(H, W)`` of the picture's size.

    Raises:
        DataError: The file cannot be read, is no map, or has another size.
    """
    distance = read_distance_map(path)
    if distance.shape != size:
        raise DataError(
            f"{path}: distance map is {distance.shape[1]}x{distance.shape[0]} but its picture "
            f"{size[1]}x{size[0]} pixels"
        )
    return distance


def with_maps(
    records: Sequence[Record], maps: Mapping[DistanceMap, float | str], root: Path
) -> tuple[list[Record], dict[DistanceMap, float]]:
    """Records with the files of stored maps, and the scales of the maps to compute.

    Args:
        records: Files of each image.
        maps: Scale or folder of each map.
        root: Folder of the dataset.

    Raises:
        ConfigError: There is no such folder.
        DataError: Images have no map.
    """
    found, scales = list(records), {}
    for key, source in maps.items():
        if isinstance(source, str):
            found = with_stored_maps(found, key, source, root)
        else:
            scales[key] = source
    return found, scales


def check_stored_maps(records: Sequence[Record]) -> None:
    """Read every stored map once.

    Raises:
        DataError: The first of those that `read_stored_map` refuses.
    """
    files = [
        (path, record.image)
        for record in records
        for path in (record.scribble_distance, record.pseudo_distance)
        if path is not None
    ]
    # Decoding releases the interpreter lock, so threads use the cores and need no start-up.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(lambda pair: read_stored_map(pair[0], image_size(pair[1])), files))
