"""Distance maps: how far each pixel is from the strokes, or from the outline of a pseudo label.

CDSP and CSPNet weigh the entropy of a pixel with them: a prediction counts more near a stroke of an
object, and less near the outline of a pseudo label, where that is most often wrong.

Both are ``T = min(255, floor(sqrt(scale * d2)))``, d2 the squared Euclidean distance in pixels of
the picture's original size. The papers call the scale lambda and spell it by its exponent: ``e2``
is exp(2). Equal to the maps that the authors ship, to the last bit.

X. Zhang et al., "Scribble Hides Class", AAAI 2024; "Exploiting Inherent Class Label", 2025.
"""

import math
import re
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scribbleseg.annotation.audit import check_label
from scribbleseg.annotation.image_file import open_image
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import ConfigError, DataError

__all__ = [
    "boundary",
    "distance_scale",
    "pseudo_label_distance_map",
    "read_distance_map",
    "scribble_distance_map",
    "write_distance_map",
]


def scribble_distance_map(
    scribble: LabelImage, *, scale: float = math.e, ignore_index: int = 255
) -> NDArray[np.uint8]:
    """Nearness to the strokes of objects, ``255 - T``; background strokes do not count.

    Args:
        scribble: ``(H, W)`` class indices, 0 background; ``ignore_index`` where nothing is drawn.
        scale: Above 0. The larger it is, the faster the map falls off: it is 0 from
            ``255 / sqrt(scale)`` pixels on (154.7 for e).
        ignore_index: Value of undrawn pixels.

    Returns:
        ``(H, W)``: 255 on a stroke of an object, 0 far from all of them or where there is none.

    >>> scribble_distance_map(np.array([[255, 1, 255, 255, 0]], np.uint8), scale=10_000)
    array([[155, 255, 155,  55,   0]], dtype=uint8)
    """
    return np.uint8(255) - _scaled_distance(_foreground(scribble, ignore_index), scale)


def pseudo_label_distance_map(
    pseudo_label: LabelImage, *, scale: float = math.e**6, ignore_index: int = 255
) -> NDArray[np.uint8]:
    """Distance from the outline of the objects, ``T``, on both of its sides.

    Args:
        pseudo_label: ``(H, W)`` class indices, 0 background; ``ignore_index`` is background too.
        scale: Above 0. The map is 255 from ``255 / sqrt(scale)`` pixels on (12.7 for e6, 7.7 for
            e7).
        ignore_index: Value of undecided pixels.

    Returns:
        ``(H, W)``: 0 on the `boundary`, 255 far from it or where there is no object.

    >>> pseudo_label_distance_map(np.array([[0, 0, 0, 2, 2]], np.uint8), scale=10_000)
    array([[255, 200, 100,   0,   0]], dtype=uint8)
    """
    return _scaled_distance(boundary(pseudo_label, ignore_index=ignore_index), scale)


def boundary(pseudo_label: LabelImage, *, ignore_index: int = 255) -> NDArray[np.bool_]:
    """Pixels of objects with a neighbour (of 4) that is none; the picture's edge counts as none.

    All classes are one object here: there is no boundary between two of them.

    Args:
        pseudo_label: ``(H, W)`` class indices, 0 background; ``ignore_index`` is background too.
        ignore_index: Value of undecided pixels.

    Returns:
        ``(H, W)`` bool.

    >>> boundary(np.array([[1, 2, 2, 0], [1, 1, 2, 0], [1, 1, 2, 0]], np.uint8)).astype(int)
    array([[1, 1, 1, 0],
           [1, 0, 1, 0],
           [1, 1, 1, 0]])
    """
    inside = _foreground(pseudo_label, ignore_index)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    surrounded = cv2.erode(
        inside.view(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=[0]
    )
    edge: NDArray[np.bool_] = inside & (surrounded == 0)
    return edge


def distance_scale(value: str | float) -> float:
    """The scale that a setting means: a number above 0, or ``e``, ``e2``, ``e6`` for exp(1, 2, 6).

    Raises:
        ConfigError: It is neither.

    >>> distance_scale("e"), distance_scale("50")
    (2.718281828459045, 50.0)
    """
    exponent = re.fullmatch(r"e(\d{0,2})", str(value))
    try:
        scale = math.e ** int(exponent[1] or 1) if exponent else float(value)
    except ValueError:
        scale = math.nan
    if not 0 < scale < math.inf:
        raise ConfigError(
            f"scale of a distance map: {value!r}; give a number above 0, or a power of e as the "
            "papers spell it: e, e2, e6"
        )
    return scale


def read_distance_map(path: Path) -> NDArray[np.uint8]:
    """A stored map ``(H, W)``: 8-bit grey, or colour with three equal channels as published.

    Raises:
        DataError: The file cannot be read or is no such picture.
    """
    with open_image(path) as image:
        mode, pixels = image.mode, np.array(image)
    if mode == "L":
        return pixels
    if mode == "RGB" and (pixels == pixels[..., :1]).all():
        return np.ascontiguousarray(pixels[..., 0])
    raise DataError(
        f"{path}: a distance map is an 8-bit grey picture or has three equal channels, this one "
        f"has mode {mode}{' and colours' if mode == 'RGB' else ''}; 'scribbleseg distance' makes "
        "them"
    )


def write_distance_map(
    label: Path,
    path: Path,
    *,
    kind: Literal["scribble", "pseudo_label"],
    scale: float,
    num_classes: int,
    ignore_index: int = 255,
) -> None:
    """Write the map of one label image as an 8-bit grey PNG, completely or not at all.

    Args:
        label: The scribble or pseudo label.
        path: The PNG to write; its folder is made.
        kind: Which of the two maps.
        scale: See `scribble_distance_map` and `pseudo_label_distance_map`.
        num_classes: Labels are ``0 .. num_classes - 1``.
        ignore_index: Value of unlabelled pixels.

    Raises:
        DataError: The label image cannot be read, or a value is out of range.
    """
    pixels = read_label(label)
    check_label(label, pixels, num_classes=num_classes, ignore_index=ignore_index)
    make = scribble_distance_map if kind == "scribble" else pseudo_label_distance_map
    distance = make(pixels, scale=scale, ignore_index=ignore_index)
    with whole_file(path) as unfinished:
        Image.fromarray(distance).save(unfinished, format="PNG")


def _foreground(label: LabelImage, ignore_index: int) -> NDArray[np.bool_]:
    objects: NDArray[np.bool_] = (label != 0) & (label != ignore_index)
    return np.ascontiguousarray(objects)


def _scaled_distance(source: NDArray[np.bool_], scale: float) -> NDArray[np.uint8]:
    if not source.any():
        return np.full(source.shape, 255, np.uint8)
    # numba takes half a second to import: only for those who make a map
    from scribbleseg.annotation.distance_transform import scaled_distance

    reach = min(int(255 / math.sqrt(scale)) + 1, sum(source.shape))
    return scaled_distance(source, float(scale), reach)
