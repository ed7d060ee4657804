"""Recall, precision and boundary IoU of the objects: do errors take from them, or add to them?

    cd runs/benchmarks/shapes
    python .../benchmarks/object_errors.py partial_ce gated_crf

Each folder holds the tested runs of one method, one a seed, as `scribbleseg benchmark` leaves them.
The first class is the background and left out of recall and precision; the boundary IoU is that of
the table of scores. Means over the classes, then over the runs; a class that is never predicted has
no precision.
"""

import argparse
import json
from pathlib import Path
from statistics import mean
from typing import Any


def main() -> None:
    """Print a Markdown table, a line a method."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+", help="each the runs of one method")
    print("| method | runs | recall | precision | boundary IoU |")
    print("| --- | --- | --- | --- | --- |")
    for folder in parser.parse_args().folders:
        runs = [errors(path) for path in sorted(folder.glob("seed*/metrics.json"))]
        if not runs:
            parser.error(f"{folder}: holds no seed*/metrics.json")
        means = (mean(column) for column in zip(*runs, strict=True))
        print(f"| {folder.name} | {len(runs)} | " + " | ".join(f"{m:.3f}" for m in means) + " |")


def errors(path: Path) -> tuple[float, float, float]:
    """Recall and precision of the objects, and the boundary IoU, of a run's test."""
    test: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["test"]
    pixels = test["confusion"]  # [truth][prediction]
    objects = range(1, len(pixels))
    recall = mean(pixels[k][k] / sum(pixels[k]) for k in objects)
    predicted = {k: sum(row[k] for row in pixels) for k in objects}
    precision = mean(pixels[k][k] / count for k, count in predicted.items() if count)
    return recall, precision, test["boundary"]["miou"]


if __name__ == "__main__":
    main()
