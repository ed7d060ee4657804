"""What a dataset yields, and the types by which one joint transform moves all of it."""

from collections.abc import Callable, Sequence
from typing import Any, NotRequired, TypedDict

import torch
from torch import Tensor
from torch.utils.data import default_collate
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from scribbleseg.errors import DataError

__all__ = [
    "Batch",
    "EvaluationBatch",
    "EvaluationSample",
    "Region",
    "Sample",
    "evaluation_collate",
    "training_collate",
]


class Region(tv_tensors.Mask):
    """A bool map ``(H, W)`` that geometric transforms move like a mask, with fill False.

    Wherever a transform makes pixels that the picture does not have (padding, corners of a
    rotation), a region is False.
    """


def _false_outside(kernel: Callable[..., Tensor]) -> Callable[..., Region]:
    """A geometric transform of regions, for which its fill of pictures and labels is not meant."""

    def moved(
        region: Region,
        *args: Any,
        fill: object = None,
        interpolation: object = None,
        **options: Any,
    ) -> Region:
        return Region(kernel(region.as_subclass(Tensor), *args, fill=0, **options))

    return moved


for _functional, _kernel in (
    (functional.affine, functional.affine_mask),
    (functional.elastic, functional.elastic_mask),
    (functional.pad, functional.pad_mask),
    (functional.perspective, functional.perspective_mask),
    (functional.rotate, functional.rotate_mask),
):
    functional.register_kernel(_functional, Region)(_false_outside(_kernel))


class Sample(TypedDict):
    """One training image; unlabelled (``scribble``) and padding (``valid``) are different facts."""

    name: str
    supervision: str
    """``scribble``, ``mask`` or ``tags``: what this image brings."""
    image: tv_tensors.Image
    """``(C, H, W)`` uint8; C is 3 (RGB) or 1 (grey)."""
    scribble: tv_tensors.Mask
    """``(H, W)`` int64: a class, or the ignore index where nothing is drawn; all ignored unless
    supervised by a scribble."""
    mask: NotRequired[tv_tensors.Mask]
    """``(H, W)`` int64 full labels; present when any training image has a mask, all ignored for
    those that have none."""
    pseudo_label: NotRequired[tv_tensors.Mask]
    """``(H, W)`` int64 labels of a machine, the ignore index where it was undecided; the mask of
    an image that brings one."""
    pseudo_confidence: NotRequired[tv_tensors.Mask]
    """``(H, W)`` float32: probability of the pseudo label, 0..1; 0 on padding."""
    scribble_distance: NotRequired[tv_tensors.Mask]
    """``(H, W)`` float32, 0..255: nearness to the un-cropped image's strokes of objects."""
    pseudo_distance: NotRequired[tv_tensors.Mask]
    """``(H, W)`` float32, 0..255: distance from the outline of the un-cropped pseudo label."""
    far_background: NotRequired[Region]
    """``(H, W)`` bool: outside the convex hull of the un-cropped image's strokes, and valid."""
    tags: Tensor
    """``(K,)`` float, 1 where the class is in the un-cropped image; background (index 0) always
    is."""
    weak: NotRequired[Tensor]
    """``()`` bool: whether it is of the weak half of its batch; only where batches have halves, the
    strong one first."""
    valid: Region
    """``(H, W)`` bool: False on padding."""
    recolored: NotRequired[tv_tensors.Image]
    """``(C, H, W)`` uint8: the pixels of ``image`` in other colours; see `Views`."""
    other_view: NotRequired[tv_tensors.Image]
    """``(C, h, w)`` uint8: another cut of the whole picture; see `Views`."""


class EvaluationSample(TypedDict):
    """One image to predict; the mask, where there is one, stays at the picture's own size."""

    name: str
    image: tv_tensors.Image
    """``(C, h, w)`` uint8, resized."""
    size: tuple[int, int]
    """Height and width of the picture in pixels, to which predictions go back."""
    mask: NotRequired[Tensor]
    """``(H, W)`` int64."""
    tags: NotRequired[Tensor]
    """``(K,)`` float, above 0 for the classes to which predictions are restricted."""


Batch = dict[str, Any]
"""A collated `Sample`: tensors with a leading batch axis (``image`` normalised float), lists for
strings; ``normalise`` is what made the network's input, and can be undone."""

EvaluationBatch = dict[str, Any]
"""Collated `EvaluationSample`: ``image`` ``(B, C, h, w)`` uint8; ``tags`` ``(B, K)``; ``name``,
``size`` and ``mask`` are lists; ``normalise`` makes the network's input."""


def training_collate(samples: list[Sample]) -> Batch:
    """Stack everything but strings.

    Raises:
        DataError: The images differ in size.
    """
    _check_one_size(samples, "add a RandomCrop to data.transforms, or set --data.resize")
    batch: Batch = default_collate(samples)
    return batch


def evaluation_collate(samples: list[EvaluationSample]) -> EvaluationBatch:
    """Stack the images, keep everything that has the picture's own size as a list.

    Raises:
        DataError: The images differ in size.
    """
    _check_one_size(samples, "set --data.eval_batch_size 1, or --data.resize")
    batch: EvaluationBatch = {key: [sample[key] for sample in samples] for key in samples[0]}  # type: ignore[literal-required]
    images = [image.as_subclass(Tensor) for image in batch["image"]]
    batch["image"] = torch.stack(images) if len(images) > 1 else images[0][None]
    if "tags" in batch:
        batch["tags"] = torch.stack(batch["tags"])
    return batch


def _check_one_size(samples: Sequence[Sample | EvaluationSample], cure: str) -> None:
    first = samples[0]
    for sample in samples[1:]:
        (height, width), (other_height, other_width) = (
            s["image"].shape[-2:] for s in (first, sample)
        )
        if (height, width) != (other_height, other_width):
            raise DataError(
                f"images of one batch must have one size, but {first['name']!r} is "
                f"{width}x{height} and {sample['name']!r} {other_width}x{other_height} pixels; "
                f"{cure}"
            )
