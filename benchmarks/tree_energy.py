"""Time of the tree filter against SciPy alone, and of a step of the tree energy loss.

    python benchmarks/tree_energy.py

One picture, 21 classes, one thread: tree, order and filter; then the loss with both trees (a
picture, an embedding of 32 channels), forward and backward. CPU time, median of repetitions by
turns in one process.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, diags_array, eye_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.sparse.linalg import splu
from torch import Tensor

from scribbleseg.losses import tree_energy_loss, tree_filter
from scribbleseg.losses.tree_filter import edge_differences

REPETITIONS = 5
CLASSES, CHANNELS = 21, 32
SIDES = (32, 64, 128)


def main() -> None:
    """Time everything at every size and print a Markdown table."""
    torch.set_num_threads(1)
    print("| map | SciPy / ours | filter, ms | SciPy, ms | loss, forward and backward, ms |")
    print("| --- | --- | --- | --- | --- |")
    for side in SIDES:
        ours, theirs, loss = (1000 * seconds for seconds in medians(side))
        print(f"| {side} x {side} | {theirs / ours:.1f} | {ours:.1f} | {theirs:.1f} | {loss:.1f} |")


def by_scipy(values: Tensor, guide: Tensor) -> Tensor:
    """The filter of one picture by SciPy alone: ranks, spanning tree, triangular factors."""
    height, width = values.shape[-2:]
    number = np.arange(height * width).reshape(height, width)
    one = np.concatenate([number[:-1].ravel(), number[:, :-1].ravel()])
    other = np.concatenate([number[1:].ravel(), number[:, 1:].ravel()])
    difference = edge_differences(guide)[0].double().numpy()
    rank = np.empty(difference.size)
    rank[np.argsort(difference + 1, kind="stable")] = np.arange(1, difference.size + 1)
    size = number.size
    tree = minimum_spanning_tree(coo_array((rank, (one, other)), shape=(size, size)).tocsr())
    order, parent = breadth_first_order(tree, 0, directed=False)
    feature = guide[0].flatten(1).double().numpy()
    parent[0] = 0
    affinity = np.exp(-np.square(feature[:, order] - feature[:, parent[order]]).sum(axis=0))
    affinity[0] = 0
    place = np.empty(size, int)
    place[order] = np.arange(size)
    above = place[parent[order[1:]]]
    step = csc_array((affinity[1:], (above, np.arange(1, size))), shape=(size, size))
    factors = splu(
        csc_array(eye_array(size) - step),
        permc_spec="NATURAL",
        diag_pivot_thresh=0,
        options={"SymmetricMode": True},
    )
    rows = np.append(values[0].flatten(1).double().numpy().T, np.ones((size, 1)), axis=1)[order]
    sums = factors.solve(diags_array(1 - affinity**2) @ factors.solve(rows), trans="T")
    mean: NDArray[np.float64] = np.empty((size, values.shape[1]))
    mean[order] = sums[:, :-1] / sums[:, -1:]
    return torch.from_numpy(mean.T.reshape(values.shape[1:]))[None].float()


def medians(side: int) -> tuple[float, float, float]:
    """Seconds of our filter, of SciPy's and of the loss, after checking that the filters agree."""
    torch.manual_seed(0)
    logits = torch.randn(1, CLASSES, side, side).requires_grad_()
    image = torch.rand(1, 3, side, side)
    embedding = (0.1 * torch.randn(1, CHANNELS, side, side)).requires_grad_()
    everywhere = torch.ones(1, side, side, dtype=torch.bool)
    prob = logits.detach().softmax(dim=1)
    torch.testing.assert_close(tree_filter(prob, image), by_scipy(prob, image))
    steps: tuple[Callable[[], object], ...] = (
        lambda: tree_filter(prob, image),
        lambda: by_scipy(prob, image),
        lambda: tree_energy_loss(logits, image, everywhere, embedding).backward(),
    )
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(REPETITIONS):
        for step, seconds in zip(steps, times, strict=True):
            start = time.process_time()
            step()
            seconds.append(time.process_time() - start)
    ours, theirs, loss = (statistics.median(seconds) for seconds in times)
    return ours, theirs, loss


if __name__ == "__main__":
    main()
