"""The meter of LPL: how well a network taught by labels predicts the given ones, class by class.

Wang et al., "Learning pseudo labels for semi-and-weakly supervised semantic segmentation", Pattern
Recognition 132, 2022. It decides how much the network's labels count for the other one.
"""

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["DynamicEvaluation", "pixel_counts", "sample_weight"]


class DynamicEvaluation(nn.Module):
    """Intersection over union on the recent images with given labels.

    Counts are buffers: saved and resumed with the weights, equal on all processes.

    Args:
        num_classes: K.
        momentum: Share of the counts that stays in an update; 0.99 remembers about 100 of them.

    >>> meter = DynamicEvaluation(2, momentum=0.5)
    >>> label, prediction = torch.tensor([[[0, 0, 1, 255]]]), torch.tensor([[[0, 1, 1, 1]]])
    >>> meter.update(label, prediction, label != 255)
    >>> meter.iou
    tensor([0.4000, 0.4000])
    """

    counts: Tensor
    """``(3, K)`` float: pixels of each class in the labels, in the predictions, and in both."""

    def __init__(self, num_classes: int, *, momentum: float = 0.99) -> None:
        super().__init__()
        self.momentum = momentum
        counts = torch.zeros(3, num_classes)
        counts[0] = 1  # as published: no 0/0
        self.register_buffer("counts", counts)

    @torch.no_grad()
    def update(
        self, label: Tensor, prediction: Tensor, scored: Tensor, *, ignore_index: int = 255
    ) -> None:
        """Count a batch, with several processes those of all.

        Args:
            label: ``(B, H, W)`` int64; a class in ``[0, K)`` or ``ignore_index``.
            prediction: ``(B, H, W)`` int64 in ``[0, K)``.
            scored: ``(B, H, W)`` bool: where a prediction counts. Everywhere with full masks, as
                published; at labelled pixels alone with scribbles, whose few pixels would otherwise
                bound the union from below.
            ignore_index: Value of unlabelled pixels.
        """
        found = pixel_counts(
            label, prediction, scored, num_classes=self.counts.shape[1], ignore_index=ignore_index
        )
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(found)  # integers: the same on all processes
        self.counts.mul_(self.momentum).add_(found)

    @property
    def iou(self) -> Tensor:
        """``(K,)`` in 0..1; 0 for a class that was never predicted rightly, or never there."""
        labelled, predicted, right = self.counts
        union = labelled + predicted - right
        return torch.where(union > 0, right / union, 0)


@torch.no_grad()
def pixel_counts(
    label: Tensor, prediction: Tensor, scored: Tensor, *, num_classes: int, ignore_index: int = 255
) -> Tensor:
    """Pixels of each class in the labels, in the predictions, and in both.

    Args:
        label: ``(B, H, W)`` int64; a class or ``ignore_index``.
        prediction: ``(B, H, W)`` int64.
        scored: ``(B, H, W)`` bool: where a prediction counts.
        num_classes: K.
        ignore_index: Value of unlabelled pixels.

    Returns:
        ``(3, K)`` int64.
    """
    labelled = label != ignore_index
    nothing = num_classes  # a class more, which is cut off
    each = (
        torch.where(labelled, label, nothing),
        torch.where(scored, prediction, nothing),
        torch.where(labelled & (label == prediction), label, nothing),
    )
    rows = [torch.bincount(one.flatten(), minlength=num_classes + 1)[:-1] for one in each]
    return torch.stack(rows)  # contiguous, as sums over processes need it


@torch.no_grad()
def sample_weight(
    iou: Tensor, tags: Tensor, *, power: float, zero_iou: Literal["ignore", "block"] = "ignore"
) -> Tensor:
    """How far the labels of an image are to be trusted: its worst class decides.

    Args:
        iou: ``(K,)`` in 0..1.
        tags: ``(B, K)``, above 0 for the classes of the image.
        power: Exponent of the smallest intersection over union.
        zero_iou: What a class of the image with an intersection over union of exactly 0 does:
            nothing, as published, or it ``block``s the image.

    Returns:
        ``(B,)`` in 0..1; 1 where no class decides.

    >>> sample_weight(torch.tensor([0.9, 0.5, 0.0]), torch.tensor([[1, 1, 0], [1, 0, 1]]), power=2)
    tensor([0.2500, 0.8100])
    """
    decides = tags > 0
    if zero_iou == "ignore":
        decides = decides & (iou > 0)
    return torch.where(decides, iou, 1).amin(dim=1) ** power
