"""Joint random transforms that torchvision does not have.

Any transform of ``torchvision.transforms.v2`` may stand beside them in a config. Whatever fill
value a transform uses, the dataset sets labels to the ignore index and regions to False wherever
``valid`` ends up False. Randomness comes from torch's generator alone, which the dataset seeds for
every sample.
"""

from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as tvf

__all__ = [
    "QuarterTurnFlipOrRotation",
    "RandomBlur",
    "RandomCrop",
    "RandomQuarterTurn",
    "RandomRotation",
    "RandomScale",
]


class RandomScale(v2.Transform):
    """Resize by a random factor, aspect kept: pictures bilinear, label images and regions nearest.

    Args:
        low: Smallest factor.
        high: Largest factor.
    """

    def __init__(self, low: float = 0.5, high: float = 2.0) -> None:
        super().__init__()
        if not 0 < low <= high:
            raise ValueError(f"RandomScale: low {low} and high {high} must satisfy 0 < low <= high")
        self.low, self.high = low, high

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the new size."""
        factor = self.low + (self.high - self.low) * torch.rand(()).item()
        return {"size": [max(1, round(side * factor)) for side in canvas_size(flat_inputs)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Resize one input."""
        return resize(inpt, params["size"])


class RandomCrop(v2.Transform):
    """Cut out a random window; a picture smaller than the window is padded first.

    Args:
        size: Height and width of the window in pixels.
        fill: Grey level or colour of padded pixels, 0..255.
        place: Where a smaller picture lies in the window: at the ``center``, or at a ``random``
            place.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fill: Sequence[int] = (0,),
        place: Literal["center", "random"] = "center",
    ) -> None:
        super().__init__()
        self.size, self.fill, self.place = tuple(size), list(fill), place

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the padding and the window's corner."""
        missing = [
            max(0, want - have)
            for want, have in zip(self.size, canvas_size(flat_inputs), strict=True)
        ]
        room = [
            max(0, have - want)
            for want, have in zip(self.size, canvas_size(flat_inputs), strict=True)
        ]
        top, left = (int(torch.randint(r + 1, ())) for r in room)
        if self.place == "random":
            before = [int(torch.randint(m + 1, ())) for m in missing]
        else:
            before = [m // 2 for m in missing]
        after = [m - b for m, b in zip(missing, before, strict=True)]
        return {"padding": [before[1], before[0], after[1], after[0]], "top": top, "left": left}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Pad and crop one input."""
        if any(params["padding"]):
            fill = self.fill if isinstance(inpt, tv_tensors.Image) else 0
            inpt = tvf.pad(inpt, params["padding"], fill=fill)
        return tvf.crop(inpt, params["top"], params["left"], *self.size)


class RandomQuarterTurn(v2.Transform):
    """Turn by 0, 90, 180 or 270 degrees, each equally likely; exact, no interpolation."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the number of quarter turns."""
        return {"turns": int(torch.randint(4, ()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Turn one input."""
        return quarter_turn(inpt, params["turns"])


class RandomRotation(v2.Transform):
    """Rotate about the centre, canvas kept; corners become padding.

    Args:
        degrees: Largest angle to either side.
        p: Probability to rotate at all.
        fill: Grey level or colour of the corners, 0..255.
    """

    def __init__(self, degrees: float = 10.0, p: float = 0.5, fill: Sequence[int] = (0,)) -> None:
        super().__init__()
        self.degrees, self.p, self.fill = degrees, p, list(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the angle; 0 when the sample stays as it is."""
        angle = self.degrees * (2 * torch.rand(()).item() - 1)
        return {"angle": angle if torch.rand(()).item() < self.p else 0.0}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Rotate one input."""
        return rotate(inpt, params["angle"], self.fill)


class RandomBlur(v2.Transform):
    """Blur the picture.

    Args:
        p: Probability to blur at all.
        sigma: Smallest and largest standard deviation of a Gaussian, pixels; null for the 5 x 5
            binomial kernel, (1, 4, 6, 4, 1) / 16 along each axis.
    """

    def __init__(self, p: float = 0.5, sigma: tuple[float, float] | None = None) -> None:
        super().__init__()
        if sigma is not None and not 0 < sigma[0] <= sigma[1]:
            raise ValueError(f"RandomBlur: sigma {sigma}; expected 0 < smallest <= largest")
        self.p, self.sigma = p, sigma

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw whether the sample is blurred, and how much."""
        blurred = torch.rand(()).item() < self.p
        if self.sigma is None:
            return {"blurred": blurred}
        low, high = self.sigma
        return {"blurred": blurred, "sigma": low + (high - low) * torch.rand(()).item()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Blur a picture; everything else stays as it is."""
        if not params["blurred"] or not isinstance(inpt, tv_tensors.Image):
            return inpt
        pixels = np.ascontiguousarray(inpt.as_subclass(Tensor).numpy().transpose(1, 2, 0))
        if "sigma" in params:
            blurred = cv2.GaussianBlur(pixels, (0, 0), params["sigma"])
        else:
            kernel = np.array([1, 4, 6, 4, 1], np.float64) / 16
            blurred = cv2.sepFilter2D(pixels, -1, kernel, kernel)
        blurred = blurred.reshape(pixels.shape)
        moved = torch.from_numpy(np.ascontiguousarray(blurred.transpose(2, 0, 1)))
        return tv_tensors.wrap(moved, like=inpt)


class QuarterTurnFlipOrRotation(v2.Transform):
    """The augmentation of WSL4MIS: a quarter turn and flip, or a rotation, or nothing.

    With probability 1/2 a random number of quarter turns and a flip along a random axis; else with
    probability 1/2 a rotation by a whole angle.

    Args:
        degrees: Angles are drawn from ``-degrees .. degrees - 1``.
    """

    def __init__(self, degrees: int = 20) -> None:
        super().__init__()
        self.degrees = degrees

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw what happens to the sample."""
        choice = torch.rand(()).item()
        return {
            "flip": int(torch.randint(2, ())) if choice < 0.5 else None,
            "turns": int(torch.randint(4, ())),
            "angle": int(torch.randint(-self.degrees, self.degrees, ()))
            if 0.5 <= choice < 0.75
            else 0,
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Apply it to one input."""
        if params["flip"] is None:
            return rotate(inpt, params["angle"])
        turned = quarter_turn(inpt, params["turns"])
        return tvf.horizontal_flip(turned) if params["flip"] else tvf.vertical_flip(turned)


def canvas_size(flat_inputs: Sequence[Any]) -> tuple[int, int]:
    """Height and width in pixels that the spatial tensors of a sample share."""
    height, width = next(
        i.shape[-2:] for i in flat_inputs if isinstance(i, tv_tensors.Image | tv_tensors.Mask)
    )
    return height, width


def resize(inpt: Any, size: Sequence[int]) -> Any:
    """One input at ``size`` (height, width): pictures bilinear, label images and regions nearest.

    The nearest pixel is the one whose centre is nearest, as for the picture. torchvision takes the
    one whose corner is nearest, which shifts the labels by up to half a pixel.
    """
    if isinstance(inpt, tv_tensors.Image):
        return tvf.resize(inpt, list(size))
    if not isinstance(inpt, tv_tensors.Mask):
        return inpt
    label = inpt.as_subclass(Tensor).numpy()
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * (old / new)).astype(np.intp), old - 1)
        for old, new in zip(label.shape[-2:], size, strict=True)
    )
    # 13 times faster than torch's indexing with two index tensors, 2 times than its interpolation.
    moved = np.take(np.take(label, columns, axis=-1), rows, axis=-2)
    return tv_tensors.wrap(torch.from_numpy(moved), like=inpt)


def quarter_turn(inpt: Any, turns: int) -> Any:
    """``(..., H, W)`` turned counter-clockwise; what is no spatial tensor stays as it is."""
    if not isinstance(inpt, tv_tensors.Image | tv_tensors.Mask):
        return inpt
    return tv_tensors.wrap(torch.rot90(inpt.as_subclass(Tensor), turns, (-2, -1)), like=inpt)


def rotate(inpt: Any, angle: float, fill: Sequence[int] = (0,)) -> Any:
    """Rotated counter-clockwise by ``angle`` degrees about the centre; ``fill`` is a picture's.

    Pictures bilinear, label images and regions nearest.
    """
    if angle == 0 or not isinstance(inpt, tv_tensors.Image | tv_tensors.Mask):
        return inpt
    is_picture = isinstance(inpt, tv_tensors.Image)
    corners = list(fill) if is_picture else [0]
    pixels = inpt.as_subclass(Tensor).numpy()
    flat = pixels.ndim == 3 and pixels.shape[0] in {1, 3} if is_picture else pixels.ndim == 2
    if not flat or pixels.dtype.name not in {"bool", "uint8", "uint16", "int32", "float32"}:
        return tvf.rotate(inpt, angle, interpolation=InterpolationMode.BILINEAR, fill=corners)
    height, width = pixels.shape[-2:]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    # OpenCV, 8 times faster than torchvision here, knows no bool and wants channels last.
    is_region = pixels.dtype == np.bool_
    pixels = pixels.view(np.uint8) if is_region else pixels
    if is_picture:
        border = corners * (pixels.shape[0] if len(corners) == 1 else 1)
        last = np.ascontiguousarray(pixels.transpose(1, 2, 0))
        turned = cv2.warpAffine(last, turn, (width, height), borderValue=border)
        turned = np.ascontiguousarray(turned.reshape(height, width, -1).transpose(2, 0, 1))
    else:
        turned = cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_NEAREST)
        turned = turned.view(np.bool_) if is_region else turned
    return tv_tensors.wrap(torch.from_numpy(turned), like=inpt)
