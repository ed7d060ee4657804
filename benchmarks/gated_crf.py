"""Step time and peak memory of the gated CRF loss against a direct transcription.

    python benchmarks/gated_crf.py

Pictures of 128 x 128 pixels, published kernel and window (radius 5), forward and backward, one
thread. Times: CPU time, median of three repetitions by turns in one process; memory: what a fresh
process that does one step needs above the same process before it.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses import gated_crf_loss
from step_memory import Step, step_megabytes

REPETITIONS = 3
SIDE, RADIUS = 128, 5
SHAPES = ((2, 4, 1), (12, 4, 1), (2, 21, 3))  # pictures, classes, colours

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def main() -> None:
    """Time both at every size and print a Markdown table."""
    torch.set_num_threads(1)
    print(
        "| pictures x classes x colours | theirs / ours | ours, s | direct, s | ours, MB | "
        "direct, MB |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for shape in SHAPES:
        ours, theirs = seconds(*shape)
        memory = [step_megabytes(steps, *shape, name) for name in LOSSES]
        print(
            f"| {' x '.join(map(str, shape))} | {theirs / ours:.1f} | {ours:.2f} | {theirs:.2f} | "
            f"{memory[0]:.0f} | {memory[1]:.0f} |"
        )


def ours(logits: Tensor, image: Tensor, valid: Tensor) -> Tensor:
    """Half of the window, one offset at a time; the message is kept for the backward pass."""
    return gated_crf_loss(logits, image, source=valid, radius=RADIUS)


def direct(logits: Tensor, image: Tensor, valid: Tensor) -> Tensor:
    """The formula as it stands: kernels and probabilities of all neighbours of all pixels."""
    prob = logits.softmax(dim=1)
    row = torch.arange(float(SIDE))
    place = torch.stack(torch.meshgrid(row, row, indexing="xy")).expand(len(image), -1, -1, -1)
    features = torch.cat([place / 6, image / 0.1], dim=1)
    gate = valid[:, None].float()
    kernel = (-0.5 * (windows(features) - features[:, :, None]).square().sum(dim=1)).exp()
    kernel = kernel * windows(gate)[:, 0]
    middle = kernel.shape[1] // 2
    kernel = torch.cat([kernel[:, :middle], 0 * kernel[:, :1], kernel[:, middle + 1 :]], dim=1)
    agreement = (windows(prob) * prob[:, :, None]).sum(dim=1)
    return (kernel * (1 - agreement)).sum() / gate.sum()


def windows(maps: Tensor) -> Tensor:
    """``(B, C, H, W)`` as ``(B, C, (2r + 1)^2, H, W)``: all neighbours of every pixel."""
    neighbors = F.unfold(maps, 2 * RADIUS + 1, padding=RADIUS)
    return neighbors.view(*maps.shape[:2], -1, *maps.shape[-2:])


LOSSES: dict[str, Loss] = {"ours": ours, "direct": direct}


def example(pictures: int, classes: int, colors: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, pictures and valid pixels; every tenth is padding."""
    torch.manual_seed(0)
    logits = torch.randn(pictures, classes, SIDE, SIDE).requires_grad_()
    valid = torch.rand(pictures, SIDE, SIDE) < 0.9
    return logits, torch.rand(pictures, colors, SIDE, SIDE), valid


def step(loss: Loss, logits: Tensor, image: Tensor, valid: Tensor) -> Tensor:
    """Forward and backward; the gradient of the logits."""
    logits.grad = None
    loss(logits, image, valid).backward()
    assert logits.grad is not None
    return logits.grad


def seconds(pictures: int, classes: int, colors: int) -> tuple[float, float]:
    """Median time of a step, ours and the direct one, after checking that both agree."""
    arguments = example(pictures, classes, colors)
    torch.testing.assert_close(step(ours, *arguments), step(direct, *arguments))
    times: dict[str, list[float]] = {name: [] for name in LOSSES}
    for _ in range(REPETITIONS):
        for name, loss in LOSSES.items():
            start = time.process_time()
            step(loss, *arguments)
            times[name].append(time.process_time() - start)
    return statistics.median(times["ours"]), statistics.median(times["direct"])


def steps(pictures: int, classes: int, colors: int, name: str) -> tuple[Step, Step]:
    """A small step, and one of this size."""
    arguments = example(pictures, classes, colors)
    return lambda: step(LOSSES[name], *example(1, 2, 1)), lambda: step(LOSSES[name], *arguments)


if __name__ == "__main__":
    main()
