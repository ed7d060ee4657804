"""Time of the dense CRF on one picture, as ratios from one run.

    python benchmarks/dense_crf.py

375 x 500 pixels, ten iterations (preset ``toco``). Medians of alternating repetitions, after one
that compiles. The yardstick is pydensecrf: measured in turns with ours where it is installed,
otherwise 629 ms for 21 classes and 317 ms for 3 (one thread of a comparable host, another picture).
The control says what a second thread was worth on this machine at that time.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from scribbleseg.inference.dense_crf import CRF_PRESETS, dense_crf

try:
    from pydensecrf.densecrf import DenseCRF2D
except ImportError:
    DenseCRF2D = None

REPETITIONS = 5
SIZE = 375, 500
CRF = CRF_PRESETS["toco"]
PYDENSECRF = {"21": 629.0, "3": 317.0}  # ms, where it cannot be measured


def main() -> None:
    """Time all settings in turns and print two Markdown tables."""
    image, label = picture()
    probs = {"21": scores(label, 21), "3": scores(label, 3)}
    probs["21, of which 3 have mass"] = np.zeros_like(probs["21"])
    probs["21, of which 3 have mass"][:3] = probs["3"]

    def ours(prob: NDArray[np.float32], threads: int) -> Callable[[], object]:
        return lambda: dense_crf(prob, image, CRF, threads=threads)

    def theirs(prob: NDArray[np.float32]) -> Callable[[], object]:
        return lambda: pydensecrf(prob, image)

    functions = {
        (name, threads): ours(prob, threads) for name, prob in probs.items() for threads in (2, 1)
    }
    functions |= {("control: sorting", threads): sorting(threads) for threads in (2, 1)}
    if DenseCRF2D is not None:
        functions |= {("pydensecrf", int(name)): theirs(probs[name]) for name in PYDENSECRF}
    times = median_times(functions)

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} when done\n")
    print("| classes | 1 thread / 2 threads, wall | 2 threads, ms: wall (CPU) | 1 thread, ms |")
    print("| --- | --- | --- | --- |")
    for name in (*probs, "control: sorting"):
        (two, two_cpu), (one, one_cpu) = times[name, 2], times[name, 1]
        print(
            f"| {name} | {one / two:.2f} | {two:.0f} ({two_cpu:.0f}) | {one:.0f} ({one_cpu:.0f}) |"
        )
    print("\n| comparison, CPU time of one thread | ratio | ms | ms |")
    print("| --- | --- | --- | --- |")
    for name, stored in PYDENSECRF.items():
        yardstick = times.get(("pydensecrf", int(name)), (stored, stored))[1]
        own = times[name, 1][1]
        print(
            f"| pydensecrf / ours, {name} classes | {yardstick / own:.2f} | {yardstick:.0f} "
            f"| {own:.0f} |"
        )
    full, pruned = (times[name, 1][1] for name in ("21", "21, of which 3 have mass"))
    print(f"| 21 present / 3 of 21 present | {full / pruned:.2f} | {full:.0f} | {pruned:.0f} |")


def pydensecrf(prob: NDArray[np.float32], image: NDArray[np.uint8]) -> object:
    """The same by pydensecrf."""
    model = DenseCRF2D(SIZE[1], SIZE[0], len(prob))
    unary = -np.log(np.clip(prob, 1e-5, 1)).reshape(len(prob), -1)
    model.setUnaryEnergy(np.ascontiguousarray(unary, np.float32))
    model.addPairwiseGaussian(sxy=CRF.gaussian_xy, compat=CRF.gaussian_weight)
    model.addPairwiseBilateral(
        sxy=CRF.bilateral_xy, srgb=CRF.bilateral_rgb, rgbim=image, compat=CRF.bilateral_weight
    )
    return model.inference(CRF.iterations)


def sorting(threads: int) -> Callable[[], object]:
    """Something that two cores do twice as fast as one."""
    parts = np.split(np.random.default_rng(0).random(4_000_000), 8)

    def run() -> object:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(np.sort, parts))

    return run


def median_times(
    functions: dict[tuple[str, int], Callable[[], object]],
) -> dict[tuple[str, int], tuple[float, float]]:
    """Milliseconds on the wall and of CPU: medians of alternating repetitions."""
    taken: dict[tuple[str, int], list[tuple[float, float]]] = {key: [] for key in functions}
    for _ in range(REPETITIONS + 1):
        for key, function in functions.items():
            started = time.perf_counter(), time.process_time()
            function()
            wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
            taken[key].append((1e3 * wall, 1e3 * cpu))
    return {
        key: (median(wall for wall, _ in values[1:]), median(cpu for _, cpu in values[1:]))
        for key, values in taken.items()
    }


def picture() -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """A picture of 14 regions with uneven borders, shading and noise, and which region is where."""
    rng = np.random.default_rng(0)
    height, width = SIZE
    y, x = np.mgrid[:height, :width].astype(np.float32)

    def waves(blur: float, size: float) -> NDArray[np.float32]:
        field = cv2.GaussianBlur(rng.normal(size=SIZE).astype(np.float32), (0, 0), blur)
        return field * (size / np.abs(field).max())

    y, x = y + waves(8, 15), x + waves(8, 15)
    centers = rng.random((14, 2)) * SIZE
    label = np.argmin([(y - a) ** 2 + (x - b) ** 2 for a, b in centers], axis=0)
    colors = rng.integers(30, 225, (14, 3))[label] + waves(60, 25)[..., None]
    image = np.clip(colors + rng.normal(size=(*SIZE, 3)) * 7, 0, 255)
    return image.astype(np.uint8), label


def scores(label: NDArray[np.intp], classes: int) -> NDArray[np.float32]:
    """Noisy probabilities of some classes, most often the largest for the right one."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(classes, *label.shape))
    logits += 2.0 * (np.arange(classes)[:, None, None] == label % classes)
    power = np.exp(logits)
    return (power / power.sum(axis=0)).astype(np.float32)


if __name__ == "__main__":
    main()
