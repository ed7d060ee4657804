"""The strong augmentation of LPL: a few random changes of colours and shape, each of full strength.

Wang, Zhang, Kan, Shan, "Learning pseudo labels for semi-and-weakly supervised semantic
segmentation", Pattern Recognition 132, 2022; ranges of the published code.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

from scribbleseg.data.normalisation import IMAGENET_MEAN
from scribbleseg.data.transforms import canvas_size, resize

__all__ = ["COLORS", "SHAPES", "StrongAugmentation"]

Matrix = NDArray[np.float64]
"""``(2, 3)``: where a pixel ``(x, y, 1)`` goes."""

COLORS: dict[str, tuple[Callable[[Image.Image, float], Image.Image], float, float]] = {
    "autocontrast": (
        lambda picture, share: Image.blend(ImageOps.autocontrast(picture), picture, share),
        0.0,
        1.0,
    ),
    "brightness": (lambda picture, by: ImageEnhance.Brightness(picture).enhance(by), 0.5, 1.5),
    "color": (lambda picture, by: ImageEnhance.Color(picture).enhance(by), 0.5, 1.5),
    "contrast": (lambda picture, by: ImageEnhance.Contrast(picture).enhance(by), 0.5, 1.5),
    "equalize": (
        lambda picture, share: Image.blend(ImageOps.equalize(picture), picture, share),
        0.5,
        1.5,
    ),
    "invert": (
        lambda picture, share: Image.blend(ImageOps.invert(picture), picture, share),
        0.0,
        1.0,
    ),
    "posterize": (lambda picture, bits: ImageOps.posterize(picture, int(bits)), 1.0, 9.0),
    "sharpness": (lambda picture, by: ImageEnhance.Sharpness(picture).enhance(by), 0.0, 1.0),
    "solarize": (lambda picture, above: ImageOps.solarize(picture, math.ceil(above)), 0.0, 255.0),
}
"""Changes of a picture's colours, and the range of their strength. A share is that of the picture
as it was; above 1 it moves away from the change."""

SHAPES = ("scale", "flip", "shear", "rotation")
"""Changes of shape, of the picture and all that belongs to it."""

DEGREES, SHEAR, SCALES = 45, 0.3, (0.5, 2.0)


class StrongAugmentation(v2.Transform):
    """Some changes of colours, then some of shape, drawn with replacement.

    Pictures are moved with bicubic, labels and regions with nearest interpolation. Pictures of one
    channel keep their only colour.

    Args:
        operations: Their number in all; every share of colours is equally likely.
        fill: Grey level or colour beyond the picture's border, 0..255; null for ImageNet's mean
            (RGB) or 0 (grey).
    """

    def __init__(self, operations: int = 2, fill: Sequence[int] | None = None) -> None:
        super().__init__()
        if operations < 0:
            raise ValueError(f"StrongAugmentation: operations {operations}; expected 0 or more")
        self.operations, self.fill = operations, fill

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the changes: names and strengths of colours, matrices of shapes."""
        size = canvas_size(flat_inputs)
        colored = int(torch.randint(self.operations + 1, ()))
        colors = []
        for name in _some(tuple(COLORS), colored):
            _, low, high = COLORS[name]
            colors.append((name, _uniform(low, high)))
        moves: list[tuple[int, int] | Matrix | None] = []
        for name in _some(SHAPES, self.operations - colored):
            if name == "scale":
                factor = _uniform(*SCALES)
                size = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
                moves.append(size)
            elif name == "shear":
                moves.append(shear(_uniform(-SHEAR, SHEAR), _uniform(-SHEAR, SHEAR), size))
            elif name == "rotation":
                moves.append(rotation(int(torch.randint(-DEGREES, DEGREES + 1, ())), size))
            elif torch.rand(()).item() < 0.5:
                moves.append(None)
        return {"colors": colors, "moves": moves}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Change one input."""
        if isinstance(inpt, tv_tensors.Image):
            inpt = recolored(inpt, params["colors"])
        for move in params["moves"]:
            if move is None:
                inpt = tvf.horizontal_flip(inpt)
            elif isinstance(move, tuple):
                inpt = _scaled(inpt, move)
            else:
                inpt = self._warped(inpt, move)
        return inpt

    def _warped(self, inpt: Any, matrix: Matrix) -> Any:
        if isinstance(inpt, tv_tensors.Image):
            fill = self.fill
            if fill is None:
                grey = inpt.shape[0] == 1
                fill = (0,) if grey else tuple(round(255 * mean) for mean in IMAGENET_MEAN)
            return _on_pixels(
                inpt,
                lambda pixels: cv2.warpAffine(
                    pixels, matrix, pixels.shape[1::-1], flags=cv2.INTER_CUBIC, borderValue=fill
                ),
            )
        if not isinstance(inpt, tv_tensors.Mask):
            return inpt
        label = inpt.as_subclass(Tensor).numpy()
        # OpenCV moves neither bools nor 32-bit integers; class numbers have 16 bits at most.
        kind = np.uint16 if label.itemsize > 1 else np.uint8
        moved = cv2.warpAffine(
            label.astype(kind), matrix, label.shape[::-1], flags=cv2.INTER_NEAREST
        )
        return tv_tensors.wrap(torch.from_numpy(moved.astype(label.dtype)), like=inpt)


def recolored(image: tv_tensors.Image, changes: Sequence[tuple[str, float]]) -> tv_tensors.Image:
    """A picture ``(C, H, W)`` uint8 with changed colours.

    Args:
        image: The picture; C is 3 or 1.
        changes: Names of `COLORS` and strengths, in order.
    """
    if not changes:
        return image

    def change(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        for name, strength in changes:
            picture = COLORS[name][0](picture, strength)
        return np.array(picture)

    return _on_pixels(image, change)


def shear(along_x: float, along_y: float, size: tuple[int, int]) -> Matrix:
    """``x' = x + along_x (y - W / 2)``, ``y' = y + along_y (x - H / 2)``.

    Width and height stand where they were published: only squares are sheared about their centre.

    >>> shear(0.5, 0.0, (4, 6))
    array([[ 1. ,  0.5, -1.5],
           [ 0. ,  1. , -0. ]])
    """
    height, width = size
    return np.array([[1, along_x, -along_x * width / 2], [along_y, 1, -along_y * height / 2]])


def rotation(degrees: float, size: tuple[int, int]) -> Matrix:
    """Counter-clockwise about the centre."""
    height, width = size
    return np.asarray(
        cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0), np.float64
    )


def _scaled(inpt: Any, size: tuple[int, int]) -> Any:
    if not isinstance(inpt, tv_tensors.Image):
        return resize(inpt, size)
    return _on_pixels(
        inpt, lambda pixels: cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_CUBIC)
    )


def _on_pixels(
    image: tv_tensors.Image, change: Callable[[NDArray[np.uint8]], Any]
) -> tv_tensors.Image:
    """A picture after a change of its pixels ``(H, W, C)``; a last axis of 1 may get lost."""
    pixels = np.ascontiguousarray(image.as_subclass(Tensor).numpy().transpose(1, 2, 0))
    changed = np.atleast_3d(change(pixels)).transpose(2, 0, 1)
    moved: tv_tensors.Image = tv_tensors.wrap(
        torch.from_numpy(np.ascontiguousarray(changed)), like=image
    )
    return moved


def _some(names: tuple[str, ...], count: int) -> list[str]:
    return [names[int(torch.randint(len(names), ()))] for _ in range(count)]


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()
