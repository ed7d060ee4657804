import math

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree
from tests.golden_cases import Case, golden
from torch import Tensor

from scribbleseg.losses.tree_filter import (
    SpanningTree,
    edge_differences,
    spanning_tree,
    tree_filter,
)


def pairs(tree: SpanningTree) -> list[list[tuple[int, int]]]:
    """The edges of each tree, smaller pixel first, sorted."""
    every = []
    for order, parent in zip(tree.order.tolist(), tree.parent.tolist(), strict=True):
        edges = [(order[up], pixel) for pixel, up in zip(order, parent, strict=True)][1:]
        every.append(sorted((min(edge), max(edge)) for edge in edges))
    return every


def list_of_edges(height: int, width: int) -> list[tuple[int, int]]:
    number = np.arange(height * width).reshape(height, width)
    down = zip(number[:-1].ravel(), number[1:].ravel(), strict=True)
    right = zip(number[:, :-1].ravel(), number[:, 1:].ravel(), strict=True)
    return [(int(a), int(b)) for edges in (down, right) for a, b in edges]


@golden("baselines", "tree_mst")
def test_trees_match_reference(case: Case) -> None:
    feature = torch.from_numpy(case["feature"])
    height, width = feature.shape[-2:]
    difference = edge_differences(feature)
    np.testing.assert_array_equal(case["edge_index"], list_of_edges(height, width))
    np.testing.assert_allclose(difference + 1, case["edge_weight"], rtol=1e-9)
    tree = spanning_tree(difference, height, width)
    np.testing.assert_array_equal(pairs(tree), case["edges"])


@golden("baselines", "tree_energy")
@pytest.mark.parametrize("guide", ["low", "high"])
def test_trees_of_both_guides_match_reference(case: Case, guide: str) -> None:
    feature = torch.from_numpy(case[guide])
    for dtype in (torch.float64, torch.float32):
        tree = spanning_tree(edge_differences(feature.to(dtype)), *feature.shape[-2:])
        np.testing.assert_array_equal(pairs(tree), case[f"edges_{guide}"])


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (6, 1), (7, 5), (16, 16)])
@pytest.mark.parametrize("levels", [2, 1000])
def test_the_tree_is_that_of_scipy(size: tuple[int, int], levels: int) -> None:
    """With ranks in place of weights, so that nothing is equal."""
    guide = torch.randint(levels, (1, 1, *size)).float()
    difference = edge_differences(guide)
    rank = np.empty(difference.numel())
    rank[np.argsort(difference[0].numpy(), kind="stable")] = np.arange(1, rank.size + 1)
    edges = list_of_edges(*size)
    graph = coo_array(
        (rank, tuple(np.array(edges, int).reshape(-1, 2).T)), shape=(math.prod(size),) * 2
    )
    expected = minimum_spanning_tree(graph.tocsr()).tocoo()
    assert pairs(spanning_tree(difference, *size)) == [
        sorted(zip(*(index.tolist() for index in expected.coords), strict=True))
    ]


def by_paths(values: Tensor, guide: Tensor, sigma: float) -> Tensor:
    """The filter as it is defined: affinities multiplied along every path, and all of it dense."""
    tree = spanning_tree(edge_differences(guide), *guide.shape[-2:])
    results = []
    for image in range(len(values)):
        order, parent = tree.order[image].tolist(), tree.parent[image].tolist()
        feature = guide[image].flatten(1)
        weight = [[guide.new_ones(()) for _ in order] for _ in order]
        for place in range(1, len(order)):
            pixel, above = order[place], order[parent[place]]
            affinity = torch.exp(-(feature[:, pixel] - feature[:, above]).square().sum() / sigma)
            for other in order[:place]:
                weight[pixel][other] = weight[other][pixel] = affinity * weight[above][other]
        matrix = torch.stack([torch.stack(row) for row in weight])
        results.append(values[image].flatten(1) @ matrix / matrix.sum(dim=0))
    return torch.stack(results).view_as(values)


def test_is_the_weighted_mean_over_all_paths_with_its_gradients() -> None:
    values = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    guide = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    ours, expected = tree_filter(values, guide, sigma=2.0), by_paths(values, guide, 2.0)
    torch.testing.assert_close(ours, expected)
    for got, wanted in zip(
        torch.autograd.grad(ours, (values, guide), upstream),
        torch.autograd.grad(expected, (values, guide), upstream),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted)


def test_far_features_keep_every_pixel_as_it_is() -> None:
    """Affinities underflow to 0 without a NaN, in the gradient too."""
    values = torch.rand(1, 2, 5, 5, requires_grad=True)
    guide = (100 * torch.randn(1, 3, 5, 5)).requires_grad_()
    filtered = tree_filter(values, guide)
    torch.testing.assert_close(filtered, values)
    filtered.square().sum().backward()
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()
    assert guide.grad is not None
    assert (guide.grad == 0).all()


def test_half_precision_is_filtered_in_float32() -> None:
    values, guide = torch.rand(1, 2, 4, 4), torch.randn(1, 3, 4, 4).bfloat16()
    filtered = tree_filter(values.bfloat16(), guide)
    assert filtered.dtype == torch.float32
    torch.testing.assert_close(filtered, tree_filter(values, guide.float()), rtol=1e-2, atol=1e-2)
