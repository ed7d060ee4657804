"""Speed and memory of inference against stated baselines, as ratios from one run.

    make bench

Wall time, median of five alternating repetitions in one process after a warm-up; ratios first. The
network of the sliding windows is a constant, so that what is timed is everything around it.
"""

import math
import resource
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scribbleseg.data.normalisation import Normalisation
from scribbleseg.inference import PROTOCOLS, Inference, par, predict
from scribbleseg.inference.par import DILATIONS, POSITION_WEIGHT, SHARPNESS
from scribbleseg.inference.views import view_size, window_starts

REPETITIONS = 5
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    """Print a Markdown table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    large_picture()  # first: the peak of a process never falls
    print("\n| step | ratio | ours, ms | baseline | baseline, ms |")
    print("| --- | --- | --- | --- | --- |")
    with torch.inference_mode():
        for classes in (21, 4):
            sliding(classes)
        refinement()


def compare(
    step: str, baseline: str, ours: Callable[[], object], theirs: Callable[[], object]
) -> None:
    """Time two ways alternately and print a row."""
    times: list[list[float]] = [[], []]
    for repetition in range(REPETITIONS + 1):  # the first one warms up
        for taken, function in zip(times, (ours, theirs), strict=True):
            started = time.perf_counter()
            function()
            if repetition:
                taken.append(time.perf_counter() - started)
    mine, other = (1e3 * statistics.median(taken) for taken in times)
    print(f"| {step} | {other / mine:.1f} | {mine:.0f} | {baseline} | {other:.0f} |", flush=True)


def coarse_network(classes: int) -> Callable[[Tensor], Tensor]:
    """A stride of 16, as published networks have, and no other work."""
    convolution = nn.Conv2d(3, classes, 1, stride=16)

    def net(images: Tensor) -> Tensor:
        size = images.shape[-2:]
        return F.interpolate(convolution(images), size, mode="bilinear", align_corners=True)

    return net


def sliding(classes: int) -> None:
    """CDSP's evaluation of one VOC picture: 7 scales, windows of 465; the network is a constant."""
    how = PROTOCOLS["cdsp_voc"]
    logits = torch.randn(1, classes, 465, 465)

    def net(images: Tensor) -> Tensor:
        return logits.expand(len(images), -1, -1, -1)

    picture = np.random.default_rng(0).integers(0, 256, (375, 500, 3), dtype=np.uint8)
    images = torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous()
    normalise = Normalisation(MEAN, STD)

    def ours() -> Tensor:
        return predict(net, images, [(375, 500)], normalise, how)[0].label

    def theirs() -> np.ndarray:
        return on_the_host(net, picture, classes, how)

    differs = (ours().numpy() != theirs()).mean()
    assert differs < 0.005, differs
    compare(
        f"7 scales, 24 windows of 465, 375 x 500, {classes} classes",
        "one window at a time, softmax and float64 sums on the host",
        ours,
        theirs,
    )


def on_the_host(
    net: Callable[[Tensor], Tensor], picture: np.ndarray, classes: int, how: Inference
) -> np.ndarray:
    """The same protocol as published evaluators write it down."""
    assert how.window is not None
    height, width = picture.shape[:2]
    window = how.window[0]
    total = np.zeros((height, width, classes))
    for scale in how.scales:
        rows, columns = view_size((height, width), scale, how)
        view = cv2.resize(picture.astype(np.float32), (columns, rows))
        lacking = max(window - rows, 0), max(window - columns, 0)
        before = [missing // 2 for missing in lacking]
        padded = cv2.copyMakeBorder(
            view, before[0], lacking[0] - before[0], before[1], lacking[1] - before[1],
            cv2.BORDER_CONSTANT, value=[255 * mean for mean in MEAN],
        )  # fmt: skip
        sums = np.zeros((*padded.shape[:2], classes))
        times = np.zeros((*padded.shape[:2], 1))
        for top in window_starts(padded.shape[0], window, how.stride):
            for left in window_starts(padded.shape[1], window, how.stride):
                crop = padded[top : top + window, left : left + window] / 255.0
                tensor = torch.from_numpy(((crop - MEAN) / STD).transpose(2, 0, 1)[None]).float()
                prob = net(tensor).softmax(dim=1)[0].numpy().transpose(1, 2, 0)
                sums[top : top + window, left : left + window] += prob
                times[top : top + window, left : left + window] += 1
        mean = (sums / times)[before[0] : before[0] + rows, before[1] : before[1] + columns]
        total += np.stack(
            [cv2.resize(mean[..., index], (width, height)) for index in range(classes)], axis=-1
        )
    return total.argmax(axis=-1)


def refinement() -> None:
    """PAR at half the size of a VOC picture, where ToCo does it."""
    for classes in (3, 21):
        images, maps = torch.rand(1, 3, 188, 250), torch.rand(1, classes, 188, 250)
        torch.testing.assert_close(par(images, maps), par_by_convolution(images, maps))
        compare(
            f"`par`, 188 x 250, {classes} classes, 10 iterations",
            "48 one-hot convolutions and stacks",
            lambda images=images, maps=maps: par(images, maps),
            lambda images=images, maps=maps: par_by_convolution(images, maps),
        )


def par_by_convolution(images: Tensor, maps: Tensor) -> Tensor:
    """The same by convolutions with one-hot kernels, all neighbours in one tensor."""
    kernel = torch.zeros(9, 9).fill_diagonal_(1)[[0, 1, 2, 3, 5, 6, 7, 8]].view(8, 1, 3, 3)

    def neighbours(values: Tensor) -> Tensor:
        batch, channels, height, width = values.shape
        flat = values.reshape(batch * channels, 1, height, width)
        stacks = [
            F.conv2d(F.pad(flat, (d,) * 4, mode="replicate"), kernel, dilation=d) for d in DILATIONS
        ]
        return torch.cat(stacks, dim=1).view(batch, channels, -1, height, width)

    around = neighbours(images)
    scale = (around.std(dim=2, keepdim=True) + 1e-8) * SHARPNESS
    color = -((images[:, :, None] - around) / scale).square().mean(dim=1, keepdim=True)
    distance = torch.tensor(
        [d * math.hypot(y, x) for d in DILATIONS for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    )
    position = -(distance / ((distance.std() + 1e-8) * SHARPNESS)).square()
    weights = color.softmax(dim=2) + POSITION_WEIGHT * position.softmax(dim=0)[:, None, None]
    for _ in range(10):
        maps = (neighbours(maps) * weights).sum(dim=2)
    return maps


def large_picture() -> None:
    """Memory for 100 million pixels with windows of 512."""
    side, classes = 10_000, 4
    images = torch.full((1, 3, side, side), 90, dtype=torch.uint8)
    net = coarse_network(classes)
    before = peak_megabytes()
    started = time.perf_counter()
    with torch.inference_mode():
        predict(net, images, [(side, side)], Normalisation(MEAN, STD), Inference(window=(512, 512)))
    print(
        f"{side} x {side}, windows of 512, {classes} classes: peak "
        f"{peak_megabytes() - before:.0f} MB above the picture (the label image is "
        f"{side * side / 1e6:.0f} MB), {time.perf_counter() - started:.0f} s"
    )


def peak_megabytes() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
