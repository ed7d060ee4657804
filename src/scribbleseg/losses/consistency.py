"""Two predictions of one picture that shall agree (PFA)."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["Consistency", "consistency_loss"]

Consistency = Literal["cross_entropy", "mse", "eigen"]

TRACE_WEIGHT = 0.01
"""Of the traces beside the divergence in ``eigen``."""


def consistency_loss(
    logits: Tensor, augmented: Tensor, *, kind: Consistency = "cross_entropy"
) -> Tensor:
    """How far a prediction is from another one of the same pixels, mean over all of them.

    PFA, Chan et al., "Scribble-Supervised Semantic Segmentation with Prototype-based Feature
    Augmentation", ICML 2024. Gradients reach both arguments. With ``p = softmax(logits)`` and
    ``q = softmax(augmented)``:

    * ``cross_entropy``, of the published code: ``-q log softmax(p)``. Probabilities take the place
      of logits, so that the smallest value is not 0: equal one-hot predictions of 21 classes have
      2.12, equal uniform ones 3.04.
    * ``mse``, said to be that of the paper: ``(p - q)^2``, mean over the classes as well.
    * ``eigen``, in the published code but not used there: ``q (log q - log p)``, mean over the
      classes as well, plus 0.01 times the difference of the traces of the two class maps.

    Args:
        logits: ``(B, K, h, w)`` float, unnormalised.
        augmented: ``(B, K, h, w)`` float, unnormalised.
        kind: Measure.

    Returns:
        Scalar >= 0.

    >>> consistency_loss(torch.zeros(1, 4, 1, 1), torch.zeros(1, 4, 1, 1))
    tensor(1.3863)
    """
    logits, augmented = at_least_float32(logits), at_least_float32(augmented)
    p, q = logits.softmax(dim=1), augmented.softmax(dim=1)
    if kind == "cross_entropy":
        return -(q * p.log_softmax(dim=1)).sum(dim=1).mean()
    if kind == "mse":
        return F.mse_loss(p, q)
    divergence = (q * (augmented.log_softmax(dim=1) - logits.log_softmax(dim=1))).mean()
    traces = (p - q).diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return divergence + TRACE_WEIGHT * traces.abs().mean()
