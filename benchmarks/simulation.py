"""Time of simulated scribbles, and of thinning inside bounding boxes against the whole frame.

    python benchmarks/simulation.py

CPU time of one thread, after one repetition that is not counted. The promise: at most 30 ms for a
mask of VOC size with five objects, whatever the style.
"""

import os
import time
from collections.abc import Callable, Iterator
from typing import get_args

import cv2
import numpy as np
from skimage.morphology import skeletonize

from scribbleseg.annotation.perturbation import perturb
from scribbleseg.annotation.region import connected_regions
from scribbleseg.annotation.simulation import simulate
from scribbleseg.annotation.simulation_settings import Simulation, Style
from scribbleseg.annotation.skeleton import skeleton_graph

REPETITIONS = 21
VOC, COCO = (375, 500), (480, 640)
VOC_OBJECTS, COCO_OBJECTS = 5, 8
COCO_MASKS = 1000
PROMISE = 30
SIMULATIONS = {
    "longest": Simulation("longest"),
    "random": Simulation("random"),
    "boundary": Simulation("boundary"),
    "mixed": Simulation("mixed"),
    "point": Simulation("point"),
    "block": Simulation("block"),
    "mixed, jitter 3, smooth 2": Simulation("mixed", jitter=3, smooth=2),
    "random, background contour": Simulation("random", background="contour"),
}


def main() -> None:
    """Time everything and print Markdown tables."""
    cv2.setNumThreads(1)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    mask = next(masks(VOC, VOC_OBJECTS))
    print(f"A mask of {VOC[0]} x {VOC[1]} pixels, {VOC_OBJECTS} objects and background:\n")
    print("| style | ms | promise, ms |")
    print("| --- | --- | --- |")
    for name, simulation in SIMULATIONS.items():
        milliseconds = median_milliseconds(lambda one=simulation: simulate(mask, one))
        promise = str(PROMISE) if name in get_args(Style) else "-"
        print(f"| {name} | {milliseconds:.1f} | {promise} |", flush=True)
    scribble = simulate(mask)
    milliseconds = median_milliseconds(lambda: perturb(scribble, shrink=0.3, drop=0.2))
    print(f"| its scribble, perturbed | {milliseconds:.1f} | - |\n")

    print("Thinning of the same objects, and of the background:\n")
    print("| whole frame / ours | what | ours | ours, ms | whole frame, ms |")
    print("| --- | --- | --- | --- | --- |")
    thinning(mask)

    print(f"\n{COCO_MASKS} masks of {COCO[0]} x {COCO[1]} pixels, {COCO_OBJECTS} objects each:\n")
    print("| style | images per second and core | seconds |")
    print("| --- | --- | --- |")
    for style in ("longest", "random", "mixed"):
        seconds = 0.0
        for number, one in enumerate(masks(COCO, COCO_OBJECTS, COCO_MASKS)):
            started = time.process_time()
            simulate(one, SIMULATIONS[style], image_id=str(number))
            seconds += time.process_time() - started
        print(f"| {style} | {COCO_MASKS / seconds:.0f} | {seconds:.0f} |", flush=True)


def masks(size: tuple[int, int], objects: int, count: int = 1) -> Iterator[np.ndarray]:
    """Masks with that many blobs of different classes on background."""
    rng = np.random.default_rng(0)
    height, width = size
    for _ in range(count):
        mask = np.zeros(size, np.uint8)
        for index in range(1, objects + 1):
            angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            waves = rng.normal(0, [[0.2], [0.15], [0.1]]) * np.sin(
                np.outer((2, 3, 5), angles) + rng.uniform(0, 2 * np.pi, (3, 1))
            )
            radius = rng.uniform(0.06, 0.25) * height * (1 + waves.sum(axis=0)).clip(0.2)
            outline = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]
            outline = outline * rng.uniform(0.6, 1.4, 2) + rng.uniform(0, (width, height))
            cv2.fillPoly(mask, [outline.astype(np.int32)], index)
        yield mask


def thinning(mask: np.ndarray) -> None:
    """Print the comparison of boxes and cells with the whole frame."""
    regions = connected_regions(mask)
    objects = [region for index, found in regions.items() if index > 0 for region in found]
    background = regions[0][0]
    whole = [
        np.pad(
            region.pixels,
            (
                (region.row, mask.shape[0] - region.row - region.pixels.shape[0]),
                (region.column, mask.shape[1] - region.column - region.pixels.shape[1]),
            ),
        )
        for region in objects
    ]
    for region, frame in zip(objects, whole, strict=True):
        boxed = np.zeros_like(frame)
        boxed[region.window] = skeletonize(region.pixels)
        np.testing.assert_array_equal(boxed, skeletonize(frame))
    rows = {
        ("objects", "bounding boxes"): (
            lambda: [skeletonize(region.pixels) for region in objects],
            lambda: [skeletonize(frame) for frame in whole],
        ),
        ("background, with its graph", "cells of 6 x 6"): (
            lambda: skeleton_graph(background.pixels, cell=6),
            lambda: skeleton_graph(background.pixels),
        ),
    }
    for (what, how), (ours, theirs) in rows.items():
        mine, other = (median_milliseconds(function, 7) for function in (ours, theirs))
        print(f"| {other / mine:.1f} | {what} | {how} | {mine:.1f} | {other:.1f} |", flush=True)


def median_milliseconds(function: Callable[[], object], repetitions: int = REPETITIONS) -> float:
    """CPU time of a call, median of repetitions after one that is not counted."""
    function()
    taken = []
    for _ in range(repetitions):
        started = time.process_time()
        function()
        taken.append(time.process_time() - started)
    return 1e3 * float(np.median(taken))


if __name__ == "__main__":
    main()
