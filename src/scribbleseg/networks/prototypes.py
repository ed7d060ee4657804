"""Prototypes of PFA: one vector for each class of a picture, and a memory of several a class.

Chan et al., "Scribble-Supervised Semantic Segmentation with Prototype-based Feature Augmentation",
ICML 2024. A local prototype is the mean feature of the pixels of a picture that the network is
surest of; the memory keeps what many pictures had in common.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PIXELS", "PrototypeMemory", "local_prototypes", "update_memory"]

PIXELS = 12
"""A local prototype is averaged over one in this many pixels of the map."""

EPS = 1e-5
"""Of the published scaling of the scores to 0..1."""


@torch.no_grad()
def local_prototypes(
    features: Tensor, logits: Tensor, tags: Tensor, *, pixels: int | None = None
) -> Tensor:
    """Mean feature of the pixels with the highest logits of each class, scaled to length 1.

    Positive logits are scaled to 0..1 within a picture and class, and weight the mean. Where fewer
    than ``pixels`` logits are positive, ties decide about the others, which weigh next to nothing,
    unless the highest logit is below about 1e-5 a pixel: then the published formula may even turn
    the vector round. Where none is positive, all weigh the same.

    Args:
        features: ``(B, D, h, w)`` float.
        logits: ``(B, K, h, w)`` float.
        tags: ``(B, K)``, above 0 for the classes of the picture.
        pixels: Pixels that are averaged; one in 12, at least one, if None.

    Returns:
        ``(B, K, D)``, without gradient; 0 for classes that the picture does not have.

    >>> features = torch.tensor([[[[3.0, 1.0]], [[4.0, 0.0]]]])
    >>> local_prototypes(features, torch.tensor([[[[9.0, 1.0]]]]), torch.ones(1, 1))
    tensor([[[0.6000, 0.8000]]])
    """
    with torch.autocast(features.device.type, enabled=False):
        vectors, score = (_at_least_float32(each).flatten(2) for each in (features, logits))
        score = score.clamp_min(0)
        low, high = score.aminmax(dim=-1, keepdim=True)
        score = score.where(score >= low + EPS, 0)
        score = (score - low - EPS) / (high - low + EPS)
        weight, place = score.topk(pixels or max(1, score.shape[-1] // PIXELS), dim=-1)
        weight = weight / weight.sum(dim=-1, keepdim=True)
        # As a map of weights that are mostly 0: the vectors of all classes would take D times the
        # memory.
        mean = torch.zeros_like(score).scatter(-1, place, weight) @ vectors.mT
        return F.normalize(mean, dim=-1, eps=1e-12) * (tags > 0).unsqueeze(-1)


@torch.no_grad()
def update_memory(
    memory: Tensor, count: Tensor, prototypes: Tensor, tags: Tensor, *, momentum: float
) -> tuple[Tensor, Tensor]:
    """The memory after the prototypes of some pictures, one picture after the other.

    A class with an empty slot fills it. Later its prototype moves the slot that is most like it
    (the first of equals): ``momentum * slot + (1 - momentum) * prototype``, not scaled again.

    Args:
        memory: ``(K, G, D)``: G slots a class.
        count: ``(K,)`` int64: slots that are filled.
        prototypes: ``(B, K, D)``, in the memory's precision.
        tags: ``(B, K)``, above 0 for the classes that the picture has.
        momentum: Share of a slot that stays.

    Returns:
        The new memory and count; the old ones are as they were.
    """
    classes, slots = torch.arange(len(memory), device=memory.device), memory.shape[1]
    # A prototype of nothing but zeros says nothing, and would look like an empty slot.
    for prototype, present in zip(prototypes, (tags > 0) & prototypes.any(-1), strict=True):
        fills = count < slots
        nearest = torch.cosine_similarity(prototype.unsqueeze(1), memory, dim=-1).argmax(dim=1)
        slot = torch.where(fills, count, nearest)
        old = memory[classes, slot]
        moved = torch.where(
            fills.unsqueeze(1), prototype, momentum * old + (1 - momentum) * prototype
        )
        memory = memory.index_put((classes, slot), torch.where(present.unsqueeze(1), moved, old))
        count = count + (fills & present)
    return memory, count


class PrototypeMemory(nn.Module):
    """The memory as buffers: saved and resumed with the weights, equal on all processes.

    Args:
        num_classes: K.
        slots: Vectors kept for each class.
        channels: Length D of the vectors.
        momentum: Share of a slot that stays when it is moved.

    >>> memory = PrototypeMemory(2, slots=1, channels=3)
    >>> memory.update(torch.ones(1, 2, 3), torch.tensor([[1, 0]]))
    >>> memory.count.tolist(), memory.is_full
    ([1, 0], False)
    """

    slots: Tensor
    """``(K, G, D)`` float; 0 where nothing was stored yet."""

    count: Tensor
    """``(K,)`` int64: slots that are filled."""

    def __init__(
        self, num_classes: int, slots: int, channels: int, *, momentum: float = 0.99
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("slots", torch.zeros(num_classes, slots, channels))
        self.register_buffer("count", torch.zeros(num_classes, dtype=torch.long))

    def update(self, prototypes: Tensor, tags: Tensor) -> None:
        """Store the prototypes of a batch, with several processes those of all in their order.

        Args:
            prototypes: ``(B, K, D)`` float, as `local_prototypes` returns them.
            tags: ``(B, K)``, above 0 for the classes that the picture has.
        """
        slots, count = update_memory(
            self.slots,
            self.count,
            _of_all_processes(prototypes.to(self.slots.dtype)),
            _of_all_processes(tags),
            momentum=self.momentum,
        )
        self.slots.copy_(slots)
        self.count.copy_(count)

    @property
    def is_full(self) -> bool:
        """Whether every class has all its slots filled."""
        return bool((self.count == self.slots.shape[1]).all())

    @property
    def filled(self) -> Tensor:
        """``(K, G)`` bool, by the slots' values: an average of the weights averages counts, too."""
        return self.slots.any(dim=-1)

    def of_tags(self, tags: Tensor) -> tuple[Tensor, Tensor]:
        """All slots in a row, and which of them belong to the classes of a picture.

        Args:
            tags: ``(B, K)``, above 0 for the classes of the picture.

        Returns:
            ``(1, K * G, D)`` float, and ``(B, K * G)`` bool. Empty slots are there, too: 0, as
            published.
        """
        present = (tags > 0).repeat_interleave(self.slots.shape[1], dim=1)
        return self.slots.flatten(0, 1).unsqueeze(0), present


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _of_all_processes(tensor: Tensor) -> Tensor:
    """The tensors of all processes one below the other, in the order of the processes."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)
