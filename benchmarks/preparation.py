"""How the preparation of a dataset scales with processes.

    python benchmarks/preparation.py

Wall time, median of three repetitions, one worker and two by turns; starting the processes is
counted. The second call of a command finds everything done: what that costs is the last column.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import yaml

from scribbleseg.annotation import write_label
from scribbleseg.annotation.formats import Options, load_format
from scribbleseg.annotation.simulation_settings import Simulation
from scribbleseg.data.layouts import load_layout
from scribbleseg.data.preparation.annotation_import import import_annotations
from scribbleseg.data.preparation.derived_images import Work, distance_maps, simulate_scribbles
from scribbleseg.data.preparation.production import Crew, Production

REPETITIONS = 3
IMAGES = 400
SIZE = (375, 500)

Preparation = Callable[[Path, Crew], Production]


def main() -> None:
    """Time every preparation and print a Markdown table."""
    print(f"{IMAGES} images of {SIZE[0]} x {SIZE[1]}, {os.cpu_count()} cores\n")
    print(
        "| preparation | 1 worker / 2 workers | 1 worker, images/s | 2 workers, images/s | again |"
    )
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, prepare in preparations(root).items():
            seconds = timed(prepare, root / "out")
            one, two, again = (statistics.median(times) for times in seconds)
            print(
                f"| {name} | {one / two:.2f} | {IMAGES / one:.0f} | {IMAGES / two:.0f} | "
                f"{again:.2f} s |"
            )


def timed(prepare: Preparation, target: Path) -> tuple[list[float], list[float], list[float]]:
    """Seconds with one worker, with two, and of a second call."""
    seconds: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(REPETITIONS):
        for workers in (1, 2):
            shutil.rmtree(target, ignore_errors=True)
            start = time.perf_counter()
            assert prepare(target, Crew(workers)).made == IMAGES
            seconds[workers - 1].append(time.perf_counter() - start)
        start = time.perf_counter()
        assert prepare(target, Crew(2)).kept == IMAGES
        seconds[2].append(time.perf_counter() - start)
    return seconds


def preparations(root: Path) -> dict[str, Preparation]:
    """What is timed, on files drawn for it."""
    draw(root)
    layout, dataset = load_layout("folder", str(root / "dataset"))
    names = [f"{index:04d}" for index in range(IMAGES)]
    labels = {name: dataset / "masks" / f"{name}.png" for name in names}

    def imported(target: Path, crew: Crew) -> Production:
        form = load_format("scribblesup_xml")
        options = Options(images=dataset / "images")
        return import_annotations(
            form, root / "xml", target, options=options, without_background=True, crew=crew
        ).production

    def simulated(target: Path, crew: Crew) -> Production:
        work = Work(target, crew)
        return simulate_scribbles(layout, dataset, names, work, simulation=Simulation("random"))

    def mapped(target: Path, crew: Crew) -> Production:
        return distance_maps(layout, labels, Work(target, crew), kind="pseudo_label", scale=400.0)

    return {
        "`import scribblesup_xml`": imported,
        "`simulate --style random`": simulated,
        "`distance`": mapped,
    }


def draw(root: Path) -> None:
    """Pictures, masks of five objects, and XML of five strokes of 120 points."""
    rng = np.random.default_rng(0)
    dataset = root / "dataset"
    for folder in (dataset / "images", root / "xml"):
        folder.mkdir(parents=True)
    for index in range(IMAGES):
        name = f"{index:04d}"
        picture = rng.integers(0, 255, (*SIZE, 3), np.uint8)
        cv2.imwrite(str(dataset / "images" / f"{name}.jpg"), picture)
        mask = np.zeros(SIZE, np.uint8)
        strokes = []
        for label in range(1, 6):
            center = (int(rng.integers(60, SIZE[1] - 60)), int(rng.integers(60, SIZE[0] - 60)))
            axes = (int(rng.integers(30, 80)), int(rng.integers(20, 60)))
            cv2.ellipse(mask, center, axes, float(rng.integers(180)), 0, 360, label, -1)
            points = center + np.cumsum(rng.integers(-3, 4, (120, 2)), axis=0)
            inside = np.clip(points, 0, (SIZE[1] - 1, SIZE[0] - 1))
            text = "".join(f"<point><X>{x}</X><Y>{y}</Y></point>" for x, y in inside)
            strokes.append(f"<polygon><tag>bike</tag>{text}</polygon>")
        write_label(dataset / "masks" / f"{name}.png", mask)
        size = f"<size><width>{SIZE[1]}</width><height>{SIZE[0]}</height></size>"
        (root / "xml" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename>{size}{''.join(strokes)}</annotation>"
        )
    classes = ["background", *(f"class {label}" for label in range(1, 6))]
    (dataset / "dataset.yaml").write_text(yaml.safe_dump({"classes": classes}))


if __name__ == "__main__":
    main()
