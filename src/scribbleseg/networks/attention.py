"""Softmax attention that never holds the matrix of all pairs, for any device and precision.

A feature map of 97 x 97 has 9,409 positions and 88 million pairs. A call works on a few hundred
targets at a time and computes their weights once more in the backward pass, so that memory grows
with the number of positions and not with its square.
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["attend"]

PAIRS = 1 << 22
"""Weights that are held at a time: 16 MB in single precision."""


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """``softmax(query key^T) value``, with gradients to all three.

    Args:
        query: ``(N, C)`` float; what the weights of each target are computed from.
        key: ``(M, C)``.
        value: ``(M, D)``.

    Returns:
        ``(N, D)``.

    >>> attend(torch.zeros(1, 2), torch.ones(2, 2), torch.tensor([[1.0], [3.0]]))
    tensor([[2.]])
    """
    result: Tensor = _Attend.apply(query, key, value)
    return result


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(query, key, value)
        result = value.new_empty(len(query), value.shape[1])
        # The weights of the backward pass must be those of the forward pass, in any precision.
        with torch.autocast(query.device.type, enabled=False):
            for rows in _strips(query, key):
                result[rows] = (query[rows] @ key.T).softmax(dim=1) @ value
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (of_result,) = gradients
        query, key, value = ctx.saved_tensors
        of_query = torch.empty_like(query)
        of_key, of_value = torch.zeros_like(key), torch.zeros_like(value)
        with torch.autocast(query.device.type, enabled=False):
            for rows in _strips(query, key):
                weight = (query[rows] @ key.T).softmax(dim=1)
                of_value.addmm_(weight.T, of_result[rows])
                of_weight = of_result[rows] @ value.T
                of_weight.sub_((of_weight * weight).sum(dim=1, keepdim=True)).mul_(weight)
                of_query[rows] = of_weight @ key
                of_key.addmm_(of_weight.T, query[rows])
        return of_query, of_key, of_value


def _strips(query: Tensor, key: Tensor) -> list[slice]:
    step = max(PAIRS // max(len(key), 1), 1)
    return [slice(first, first + step) for first in range(0, len(query), step)]
