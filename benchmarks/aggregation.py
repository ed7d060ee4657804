"""Step time and peak memory of BLPSeg's local aggregation against a direct transcription.

    python benchmarks/aggregation.py
    python benchmarks/aggregation.py --device cuda --sides 64 96

One picture, 21 classes, embeddings of 256 values, as long as the method's are at its start and of
as many looks as classes; forward and backward, one thread. The direct transcription is given its
Gaussian for nothing: neither its time nor its memory is counted. Times: median of three repetitions
by turns in one process. Memory: what a fresh process that does one step needs above the same
process before it; on a GPU the peak of what torch has allocated above that. Where the direct
transcription would need more memory than is free it is left out.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from scribbleseg.networks.aggregation import local_aggregation
from step_memory import Step, step_megabytes

REPETITIONS = 3
CHANNELS, CLASSES, SIGMA = 256, 21, 6.0
NOISE = 0.05
SIDES = (32, 64, 96, 128)
MATRICES = 8
"""Matrices of all pairs that the direct transcription holds at its peak, about."""

Aggregate = Callable[[Tensor, Tensor, Tensor], Tensor]


def main() -> None:
    """Time both at every size and print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="cells of the maps")
    options = parser.parse_args()
    device = options.device
    torch.set_num_threads(1)
    print("| map | ours / direct, time | ours, s | direct, s | ours, MB | direct, MB | memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for side in options.sides:
        names = ["ours", "direct"] if fits(side, device) else ["ours"]
        times = seconds(side, names, device)
        memory = [step_megabytes(steps, side, name, device) for name in names]
        if len(names) == 1:
            why = "left out: not enough memory"
            print(f"| {side} x {side} | {why} | {times[0]:.3g} | | {memory[0]:.0f} | | |")
            continue
        print(
            f"| {side} x {side} | {times[0] / times[1]:.2f} | {times[0]:.3g} | {times[1]:.3g} | "
            f"{memory[0]:.0f} | {memory[1]:.0f} | 1/{memory[1] / memory[0]:.1f} |"
        )


def ours(logits: Tensor, features: Tensor, gaussian: Tensor) -> Tensor:
    """Blocks of pairs, computed again in the backward pass; makes its own Gaussian."""
    return local_aggregation(logits, features, sigma=SIGMA)


def direct(logits: Tensor, features: Tensor, gaussian: Tensor) -> Tensor:
    """The formula as it stands, with matrices of all pairs."""
    vectors = features.flatten(2)
    weight = (vectors.mT @ vectors).softmax(dim=1) * gaussian
    weight = weight / (weight.sum(dim=1, keepdim=True) + 1e-7)
    return (logits.flatten(2) @ weight).view_as(logits)


AGGREGATE: dict[str, Aggregate] = {"ours": ours, "direct": direct}


def example(side: int, name: str, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, embeddings, and the Gaussian for who wants it."""
    torch.manual_seed(0)
    logits = torch.randn(1, CLASSES, side, side, device=device, requires_grad=True)
    looks = 2**0.5 * torch.randn(1, CHANNELS, CLASSES, device=device)
    cells = looks[..., torch.randint(CLASSES, (side * side,), device=device)]
    features = (cells + NOISE * torch.randn_like(cells)).unflatten(2, (side, side))
    features.requires_grad_()
    row, column = (
        index.flatten()
        for index in torch.meshgrid(*2 * [torch.arange(side, device=device)], indexing="ij")
    )
    if name == "ours":
        return logits, features, torch.empty(0)
    distance = (row[:, None] - row).square() + (column[:, None] - column).square()
    return logits, features, torch.exp(distance / (-2 * SIGMA**2))


def step(name: str, logits: Tensor, features: Tensor, gaussian: Tensor) -> tuple[Tensor, Tensor]:
    """Forward and backward; the gradients of logits and embeddings."""
    logits.grad = features.grad = None
    AGGREGATE[name](logits, features, gaussian).square().sum().backward()
    if logits.is_cuda:
        torch.cuda.synchronize()
    assert logits.grad is not None
    assert features.grad is not None
    return logits.grad, features.grad


def fits(side: int, device: str) -> bool:
    """Whether the direct transcription has room."""
    if device == "cpu":
        lines = Path("/proc/meminfo").read_text().splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
        free = 1024 * int(kilobytes)
    else:
        free = torch.cuda.mem_get_info()[0]
    return 4 * side**4 * MATRICES < free


def seconds(side: int, names: list[str], device: str) -> list[float]:
    """Median time of a step, after checking that both agree."""
    arguments = {name: example(side, name, device) for name in names}
    results = [step(name, *arguments[name]) for name in names]
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=1e-4 * one.abs().max().item())
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(REPETITIONS):
        for name in names:
            start = time.perf_counter()
            step(name, *arguments[name])
            times[name].append(time.perf_counter() - start)
    return [statistics.median(times[name]) for name in names]


def steps(side: int, name: str, device: str) -> tuple[Step, Step]:
    """A small step, and one of this size."""
    arguments = example(side, name, device)
    return lambda: step(name, *example(5, name, device)), lambda: step(name, *arguments)


if __name__ == "__main__":
    main()
