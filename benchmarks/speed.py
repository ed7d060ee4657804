"""Speed of the heavy steps against stated baselines, as ratios from one run.

    make bench

CPU time of one thread, smallest of several alternating repetitions, so that other load on the
machine does not count. Numbers worth keeping go to ``docs/benchmarks/speed.md``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from skimage.morphology import convex_hull_image
from torchvision import tv_tensors
from torchvision.transforms import v2

from scribbleseg.annotation import far_background
from scribbleseg.data.sample import Region
from scribbleseg.data.transforms import RandomCrop, RandomScale
from scribbleseg.losses import far_background_loss, mean_entropy, partial_cross_entropy
from scribbleseg.networks import PlainUNet

REPETITIONS = 5


@dataclass(frozen=True)
class Comparison:
    """Two ways to do a step.

    Args:
        step: What is done, and at which size.
        baseline: What the other way is.
        ours: Runs our way once.
        theirs: Runs the baseline once.
    """

    step: str
    baseline: str
    ours: Callable[[], object]
    theirs: Callable[[], object]


def main() -> None:
    """Time every comparison and print a Markdown table."""
    torch.set_num_threads(1)
    print("| step | ours, ms | baseline | baseline, ms | baseline / ours |")
    print("| --- | --- | --- | --- | --- |")
    for make in (losses, hull, transforms, network):
        for comparison in make():
            ours, theirs = best_times(comparison.ours, comparison.theirs)
            print(
                f"| {comparison.step} | {1e3 * ours:.3g} | {comparison.baseline} "
                f"| {1e3 * theirs:.3g} | {theirs / ours:.2f} |",
                flush=True,
            )


def best_times(*functions: Callable[[], object]) -> list[float]:
    """Seconds of CPU of each function: the smallest of alternating repetitions."""
    best = [float("inf")] * len(functions)
    for repetition in range(REPETITIONS + 1):  # the first one warms up
        for position, function in enumerate(functions):
            started = time.process_time()
            function()
            taken = time.process_time() - started
            if repetition:
                best[position] = min(best[position], taken)
    return best


def losses() -> list[Comparison]:
    """Forward and backward at (8, 21, 512, 512), 3 % of the pixels drawn."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 21, 512, 512, generator=generator, requires_grad=True)
    full = torch.randint(0, 21, (8, 512, 512), generator=generator)
    drawn = torch.rand(8, 512, 512, generator=generator) < 0.03
    scribble = torch.where(drawn, full, 255)
    far = torch.rand(8, 512, 512, generator=generator) < 0.5
    far_label = torch.where(far, 0, 255)

    def gradient(loss: Callable[[], torch.Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(loss(), logits)

    def categorical_entropy() -> torch.Tensor:
        moved = logits.movedim(1, -1)
        return torch.distributions.Categorical(logits=moved).entropy().mean()

    size = "(8, 21, 512, 512), forward and backward"
    return [
        Comparison(
            f"`partial_cross_entropy`, {size}",
            "`F.cross_entropy` (NaN where nothing is drawn)",
            gradient(lambda: partial_cross_entropy(logits, scribble)),
            gradient(lambda: F.cross_entropy(logits, scribble, ignore_index=255)),
        ),
        Comparison(
            f"`mean_entropy`, {size}",
            "`torch.distributions.Categorical`",
            gradient(lambda: mean_entropy(logits)),
            gradient(categorical_entropy),
        ),
        Comparison(
            f"`far_background_loss`, {size}",
            "`F.cross_entropy` on a label image of the far pixels",
            gradient(lambda: far_background_loss(logits, far)),
            gradient(lambda: F.cross_entropy(logits, far_label, ignore_index=255)),
        ),
    ]


def strokes(height: int, width: int) -> np.ndarray:
    """A label image with 40 short strokes."""
    rng = np.random.default_rng(0)
    label = np.full((height, width), 255, np.uint8)
    for index in range(40):
        row, column = rng.integers(0, height), rng.integers(0, width - 40)
        label[row, column : column + 40] = index % 21
    return label


def hull() -> list[Comparison]:
    """The far field of one image."""
    label = strokes(375, 500)
    return [
        Comparison(
            "`far_background`, 375 x 500",
            "scikit-image `convex_hull_image`, negated",
            lambda: far_background(label),
            lambda: ~convex_hull_image(label != 255),
        )
    ]


def transforms() -> list[Comparison]:
    """Scale, crop and flip of one sample of picture, scribble, mask and valid."""
    rng = np.random.default_rng(0)
    image = tv_tensors.Image(torch.from_numpy(rng.integers(0, 256, (3, 375, 500), dtype=np.uint8)))
    label = torch.from_numpy(strokes(375, 500))
    sample = {
        "image": image,
        "scribble": tv_tensors.Mask(label),
        "mask": tv_tensors.Mask(label.clone()),
        "valid": Region(torch.ones(375, 500, dtype=torch.bool)),
    }
    steps = v2.Compose([RandomScale(0.5, 2.0), RandomCrop((512, 512)), v2.RandomHorizontalFlip()])

    def run(value: object) -> Callable[[], object]:
        def once() -> None:
            torch.manual_seed(0)
            for _ in range(20):
                steps(value)

        return once

    return [
        Comparison(
            "20 joint scale, crop, flip of picture, scribble, mask, valid",
            "the picture alone",
            run(sample),
            run({"image": image}),
        )
    ]


def network() -> list[Comparison]:
    """One training step of the small ACDC network at 128 x 128: memory format, and precision."""
    image = torch.randn(12, 1, 128, 128)
    label = torch.randint(0, 4, (12, 128, 128))

    def step(
        memory_format: torch.memory_format = torch.channels_last,
        *,
        size: int = 12,
        mixed: bool = False,
    ) -> Callable[[], object]:
        torch.manual_seed(0)
        net = PlainUNet(4, 1, widths=(8, 16, 32, 64, 128)).to(memory_format=memory_format)
        parameters, batch = list(net.parameters()), image[:size].to(memory_format=memory_format)

        def once() -> object:
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                logits = net(batch)
            return torch.autograd.grad(F.cross_entropy(logits.float(), label[:size]), parameters)

        return once

    return [
        Comparison(
            "`PlainUNet` 8..128, step at (12, 1, 128, 128), channels last",
            "the same, contiguous",
            step(),
            step(torch.contiguous_format),
        ),
        Comparison(
            "`PlainUNet` 8..128, step at (6, 1, 128, 128), `bf16-mixed`, AVX-512",
            "the same, 32 bit",
            step(size=6, mixed=True),
            step(size=6),
        ),
    ]


if __name__ == "__main__":
    main()
