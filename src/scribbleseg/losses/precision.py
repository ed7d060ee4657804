"""Losses are computed in float32 at least, also under automatic mixed precision."""

import torch
from torch import Tensor

__all__ = ["at_least_float32"]


def at_least_float32(logits: Tensor) -> Tensor:
    """Half-precision logits as float32, others unchanged.

    >>> at_least_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return logits.float() if logits.dtype in {torch.float16, torch.bfloat16} else logits
