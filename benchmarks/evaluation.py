"""Speed of the scores of one image against stated baselines, as ratios from one run.

    python benchmarks/evaluation.py

Median of five repetitions in one process, ours and the baseline by turns, on one thread; the last
line is of a folder of files with the threads that ``evaluate`` takes. Every comparison checks
first that both ways give the same numbers.
"""

import math
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy import ndimage
from torchmetrics.functional.classification import multiclass_confusion_matrix

from scribbleseg.annotation import write_label
from scribbleseg.evaluation import (
    boundary_counts,
    compare_label_images,
    comparison,
    confusion_matrix,
    distance_profile,
)
from scribbleseg.evaluation.image_scores import image_hd95
from scribbleseg.evaluation.scribble_distance import BINS, EDGES

REPETITIONS = 5
CLASSES = 21
SIZE = (375, 500)


@dataclass(frozen=True)
class Comparison:
    """Two ways to get the same numbers.

    Args:
        step: What is computed.
        baseline: What the other way is.
        ours: Runs our way once.
        theirs: Runs the baseline once.
    """

    step: str
    baseline: str
    ours: Callable[[], np.ndarray]
    theirs: Callable[[], np.ndarray]


def main() -> None:
    """Time every comparison and print a Markdown table."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(f"{SIZE[0]} x {SIZE[1]} pixels, {CLASSES} classes, uint8; {os.cpu_count()} cores\n")
    print("| baseline / ours | step | ours, ms | baseline | baseline, ms |")
    print("| --- | --- | --- | --- | --- |")
    prediction, mask, scribble = example()
    for one in (
        *counts(prediction, mask),
        boundary(prediction, mask),
        distance(prediction, mask, scribble),
        hd95(prediction, mask),
    ):
        np.testing.assert_allclose(one.ours(), one.theirs())
        show(one)
    with tempfile.TemporaryDirectory() as folder:
        show(files(Path(folder), prediction, mask))


def show(one: Comparison) -> None:
    """Print the line of a comparison."""
    seconds: list[list[float]] = [[], []]
    for _ in range(REPETITIONS):
        for taken, function in zip(seconds, (one.ours, one.theirs), strict=True):
            started = time.perf_counter()
            function()
            taken.append(time.perf_counter() - started)
    ours, theirs = (1e3 * float(np.median(taken)) for taken in seconds)
    print(
        f"| {theirs / ours:.1f} | {one.step} | {ours:.3g} | {one.baseline} | {theirs:.3g} |",
        flush=True,
    )


def example() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, mask with void contours, and scribble of an image with every class in it."""
    rng = np.random.default_rng(0)
    mask = np.zeros(SIZE, np.uint8)
    for index in [*range(1, CLASSES)] * 2:
        center = int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0]))
        cv2.circle(mask, center, int(rng.integers(20, 80)), index, -1)
    prediction = np.roll(mask, 5, axis=1)
    mask[ndimage.laplace(mask.astype(int)) != 0] = 255
    scribble = np.full(SIZE, 255, np.uint8)
    for _ in range(40):
        row, column = int(rng.integers(SIZE[0])), int(rng.integers(SIZE[1] - 40))
        scribble[row, column : column + 40] = 1
    return prediction, mask, scribble


def counts(prediction: np.ndarray, mask: np.ndarray) -> list[Comparison]:
    """Right, predicted and true pixels of each class."""

    def ours() -> np.ndarray:
        matrix = confusion_matrix(prediction, mask, num_classes=CLASSES)
        return np.array([np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)])

    def masks_of_classes() -> np.ndarray:
        valid = mask != 255
        rows = []
        for index in range(CLASSES):
            predicted, true = prediction == index, mask == index
            rows.append([(predicted & true & valid).sum(), (predicted & valid).sum(), true.sum()])
        return np.array(rows).T

    tensors = torch.from_numpy(prediction), torch.from_numpy(mask).long()

    def torchmetrics() -> np.ndarray:
        matrix = multiclass_confusion_matrix(
            *tensors, num_classes=CLASSES, ignore_index=255, validate_args=False
        ).numpy()
        return np.array([np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)])

    step = "confusion counts"
    return [
        Comparison(step, "boolean masks of each class", ours, masks_of_classes),
        Comparison(step, "torchmetrics, validation off", ours, torchmetrics),
    ]


def boundary(prediction: np.ndarray, mask: np.ndarray) -> Comparison:
    """Boundary IoU of every class."""
    reach = round(0.02 * math.hypot(*SIZE))

    def by_class() -> np.ndarray:
        valid = mask != 255
        rows = []
        for index in range(CLASSES):
            regions = []
            for label in (prediction, mask):
                inside = ((label == index) & valid).astype(np.uint8)
                padded = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
                core = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=reach)
                regions.append(inside - core[1:-1, 1:-1] > 0)
            rows.append([(regions[0] & regions[1]).sum(), (regions[0] | regions[1]).sum()])
        return np.array(rows).T

    def ours() -> np.ndarray:
        found = boundary_counts(prediction, mask, num_classes=CLASSES)
        return np.array([found.intersection, found.union])

    return Comparison("boundary IoU", "`cv2.erode` of each class's mask", ours, by_class)


def distance(prediction: np.ndarray, mask: np.ndarray, scribble: np.ndarray) -> Comparison:
    """Right pixels by class and distance from the nearest stroke."""

    def by_scipy() -> np.ndarray:
        place = np.digitize(ndimage.distance_transform_edt(scribble == 255), EDGES, right=True)
        right = (prediction == mask) & (mask != 255)
        rows = [
            np.bincount(place[right & (mask == k)], minlength=len(BINS)) for k in range(CLASSES)
        ]
        return np.array(rows)

    return Comparison(
        "accuracy by distance from the strokes",
        "SciPy's distance transform, `np.digitize`, counts of each class",
        lambda: distance_profile(prediction, mask, scribble, num_classes=CLASSES).right,
        by_scipy,
    )


def hd95(prediction: np.ndarray, mask: np.ndarray) -> Comparison:
    """HD95 of every class."""

    def by_scipy() -> np.ndarray:
        values = []
        for index in range(CLASSES):
            regions = [(label == index) & (mask != 255) for label in (prediction, mask)]
            one, other = (region & ~ndimage.binary_erosion(region) for region in regions)
            distances = [
                ndimage.distance_transform_edt(~other)[one],
                ndimage.distance_transform_edt(~one)[other],
            ]
            values.append(np.percentile(np.concatenate(distances), 95))
        return np.array(values)

    return Comparison(
        "HD95 of the image (`--hd95`)",
        "SciPy's distance transform of each class",
        lambda: image_hd95(prediction, mask, num_classes=CLASSES),
        by_scipy,
    )


def files(folder: Path, prediction: np.ndarray, mask: np.ndarray) -> Comparison:
    """A folder of 100 pairs of PNGs."""
    pairs = []
    for index in range(100):
        paths = folder / f"p{index}.png", folder / f"m{index}.png"
        for path, label in zip(paths, (prediction, mask), strict=True):
            write_label(path, np.roll(label, index, axis=1))
        pairs.append((str(index), *paths))
    names = [str(index) for index in range(CLASSES)]
    threads = comparison.THREADS

    def score(number: int) -> np.ndarray:
        comparison.THREADS = number
        return compare_label_images(pairs, names).counts

    return Comparison(
        "100 pairs of PNGs read and scored (all but HD95)",
        "the same with one thread",
        lambda: score(threads),
        lambda: score(1),
    )


if __name__ == "__main__":
    main()
