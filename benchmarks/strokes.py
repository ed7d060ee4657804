"""Time from annotation files to label images, as ratios from one run.

    python benchmarks/strokes.py

CPU time of one thread, median of 21 repetitions, ours and the baseline by turns. Every comparison
checks first that both give the same pixels. The baseline is a converter as BLPSeg's is written
(minidom, a loop over steps in Python), without its pause of 10 ms a file. The promise: at most 5 ms
from the XML of a picture of 375 x 500 with 600 points to the label image on disk.
"""

import itertools
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from xml.dom import minidom

import numpy as np
from PIL import Image

from scribbleseg.annotation import read_label, write_label
from scribbleseg.annotation.formats import Entry, LabelledImage, Options, color_png
from scribbleseg.annotation.formats.scribblesup_xml import FORMAT, VOC
from scribbleseg.annotation.raster import rasterise

REPETITIONS = 21
SIZE = 375, 500
TAGS = ("background", "plane", "bird", "person", "background", "dog", "monitor", "table")
INDEX = {"plane": 1, "table": 11, "monitor": 20} | VOC.index


def main() -> None:
    """Time every comparison and print a Markdown table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "a.xml").write_text(drawn_file(600), encoding="utf-8")
        entry, options = Entry("a", root / "a.xml"), Options(classes=VOC)

        def ours() -> None:
            drawing = next(iter(FORMAT.read(entry, options)))
            write_label(root / "ours.png", rasterise(drawing, VOC.index, FORMAT.raster))

        def theirs() -> None:
            Image.fromarray(converted(root / "a.xml")).save(root / "theirs.png")

        ours(), theirs()
        np.testing.assert_array_equal(
            read_label(root / "ours.png"), read_label(root / "theirs.png")
        )
        drawing = next(iter(FORMAT.read(entry, options)))
        print(f"600 points; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
        print("| baseline / ours | step | ours, ms | baseline | baseline, ms |")
        print("| --- | --- | --- | --- | --- |")
        compare("ScribbleSup XML to label PNG", "minidom and a loop over steps", ours, theirs)
        polygons = polylines(root / "a.xml")[1]
        compare(
            "of which: file to strokes",
            "minidom",
            lambda: list(FORMAT.read(entry, options)),
            lambda: polylines(root / "a.xml"),
        )
        compare(
            "of which: strokes to pixels",
            "a loop over steps",
            lambda: rasterise(drawing, VOC.index, FORMAT.raster),
            lambda: painted(SIZE, polygons),
        )
        color(root)


def color(root: Path) -> None:
    """Colour PNG of 21 classes."""
    label = read_label(root / "ours.png")
    assert color_png.FORMAT.write is not None
    color_png.FORMAT.write([LabelledImage("color", root, lambda: label)], VOC, root)
    entry, options = Entry("color", root / "color.png"), Options(classes=VOC)

    def ours() -> np.ndarray:
        found = next(iter(color_png.FORMAT.read(entry, options))).label
        assert found is not None
        return found

    def theirs() -> np.ndarray:
        with Image.open(root / "color.png") as image:
            pixels = np.asarray(image.convert("RGBA"))
        found = np.full(pixels.shape[:2], 255, np.uint8)
        for index, rgb in enumerate(VOC.palette):
            found[(pixels == (*rgb, 255)).all(axis=-1)] = index
        return found

    np.testing.assert_array_equal(ours(), theirs())
    compare("colour PNG to label", "one comparison a class", ours, theirs)


def compare(
    step: str, baseline: str, ours: Callable[[], object], theirs: Callable[[], object]
) -> None:
    """Time two ways alternately and print a row."""
    times: list[list[float]] = [[], []]
    for _ in range(REPETITIONS):
        for taken, function in zip(times, (ours, theirs), strict=True):
            started = time.process_time()
            function()
            taken.append(time.process_time() - started)
    mine, other = (1e3 * statistics.median(taken) for taken in times)
    print(f"| {other / mine:.1f} | {step} | {mine:.2f} | {baseline} | {other:.1f} |", flush=True)


def drawn_file(points: int) -> str:
    """Wavy strokes in the form of ScribbleSup, indented as its files are."""
    rng = np.random.default_rng(0)
    lines = ["<annotation>", "\t<folder>scribble</folder>", "\t<filename>a.jpg</filename>"]
    lines += ["\t<size>", f"\t\t<width>{SIZE[1]}</width>", f"\t\t<height>{SIZE[0]}</height>"]
    lines += ["\t\t<depth>3</depth>", "\t</size>", "\t<segmented>1</segmented>"]
    for tag in TAGS:
        steps = rng.integers(-6, 7, (points // len(TAGS), 2)) + rng.integers(-2, 3, 2)
        places = np.cumsum(steps, axis=0) + rng.integers(100, 300, 2)
        lines += ["\t<polygon>", f"\t\t<tag>{tag}</tag>"]
        for x, y in places:
            lines += ["\t\t<point>", f"\t\t\t<X>{x}</X>", f"\t\t\t<Y>{y}</Y>", "\t\t</point>"]
        lines.append("\t</polygon>")
    return "\n".join([*lines, "</annotation>", ""])


def converted(path: Path) -> np.ndarray:
    """The label image of a file, the way BLPSeg's converter makes it."""
    return painted(*polylines(path))


Polygon = tuple[str, list[tuple[int, int]]]


def polylines(path: Path) -> tuple[tuple[int, int], list[Polygon]]:
    """Size and clamped strokes of a file."""
    document = minidom.parse(str(path))
    height, width = (
        int(document.getElementsByTagName(name)[0].firstChild.data) for name in ("height", "width")
    )
    polygons = []
    for polygon in document.getElementsByTagName("polygon"):
        tag = polygon.getElementsByTagName("tag")[0].firstChild.data
        points = []
        for point in polygon.getElementsByTagName("point"):
            x = int(point.getElementsByTagName("X")[0].firstChild.data)
            y = int(point.getElementsByTagName("Y")[0].firstChild.data)
            points.append((min(max(y, 0), height - 1), min(max(x, 0), width - 1)))
        polygons.append((tag, points))
    return (height, width), polygons


def painted(size: tuple[int, int], polygons: list[Polygon]) -> np.ndarray:
    """The strokes, a pixel at a time."""
    label = np.full(size, 255, np.uint8)
    for tag, points in polygons:
        for (r1, c1), (r2, c2) in itertools.pairwise(points):
            steps = max(abs(r2 - r1), abs(c2 - c1))
            if steps > 1:
                for step in range(steps):
                    row = math.trunc(r1 + ((r2 - r1) / steps) * step)
                    label[row, math.trunc(c1 + ((c2 - c1) / steps) * step)] = INDEX[tag]
            label[r1, c1] = label[r2, c2] = INDEX[tag]
    return label


if __name__ == "__main__":
    main()
