"""Class activation maps (CAM), and the labels that ToCo makes of them.

L. Ru et al., "Token Contrast for Weakly-Supervised Semantic Segmentation", CVPR 2023, arXiv
2303.01267. Published code: github rulixiang/ToCo. Nothing here has a gradient.

Tags are those of a batch: one column a class, the background (index 0) among them. Maps have one
channel less, since the background has none.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.inference.par import par

__all__ = [
    "SCALES",
    "cam_label",
    "gate_cam",
    "multi_scale_cam",
    "refined_label",
    "region_map",
    "three_level_label",
]

SCALES = (1.0, 0.5, 1.5)
"""Sizes at which ToCo looks at a picture, in training and afterwards."""


def multi_scale_cam(
    activation: Callable[[Tensor], Sequence[Tensor]],
    images: Tensor,
    *,
    scales: Sequence[float] = SCALES,
    stride: int = 1,
) -> tuple[Tensor, ...]:
    """Activation maps from several sizes and mirror images, from 0 to almost 1 for every class.

    Of a picture and its mirror image the larger activation counts, if it is positive; the scales
    are added up. Then each class of each image is stretched: minus its smallest value, divided by
    its largest (plus 1e-5).

    Args:
        activation: Images ``(N, C, h, w)`` to one or several raw maps ``(N, K - 1, h', w')`` that
            cover the whole image.
        images: ``(B, C, H, W)`` float, as the network takes them.
        scales: Sizes of the views relative to the image.
        stride: Pixels; the sides of every view, whole pixels rounded down, become the nearest
            multiple of it, so that a network of patches never pads.

    Returns:
        For each raw map ``(B, K - 1, H, W)`` in ``[0, 1)``, at least float32.

    >>> image = torch.tensor([[[[3.0, 5.0], [4.0, 3.0]]]])
    >>> multi_scale_cam(lambda view: [view], image, scales=[1.0])[0]
    tensor([[[[0.0000, 1.0000],
              [0.5000, 0.0000]]]])
    """
    size = (images.shape[-2], images.shape[-1])
    totals: list[Tensor] = []
    with torch.no_grad():
        for scale in scales:
            sides = [max(1, int(int(side * scale) / stride + 0.5)) * stride for side in size]
            view = _resize(images, sides)
            found = [_both_ways(raw, size) for raw in activation(torch.cat([view, view.flip(-1)]))]
            totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
        return tuple(_stretched(total) for total in totals)


def gate_cam(cam: Tensor, tags: Tensor) -> Tensor:
    """The maps, 0 for classes that the tags do not name.

    Args:
        cam: ``(B, K - 1, H, W)``.
        tags: ``(B, K)``, above 0 for the classes of the image; the background does not matter.

    >>> gate_cam(torch.tensor([[[[0.9]], [[0.2]]]]), torch.tensor([[1, 0, 1]])).flatten()
    tensor([0.0000, 0.2000])
    """
    return cam * (tags[:, 1:, None, None] > 0)


def cam_label(cam: Tensor, tags: Tensor, *, threshold: float) -> Tensor:
    """The strongest of the image's classes where its activation is above a threshold, else 0.

    This is how pseudo labels are exported and judged.

    Args:
        cam: ``(B, K - 1, H, W)`` in ``[0, 1]``.
        tags: ``(B, K)``, above 0 for the classes of the image.
        threshold: Activation of the background; published 0.5 (VOC) and 0.45 (COCO).

    Returns:
        ``(B, H, W)`` int64, 0..K-1.

    >>> cam = torch.tensor([[[[0.9, 0.1, 0.8]], [[0.2, 0.3, 0.9]]]])
    >>> cam_label(cam, torch.tensor([[1, 1, 0]]), threshold=0.5)  # the second object is not there
    tensor([[[1, 0, 1]]])
    """
    value, label = _strongest(cam, tags)
    return torch.where(value > threshold, label, 0)


def three_level_label(
    cam: Tensor,
    tags: Tensor,
    *,
    low: float,
    high: float,
    valid: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Certain objects, certain background, and undecided pixels between.

    Args:
        cam: ``(B, K - 1, H, W)`` in ``[0, 1]``.
        tags: ``(B, K)``, above 0 for the classes of the image.
        low: Up to this activation a pixel is background; published 0.25.
        high: Above this activation it is of the strongest class; published 0.7 (VOC), 0.65 (COCO).
        valid: ``(B, H, W)`` bool, False on padding; None if there is none.
        ignore_index: Value of undecided pixels and of padding.

    Returns:
        ``(B, H, W)`` int64.

    >>> cam = torch.tensor([[[[0.9, 0.5, 0.1]]]])
    >>> three_level_label(cam, torch.tensor([[1, 1]]), low=0.25, high=0.7)
    tensor([[[  1, 255,   0]]])
    """
    value, label = _strongest(cam, tags)
    label = torch.where(value > high, label, ignore_index)
    return _on_valid(torch.where(value > low, label, 0), valid, ignore_index)


