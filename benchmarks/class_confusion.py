"""How much of what runs get wrong is one class taken for another, and what those pixels look like.

    python benchmarks/class_confusion.py LAYOUT ROOT LV MYO RUN...

A RUN is what was scored, of a recipe the folder of its last training (``.../seed0/student``). For
each: the share of the first class's pixels that are predicted as the second, and the reverse; the
predicted area of both over the true one; the median brightness (mean of the channels, 0..255) of
the first where it is found, of the confused pixels, and of the second where it is found; the
volumes' scores as they are, and with that confusion undone. The last uses the masks and is an
oracle's: it says what the confusion costs, not what anything would give a user.
"""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation import read_label, write_label
from scribbleseg.annotation.image_file import read_image
from scribbleseg.data.layouts import load_layout
from scribbleseg.evaluation import compare_label_images, read_volumes


def main(layout_name: str, root_name: str, first: str, second: str, *runs: str) -> None:
    """Print a Markdown table, one line a run."""
    layout, root = load_layout(layout_name, root_name)
    assert layout.volumes is not None
    volumes = read_volumes(root / layout.volumes)
    a, b = layout.class_names.index(first), layout.class_names.index(second)
    print(
        f"| run | {first} as {second} | {second} as {first} | area of {first}, {second} | "
        "brightness: found, confused, found | Dice / HD95, mm | undone (oracle) |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for run in runs:
        predictions = sorted((Path(run) / "predictions").glob("*.png"))
        if not predictions:
            sys.exit(f"{run}/predictions: no label images; of a recipe, give its last training")
        records = layout.evaluation_records(root, [path.stem for path in predictions])
        pixels = np.zeros((len(layout.class_names),) * 2, np.int64)  # [truth][prediction]
        brightness: defaultdict[tuple[int, int], list[NDArray[np.floating]]] = defaultdict(list)
        with tempfile.TemporaryDirectory() as folder:
            pairs, undone = [], []
            for path, record in zip(predictions, records, strict=True):
                assert record.mask is not None
                label, truth = read_label(path).copy(), read_label(record.mask)
                image = np.atleast_3d(read_image(record.image)).mean(axis=2)
                for pair in ((a, a), (a, b), (b, b), (b, a)):
                    chosen = (truth == pair[0]) & (label == pair[1])
                    brightness[pair].append(image[chosen])
                known = truth != layout.ignore_index
                np.add.at(pixels, (truth[known], label[known]), 1)
                label[(truth == a) & (label == b)] = a
                mended = Path(folder) / path.name
                write_label(mended, label)
                pairs.append((record.name, path, record.mask))
                undone.append((record.name, mended, record.mask))
            scores = []
            for some in (pairs, undone):
                report = compare_label_images(some, layout.class_names, volumes=volumes)
                assert report.volumes is not None
                found = report.volumes.as_dict()
                scores.append(f"{found['mean_dice']:.3f} / {found['mean_hd95_mm']:.1f}")
        true, predicted = pixels.sum(1), pixels.sum(0)
        medians = (np.median(np.concatenate(brightness[pair])) for pair in ((a, a), (a, b), (b, b)))
        print(
            f"| {run} | {pixels[a, b] / true[a]:.1%} | {pixels[b, a] / true[b]:.1%} | "
            f"{predicted[a] / true[a]:.2f}, {predicted[b] / true[b]:.2f} | "
            f"{', '.join(f'{value:.0f}' for value in medians)} | {' | '.join(scores)} |",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
