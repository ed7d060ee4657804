"""Step time and peak memory of CDSP's rectification against a direct transcription.

    python benchmarks/rectification.py

One picture, 512 channels, forward and backward, one thread. A quarter of the positions lie inside
objects. Times: median of three repetitions by turns in one process; memory: what a fresh process
that does one step needs above the same process before it.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from scribbleseg.losses import rectification_loss
from scribbleseg.networks.rectification import LocalizationRectification
from step_memory import Step, step_megabytes

REPETITIONS = 3
CHANNELS = 512
SIDES = (33, 59, 97)

Rectify = Callable[[LocalizationRectification, Tensor, Tensor], Tensor]


def main() -> None:
    """Time both at every size and print a Markdown table."""
    torch.set_num_threads(1)
    print("| map | theirs / ours | ours, s | direct, s | ours, MB | direct, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for side in SIDES:
        ours, theirs = seconds(side)
        memory = [step_megabytes(steps, side, name) for name in RECTIFY]
        print(
            f"| {side} x {side} | {theirs / ours:.1f} | {ours:.2f} | {theirs:.2f} | "
            f"{memory[0]:.0f} | {memory[1]:.0f} |"
        )


def ours(module: LocalizationRectification, features: Tensor, inside: Tensor) -> Tensor:
    """Strips of targets, weights computed again in the backward pass."""
    rectified: Tensor = module(features, inside)
    return rectified


def direct(module: LocalizationRectification, features: Tensor, inside: Tensor) -> Tensor:
    """The formula as it stands, with the matrix of all pairs."""
    query, key = module.query(features).flatten(2), module.key(features).flatten(2)
    lengths = query.norm(dim=1).unsqueeze(2) * key.norm(dim=1).unsqueeze(1)
    weight = (query.transpose(1, 2) @ key / lengths).softmax(dim=2)
    seen = features.flatten(2) @ weight.transpose(1, 2)
    return module.gamma * seen.view_as(features) * inside.unsqueeze(1)


RECTIFY: dict[str, Rectify] = {"ours": ours, "direct": direct}


def example(side: int) -> tuple[LocalizationRectification, Tensor, Tensor]:
    """A module, features after a rectifier, and an object in the middle."""
    torch.manual_seed(0)
    features = torch.randn(1, CHANNELS, side, side).relu().requires_grad_()
    inside = torch.zeros(1, side, side, dtype=torch.bool)
    inside[:, side // 4 : side // 4 + side // 2, side // 4 : side // 4 + side // 2] = True
    return LocalizationRectification(CHANNELS), features, inside


def step(rectify: Rectify, module: LocalizationRectification, x: Tensor, inside: Tensor) -> Tensor:
    """Forward and backward; the gradient of the features."""
    x.grad = None
    rectification_loss(x, rectify(module, x, inside)).backward()
    assert x.grad is not None
    return x.grad


def seconds(side: int) -> tuple[float, float]:
    """Median time of a step, ours and the direct one, after checking that both agree."""
    arguments = example(side)
    torch.testing.assert_close(step(ours, *arguments), step(direct, *arguments))
    times: dict[str, list[float]] = {name: [] for name in RECTIFY}
    for _ in range(REPETITIONS):
        for name, rectify in RECTIFY.items():
            start = time.perf_counter()
            step(rectify, *arguments)
            times[name].append(time.perf_counter() - start)
    return statistics.median(times["ours"]), statistics.median(times["direct"])


def steps(side: int, name: str) -> tuple[Step, Step]:
    """A small step, and one of this size."""
    arguments = example(side)
    return lambda: step(RECTIFY[name], *example(5)), lambda: step(RECTIFY[name], *arguments)


if __name__ == "__main__":
    main()
