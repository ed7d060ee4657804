"""Means along the minimum spanning tree of a picture: the filter of the tree energy loss.

Liang et al., "Tree Energy Loss: Towards Sparsely Annotated Semantic Segmentation", CVPR 2022,
arXiv 2203.10739; the filter is that of Song et al., "Learnable Tree Filter", NeurIPS 2019.

Two pixels belong together as much as the path between them in the tree says: the affinities of its
edges are multiplied. Two passes, from the leaves to the root and back, sum over all pairs of pixels
in linear time, and two more give the gradient. They run on the CPU, in float64.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from scribbleseg.compiled import compiled
from scribbleseg.losses.precision import at_least_float32

__all__ = ["SpanningTree", "edge_differences", "spanning_tree", "tree_filter"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class SpanningTree(NamedTuple):
    """Trees of a batch of pictures of V pixels, on the CPU. The root is the first pixel.

    Args:
        order: ``(B, V)`` int64, pixels (row by row) with parents before their children.
        parent: ``(B, V)`` int64, place in ``order`` of the parent of each pixel of ``order``.
        edge: ``(B, V)`` int64, edge to it, as `edge_differences` counts them; 0 at the root.
    """

    order: Tensor
    parent: Tensor
    edge: Tensor


def tree_filter(values: Tensor, guide: Tensor, *, sigma: float = 1.0) -> Tensor:
    """Mean of all pixels for each pixel, weighted by the product of affinities on the way there.

    The affinity of two neighbours in the tree is ``exp(-d / sigma)``, d the squared difference of
    their guides.

    Args:
        values: ``(B, K, h, w)`` float.
        guide: ``(B, C, h, w)`` float; the tree is a constant to the gradient, affinities are not.
        sigma: Above 0.

    Returns:
        ``(B, K, h, w)``, float32 at least.

    >>> guide = torch.tensor([[[[0.0, 0.0, 9.0]]]])
    >>> tree_filter(torch.tensor([[[[1.0, 0.0, 5.0]]]]), guide)
    tensor([[[[0.5000, 0.5000, 5.0000]]]])
    """
    values, difference = at_least_float32(values), edge_differences(guide)
    tree = spanning_tree(difference, values.shape[-2], values.shape[-1])
    rows = values.flatten(2)
    exponent = rows.new_zeros(rows[:, 0].shape)
    if difference.shape[1]:  # a single pixel has no edge
        exponent = difference.gather(1, tree.edge.to(difference.device)) / sigma
    filtered: Tensor = _TreeFilter.apply(rows, exponent, tree)
    return filtered.view_as(values)


def edge_differences(guide: Tensor) -> Tensor:
    """Squared difference of the guide across every edge between neighbours.

    Args:
        guide: ``(B, C, h, w)`` float.

    Returns:
        ``(B, E)``: first the edges between rows, row by row, then those between columns.

    >>> edge_differences(torch.tensor([[[[0.0, 1.0], [3.0, 1.0]]]]))
    tensor([[9., 0., 1., 4.]])
    """
    guide = at_least_float32(guide)
    down = (guide[:, :, 1:] - guide[:, :, :-1]).square().sum(dim=1)
    right = (guide[..., 1:] - guide[..., :-1]).square().sum(dim=1)
    return torch.cat([down.flatten(1), right.flatten(1)], dim=1)


def spanning_tree(difference: Tensor, height: int, width: int) -> SpanningTree:
    """The minimum spanning tree of each picture's grid; of equal edges the first counts as smaller.

    Args:
        difference: ``(B, E)`` float, as `edge_differences` counts edges; 1 is added before they are
            compared, which makes tiny differences equal, as published.
        height: Of the picture, pixels.
        width: Of the picture, pixels.

    >>> spanning_tree(torch.tensor([[9.0, 0.0, 1.0, 4.0]]), 2, 2).order
    tensor([[0, 1, 3, 2]])
    """
    by_size = (difference.detach() + 1).argsort(dim=1, stable=True).cpu().numpy()
    trees = [_spanning_tree(edges, height, width) for edges in by_size]
    return SpanningTree(*(torch.from_numpy(np.stack(part)) for part in zip(*trees, strict=True)))


class _TreeFilter(torch.autograd.Function):
    """`tree_filter` of ``(B, K, V)`` values, given ``-log`` of the affinities ``(B, V)``.

    With the weights ``S`` the sums are ``F = S [x, 1]``, and the last channel of ``F`` divides the
    others. The gradient needs ``S`` of what arrives divided in the same way.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, exponent: Tensor, tree: SpanningTree) -> Tensor:
        rows = np.stack(
            [
                np.append(x.T[order], np.ones((order.size, 1)), axis=1)
                for x, order in zip(_on_host(values), tree.order.numpy(), strict=True)
            ]
        )
        upward, total = _each_sum(rows, _on_host(exponent), tree)
        ctx.tree = tree
        ctx.save_for_backward(exponent, torch.from_numpy(upward), torch.from_numpy(total))
        return _to_pixels(total[..., :-1] / total[..., -1:], tree, values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        exponent: Tensor = ctx.saved_tensors[0]
        upward, total = (part.numpy() for part in ctx.saved_tensors[1:])
        tree: SpanningTree = ctx.tree
        arrived = np.stack(
            [g.T[order] for g, order in zip(_on_host(gradient), tree.order.numpy(), strict=True)]
        )
        arrived /= total[..., -1:]
        mean = total[..., :-1] / total[..., -1:]
        rows = np.append(arrived, -(arrived * mean).sum(axis=-1, keepdims=True), axis=-1)
        distance = _on_host(exponent)
        back_upward, back_total = _each_sum(rows, distance, tree)
        to_exponent = None
        if ctx.needs_input_grad[1]:
            to_edges = np.stack(
                [
                    _edge_gradient(*arrays)
                    for arrays in zip(
                        upward,
                        total,
                        back_upward,
                        back_total,
                        distance,
                        tree.parent.numpy(),
                        strict=True,
                    )
                ]
            )
            to_exponent = torch.from_numpy(to_edges).to(exponent)
        return _to_pixels(back_total[..., :-1], tree, gradient), to_exponent, None


def _on_host(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().double().numpy()
    return array


def _to_pixels(rows: Floats, tree: SpanningTree, like: Tensor) -> Tensor:
    """``(B, V, K)`` in the trees' order as ``(B, K, V)``, pixels row by row."""
    pixels = np.empty_like(rows)
    np.put_along_axis(pixels, tree.order.numpy()[..., None], rows, axis=1)
    return torch.from_numpy(pixels.transpose(0, 2, 1)).to(like)


def _each_sum(rows: Floats, distance: Floats, tree: SpanningTree) -> tuple[Floats, Floats]:
    sums = [_sums(*arrays) for arrays in zip(rows, distance, tree.parent.numpy(), strict=True)]
    return np.stack([upward for upward, _ in sums]), np.stack([total for _, total in sums])


@compiled
def _spanning_tree(by_size: Integers, height: int, width: int) -> tuple[Integers, ...]:
    """Kruskal: the edges, smallest first, that join two parts; then breadth first from pixel 0."""
    pixels, rows = height * width, (height - 1) * width
    part = np.arange(pixels)
    chosen = np.zeros(by_size.size, np.bool_)
    for edge in by_size:
        if edge < rows:
            one, other = edge, edge + width
        else:
            one = (edge - rows) // (width - 1) * width + (edge - rows) % (width - 1)
            other = one + 1
        while part[one] != one:
            part[one] = part[part[one]]
            one = part[one]
        while part[other] != other:
            part[other] = part[part[other]]
            other = part[other]
        if one != other:
            part[max(one, other)] = min(one, other)
            chosen[edge] = True

    order = np.zeros(pixels, np.int64)
    parent = np.zeros(pixels, np.int64)
    edge_to = np.zeros(pixels, np.int64)
    seen = np.zeros(pixels, np.bool_)
    seen[0] = True
    count = 1
    for place in range(pixels):
        pixel = order[place]
        y, x = pixel // width, pixel % width
        right = rows + y * (width - 1) + x
        for inside, edge, neighbor in (
            (y > 0, pixel - width, pixel - width),
            (y < height - 1, pixel, pixel + width),
            (x > 0, right - 1, pixel - 1),
            (x < width - 1, right, pixel + 1),
        ):
            if inside and chosen[edge] and not seen[neighbor]:
                seen[neighbor] = True
                order[count], parent[count], edge_to[count] = neighbor, place, edge
                count += 1
    return order, parent, edge_to


@compiled
def _sums(rows: Floats, distance: Floats, parent: Integers) -> tuple[Floats, Floats]:
    """Weighted sums over what lies below each place, and over all places; both ``(V, K)``.

    Args:
        rows: ``(V, K)``, parents before children.
        distance: ``(V,)``, ``-log`` of the affinity to the parent.
        parent: ``(V,)``, their places.
    """
    upward = rows.copy()
    total = np.empty_like(rows)
    for child in range(len(rows) - 1, 0, -1):
        affinity = np.exp(-distance[child])
        for k in range(rows.shape[1]):
            upward[parent[child], k] += affinity * upward[child, k]
    total[0] = upward[0]
    for child in range(1, len(rows)):
        affinity, rest = np.exp(-distance[child]), -np.expm1(-2 * distance[child])
        for k in range(rows.shape[1]):
            total[child, k] = affinity * total[parent[child], k] + rest * upward[child, k]
    return upward, total


@compiled
def _edge_gradient(
    upward: Floats,
    total: Floats,
    back_upward: Floats,
    back_total: Floats,
    distance: Floats,
    parent: Integers,
) -> Floats:
    """Gradient ``(V,)`` of ``distance``: what passes an edge in either direction."""
    gradient = np.zeros(distance.size)
    for child in range(1, distance.size):
        affinity, above = np.exp(-distance[child]), parent[child]
        for k in range(upward.shape[1]):
            beyond = total[above, k] - affinity * upward[child, k]
            back_beyond = back_total[above, k] - affinity * back_upward[child, k]
            gradient[child] -= affinity * (
                back_upward[child, k] * beyond + upward[child, k] * back_beyond
            )
    return gradient