def region_map(cam: Tensor, tags: Tensor, *, low: float, high: float) -> Tensor:
    """Where local crops may come from: 0 background, 1 uncertain, 2 certain objects.

    Args:
        cam: ``(B, K - 1, H, W)`` in ``[0, 1]``.
        tags: ``(B, K)``, above 0 for the classes of the image.
        low: Up to this activation a pixel is background.
        high: From this activation on it is an object.

    Returns:
        ``(B, H, W)`` uint8.

    >>> region_map(torch.tensor([[[[0.9, 0.5, 0.1]]]]), torch.tensor([[1, 1]]), low=0.25, high=0.7)
    tensor([[[2, 1, 0]]], dtype=torch.uint8)
    """
    value, _ = _strongest(cam, tags)
    return (value > low).to(torch.uint8) + (value >= high)


def refined_label(
    images: Tensor,
    cam: Tensor,
    tags: Tensor,
    *,
    low: float,
    high: float,
    valid: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Labels from activation maps that have moved to the picture's edges, see `par`.

    The image's classes compete twice at half the size, against a background that is ``high``
    everywhere and against one that is ``low``. Objects are what wins against ``high``, background
    what loses against ``low``; the rest is undecided.

    Args:
        images: ``(B, C, H, W)`` float, normalised or not: only differences count, relative to how
            much the neighbours differ.
        cam: ``(B, K - 1, H, W)`` in ``[0, 1]``, of the same type.
        tags: ``(B, K)``, above 0 for the classes of the image.
        low: Activation of the background that is certain.
        high: Activation of the background that objects must exceed.
        valid: ``(B, H, W)`` bool, False on padding; None if there is none.
        ignore_index: Value of undecided pixels and of padding.

    Returns:
        ``(B, H, W)`` int64.

    >>> cam = torch.tensor([0.9, 0.1]).repeat_interleave(4).expand(1, 1, 8, 8)
    >>> refined_label(cam.repeat(1, 3, 1, 1), cam, torch.ones(1, 2), low=0.25, high=0.7)[0, 0]
    tensor([  1,   1,   1, 255, 255,   0,   0,   0])
    """
    size = (images.shape[-2], images.shape[-1])
    half = [max(1, side // 2) for side in size]
    with torch.no_grad():
        maps, classes = _present_maps(_resize(cam, half), tags)
        # Both backgrounds in one stack: how alike neighbours are is computed once.
        stacks = [
            F.pad(maps, (0, 0, 0, 0, 1, 0), value=score).softmax(dim=1) for score in (high, low)
        ]
        refined = _resize(par(_resize(images, half), torch.cat(stacks, dim=1)), size)
        winners = [scores.argmax(dim=1) for scores in refined.chunk(2, dim=1)]
        against_high, against_low = (
            classes.gather(1, winner.flatten(1)).view_as(winner) for winner in winners
        )
    undecided = torch.where(against_low == 0, 0, ignore_index)
    label = torch.where(against_high > 0, against_high, undecided)
    return _on_valid(label, valid, ignore_index)


def _both_ways(raw: Tensor, size: Sequence[int]) -> Tensor:
    """The positive part of the larger of a map and its mirror image's, which is the second half."""
    wide = raw.to(torch.promote_types(raw.dtype, torch.float32))
    straight, mirrored = _resize(wide, size).chunk(2)
    return torch.maximum(straight, mirrored.flip(-1)).relu()


def _stretched(cam: Tensor) -> Tensor:
    cam = cam - cam.amin(dim=(-2, -1), keepdim=True)
    return cam / (cam.amax(dim=(-2, -1), keepdim=True) + 1e-5)


def _strongest(cam: Tensor, tags: Tensor) -> tuple[Tensor, Tensor]:
    """Activation and number ``(B, H, W)`` of the strongest of the image's classes."""
    best = gate_cam(cam.detach(), tags).max(dim=1)
    return best.values, best.indices + 1


def _present_maps(cam: Tensor, tags: Tensor) -> tuple[Tensor, Tensor]:
    """The maps of each image's own classes, one after the other.

    Returns:
        ``(B, P, h, w)`` with P the most classes an image has, -inf where another has fewer; and
        ``(B, 1 + P)``, 0 and the numbers of these classes.
    """
    present = tags[:, 1:] > 0
    most = int(present.sum(dim=1).max())
    first = present.int().sort(dim=1, descending=True, stable=True)
    order, filled = first.indices[:, :most], first.values[:, :most] > 0
    maps = cam.gather(1, order[..., None, None].expand(-1, -1, *cam.shape[-2:]))
    return maps.masked_fill(~filled[..., None, None], -torch.inf), F.pad(order + 1, (1, 0))


def _on_valid(label: Tensor, valid: Tensor | None, ignore_index: int) -> Tensor:
    return label if valid is None else torch.where(valid, label, ignore_index)


def _resize(values: Tensor, size: Sequence[int]) -> Tensor:
    if values.shape[-2:] == tuple(size):
        return values
    return F.interpolate(values, tuple(size), mode="bilinear", align_corners=False)
