"""What a file of weights needs beside it to be a model: plain values, complete, no code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scribbleseg.annotation.image_file import ImageMode
from scribbleseg.annotation.label_image import Color, voc_palette
from scribbleseg.data.normalisation import Normalisation
from scribbleseg.errors import ConfigError
from scribbleseg.inference import Inference

__all__ = ["ModelDescription", "NetworkSpec", "Origin", "Picture", "SplitScores"]

MOST_CLASSES = 65535


@dataclass(frozen=True)
class NetworkSpec:
    """A network by name.

    Args:
        name: A class that `scribbleseg.networks` exports, or one that is handed over by name when
            the model is loaded. Never a path that could be imported.
        arguments: Its arguments beside the number of classes and channels: plain values, and
            networks where an argument makes one.
    """

    name: str
    arguments: Mapping[str, "NetworkSpec | Any"] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """How a picture becomes the network's input.

    Args:
        image_mode: ``RGB`` or ``L`` (grey).
        mean: Mean of each channel on the 0..1 scale.
        std: Standard deviation of each channel on the 0..1 scale.
        resize: Height and width of the network's input, pixels; None for the picture's own.
    """

    image_mode: ImageMode = "RGB"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    resize: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that do not belong together.

        Raises:
            ConfigError: A value is missing or out of its range.
        """
        if not len(self.mean) == len(self.std) == self.in_channels:
            raise ConfigError(
                f"mean, std: {self.in_channels} value(s) each for {self.image_mode}, got "
                f"{list(self.mean)} and {list(self.std)}"
            )
        if min(self.std) <= 0:
            raise ConfigError(f"std: {list(self.std)} must be positive")
        if self.resize is not None and min(self.resize) < 1:
            raise ConfigError(f"resize: {list(self.resize)} must be positive")

    @property
    def in_channels(self) -> int:
        """Channels of the picture: 3 (RGB) or 1 (grey)."""
        return 1 if self.image_mode == "L" else 3

    @property
    def normalise(self) -> Normalisation:
        """From uint8 to what the network takes."""
        return Normalisation(self.mean, self.std)


@dataclass(frozen=True)
class SplitScores:
    """Scores of the model on one list of images, as `evaluation.Scores` defines them.

    Args:
        images: Number of images.
        miou: Mean IoU over the classes present, 0..1; None where it is undefined.
        pixel_accuracy: Share of the pixels that are right, 0..1.
        iou: IoU of each class.
    """

    images: int
    miou: float | None
    pixel_accuracy: float | None
    iou: tuple[float | None, ...]


@dataclass(frozen=True)
class Origin:
    """Where the weights come from; what is not known is None or empty.

    Args:
        method: Name of the training method.
        steps: Optimiser steps that the weights have seen.
        dataset: Name of the dataset or its layout.
        images: Number of training images.
        supervision: Kinds of supervision that they brought.
        scores: Scores by list, e.g. ``test``.
        source: For weights that were not trained here: whose they are.
    """

    method: str | None = None
    steps: int | None = None
    dataset: str | None = None
    images: int | None = None
    supervision: tuple[str, ...] = ()
    scores: Mapping[str, SplitScores] = field(default_factory=dict)
    source: str | None = None


@dataclass(frozen=True)
class ModelDescription:
    """Everything about a model but its weights.

    Args:
        network: The network.
        class_names: Names of the classes in the order of the labels.
        palette: RGB of each class, 0..255; class colours of PASCAL VOC if empty.
        picture: How a picture becomes the network's input.
        ignore_index: Label value of unlabelled pixels in the training data.
        inference: Scales, mirror images, windows and refinement.
        origin: Where the weights come from.

    >>> ModelDescription(NetworkSpec("PlainUNet"), ("ground", "cell")).palette
    ((0, 0, 0), (128, 0, 0))
    """

    network: NetworkSpec
    class_names: tuple[str, ...]
    palette: tuple[Color, ...] = ()
    picture: Picture = Picture()
    ignore_index: int = 255
    inference: Inference = field(default_factory=Inference)
    origin: Origin = Origin()

    def __post_init__(self) -> None:
        """Fill in the colours, and refuse what does not belong together.

        Raises:
            ConfigError: There are no classes or too many, a name stands twice, or the colours are
                not theirs.
        """
        names = self.class_names
        if not 0 < len(names) <= MOST_CLASSES or len(set(names)) < len(names):
            raise ConfigError(
                f"class_names: {len(names)} names, {len(set(names))} different ones; expected 1 "
                f"to {MOST_CLASSES}, each once"
            )
        if not self.palette:
            object.__setattr__(self, "palette", tuple(voc_palette(len(names))))
        if len(self.palette) != len(names):
            raise ConfigError(f"palette: {len(self.palette)} colours for {len(names)} classes")
        if any(not 0 <= value <= 255 for color in self.palette for value in color):
            raise ConfigError("palette: a value is not in 0..255")

    @property
    def num_classes(self) -> int:
        """Classes predicted, background included."""
        return len(self.class_names)
