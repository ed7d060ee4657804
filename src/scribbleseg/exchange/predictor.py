"""A model that is ready to use: pictures in, label images out."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast, overload

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor, nn
from torchvision import tv_tensors

from scribbleseg.annotation.image_file import ImageMode, faithful, read_image
from scribbleseg.annotation.label_image import Color, LabelImage
from scribbleseg.annotation.tinting import overlay
from scribbleseg.data.transforms import resize
from scribbleseg.errors import ConfigError, DataError
from scribbleseg.exchange.description import ModelDescription
from scribbleseg.inference import predict
from scribbleseg.inference.views import fuse_views, views
from scribbleseg.networks.annotation_network import AnnotationNetwork

__all__ = ["Pixels", "Predictor"]

Pixels = str | Path | Image.Image | NDArray[np.uint8]
"""A picture: a file, an image of Pillow, or ``(H, W, 3)`` or ``(H, W)`` uint8."""


class Predictor:
    """A network with everything between a picture and its label image.

    Args:
        net: Network in evaluation mode.
        model: What it is; picture mode, size, normalisation and inference are taken from it.
        device: Where the network works, e.g. ``cuda``.
    """

    def __init__(self, net: nn.Module, model: ModelDescription, *, device: str = "cpu") -> None:
        try:
            # The memory format of training: sums in another order could tip a pixel.
            self.net = net.eval().to(device).to(memory_format=torch.channels_last)
        except (RuntimeError, AssertionError) as error:
            reason = next(iter(str(error).splitlines()), "not available")
            raise ConfigError(f"device {device!r}: {reason}") from None
        self.model, self.device = model, device

    @property
    def class_names(self) -> list[str]:
        """Names of the classes in the order of the labels."""
        return list(self.model.class_names)

    @property
    def palette(self) -> list[Color]:
        """RGB of each class, 0..255."""
        return list(self.model.palette)

    @overload
    def __call__(self, picture: Pixels) -> LabelImage: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, picture: Sequence[Pixels]) -> list[LabelImage]: ...

    def __call__(self, picture: Pixels | Sequence[Pixels]) -> LabelImage | list[LabelImage]:
        """The class of every pixel.

        Args:
            picture: One picture, or a list of them, which may differ in size.

        Returns:
            ``(H, W)`` uint8 (uint16 above 255 classes) at the picture's size; a list for a list.

        Raises:
            DataError: A picture cannot be read, or is not 8 bit.
        """
        if isinstance(picture, list | tuple):
            return [self(one) for one in picture]
        pixels = _pixels(cast("Pixels", picture), self.model.picture.image_mode)
        label = self._label(self._input(pixels), (pixels.shape[0], pixels.shape[1])).numpy()
        return label if label.dtype == np.uint8 else label.astype(np.uint16)

    def probabilities(self, picture: Pixels) -> NDArray[np.float32]:
        """Probability of each class at every pixel, ``(K, H, W)``, before any refinement.

        Args:
            picture: One picture; K maps of its size have to fit into memory.

        Raises:
            DataError: It cannot be read, or is not 8 bit.
        """
        pixels = _pixels(picture, self.model.picture.image_mode)
        prob = self._probabilities(self._input(pixels), (pixels.shape[0], pixels.shape[1]))
        array: NDArray[np.float32] = prob.float().cpu().numpy()
        return array

    def annotation_probability(self, picture: Pixels) -> NDArray[np.float32]:
        """Where an annotator would draw what, as a network of BLPSeg has learned it.

        Args:
            picture: One picture; K + 1 maps of its size have to fit into memory.

        Returns:
            ``(K + 1, H, W)``: the probability that the pixel is drawn as each class, and last that
            it is not drawn.

        Raises:
            ConfigError: The network has no annotation head.
            DataError: The picture cannot be read, or is not 8 bit.
        """
        if not isinstance(self.net, AnnotationNetwork):
            raise ConfigError(
                f"a {type(self.net).__name__} has no annotation head; take a model that BLPSeg "
                "has trained"
            )
        pixels = _pixels(picture, self.model.picture.image_mode)
        image = self.model.picture.normalise(self._input(pixels))
        with torch.inference_mode():
            _, logits = self.net.with_annotation(image)
            size = (pixels.shape[0], pixels.shape[1])
            whole = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
        array: NDArray[np.float32] = whole[0].softmax(dim=0).cpu().numpy()
        return array

    def overlay(self, picture: Pixels) -> NDArray[np.uint8]:
        """The picture tinted by its labels, ``(H, W, 3)`` uint8; class 0 stays as it is."""
        return overlay(_pixels(picture, "RGB"), self(picture), self.model.palette)

    def _input(self, pixels: NDArray[np.uint8]) -> Tensor:
        """``(1, C, h, w)`` uint8 at the network's size, on its device."""
        channels_first = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        image = tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(channels_first)))
        size = self.model.picture.resize
        moved: Tensor = image if size is None else resize(image, size)
        return moved.as_subclass(Tensor)[None].to(self.device)

    @torch.inference_mode()
    def _label(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        how = self.model.inference
        (decision,) = predict(self.net, image, [size], self.model.picture.normalise, how)
        return decision.label

    @torch.inference_mode()
    def _probabilities(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        how = self.model.inference
        normalised = self.model.picture.normalise(image)
        (scores,) = fuse_views(views(self.net, normalised, how), [size], how)
        # The largest probability over several views is no probability any more.
        return scores.softmax(dim=0) if how.combine == "logits" else scores / scores.sum(dim=0)


def _pixels(picture: Pixels, mode: ImageMode) -> NDArray[np.uint8]:
    """``(H, W, 3)`` or ``(H, W)``, read as `predict` reads files."""
    if isinstance(picture, str | Path):
        return read_image(Path(picture), mode)
    if isinstance(picture, Image.Image):
        name = Path("the picture")
        return np.array(faithful(name, ImageOps.exif_transpose(picture)).convert(mode))
    if not isinstance(picture, np.ndarray):
        raise DataError(
            f"a picture is a path, an image of Pillow or an array, not {type(picture).__name__}"
        )
    is_picture = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if picture.dtype != np.uint8 or not is_picture or picture.size == 0:
        raise DataError(
            f"a picture is (H, W, 3) or (H, W) of uint8, this array is {picture.shape} of "
            f"{picture.dtype}; scale it to 0..255 first"
        )
    return np.array(Image.fromarray(picture).convert(mode))
