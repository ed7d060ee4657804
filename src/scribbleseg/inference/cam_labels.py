"""Pseudo labels from class activation maps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.data.normalisation import Normalisation
from scribbleseg.errors import ConfigError
from scribbleseg.inference.activation_map import SCALES, multi_scale_cam
from scribbleseg.inference.labels import Decision, refined_scores, resized
from scribbleseg.inference.settings import Refine

__all__ = ["CamLabels", "cam_decisions"]

LEAST = 1 / 255
"""Least confidence of a decision; 0 says that there is none."""


@dataclass(frozen=True)
class CamLabels:
    """How activation maps become pseudo labels.

    Args:
        branch: Whose maps: of the classifier on the last block, or of the auxiliary one.
        size: Height and width to which pictures are resized for the network, whatever their
            aspect; null for the size they have, which large ones make slow.
        scales: Sizes of the views relative to that; each is also seen mirrored.
        background_score: Activation that an object must exceed, 0..1. With two, an object must
            exceed the second, background must stay below the first, and what lies between stays
            unlabelled.
        refine: What sharpens the maps before the decision.
    """

    branch: Literal["classifier", "auxiliary"] = "classifier"
    size: tuple[int, int] | None = None
    scales: tuple[float, ...] = SCALES
    background_score: tuple[float, ...] = (0.5,)
    refine: Refine = "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: A value is out of its range.
        """
        scores = self.background_score
        ordered = len(scores) in {1, 2} and list(scores) == sorted(scores)
        if not ordered or not all(0 < score < 1 for score in scores):
            raise ConfigError(
                f"cam_labels.background_score: {list(scores)}; expected one value, or the lower "
                "and the higher of two, each above 0 and below 1"
            )
        if not self.scales or min(self.scales) <= 0 or (self.size and min(self.size) < 1):
            raise ConfigError(
                f"cam_labels: scales {list(self.scales)} and size {self.size} must be positive"
            )


def cam_decisions(
    activation: Callable[[Tensor], Sequence[Tensor]],
    images: Tensor,
    sizes: Sequence[tuple[int, int]],
    normalise: Normalisation,
    tags: Tensor,
    how: CamLabels,
    *,
    stride: int = 1,
) -> list[Decision]:
    """Labels and confidences of a batch.

    Args:
        activation: Normalised images to raw maps ``(N, K - 1, h, w)``: classifier, auxiliary.
        images: ``(B, C, h, w)`` uint8.
        sizes: Height and width of each result.
        normalise: Makes the network's input.
        tags: ``(B, K)``, above 0 for the classes of each image.
        how: What is done.
        stride: Pixels; the sides of every view are rounded to a multiple of it.

    Returns:
        The confidence is the activation of the decided object, or for background what the strongest
        object lacks to 1; where nothing is decided it is 0.
    """
    pictures = normalise(images)
    if how.size is not None:
        pictures = F.interpolate(pictures, how.size, mode="bilinear")
    maps = multi_scale_cam(activation, pictures, scales=how.scales, stride=stride)
    cams = maps[how.branch == "auxiliary"].to(images.device)
    return [
        _decision(cam[present], present, image, size, how)
        for image, cam, present, size in zip(images, cams, tags[:, 1:] > 0, sizes, strict=True)
    ]


def _decision(
    cam: Tensor, present: Tensor, image: Tensor, size: tuple[int, int], how: CamLabels
) -> Decision:
    # Refinement looks at the picture's pixels, which are there at the network's size only.
    at = size if how.refine == "none" else (image.shape[-2], image.shape[-1])
    stack = F.pad(cam, (0, 0, 0, 0, 1, 0))
    stack = F.interpolate(stack[None], at, mode="bilinear")[0]
    winners = [_winner(stack, image, score, how.refine) for score in how.background_score]
    against_low, winner = winners[0], winners[-1]
    sure = torch.where(
        winner > 0, stack.gather(0, winner[None])[0], 1 - stack.max(dim=0).values
    ).clamp_min(LEAST)
    # An object against the lower background and none against the higher one: nobody knows.
    sure = torch.where((winner == 0) & (against_low > 0), 0, sure)
    label = F.pad(present, (1, 0), value=True).nonzero()[:, 0][winner]
    dtype = torch.uint8 if len(present) < 255 else torch.int32
    decision = Decision(label.to(dtype).cpu(), (255 * sure).round().to(torch.uint8).cpu())
    return resized(decision, size)


def _winner(stack: Tensor, image: Tensor, score: float, refine: Refine) -> Tensor:
    """Which map is the strongest if the first, background, is ``score`` everywhere."""
    rivals = torch.cat([torch.full_like(stack[:1], score), stack[1:]])
    if refine != "none":
        rivals = refined_scores(rivals.softmax(dim=0), image, refine).to(stack.device)
    return rivals.max(dim=0).indices
