"""How good pseudo labels of activation maps are, beside what needs no network.

    python benchmarks/cam_labels.py LAYOUT ROOT LABELS...

Prints the mean IoU of each folder of label images on the training list of a dataset with masks,
strokes not counted in, beside

* one class everywhere: every pixel is of the image's tagged class; of several, of the one that
  covers most (an oracle's choice, so that the comparison is hard);
* a saliency map that is blind to tags (Achanta et al., "Frequency-tuned Salient Region Detection",
  CVPR 2009: distance of a slightly blurred pixel from the mean colour, in Lab; Otsu's threshold).
  Each salient region is of a random tagged class, or of the one that covers most of it (an
  oracle's choice again).
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.image_file import read_image
from scribbleseg.annotation.label_image import read_label
from scribbleseg.data.layouts import load_layout
from scribbleseg.evaluation.confusion import Scores, confusion_matrix

Labels = NDArray[np.integer[Any]]


def one_class(mask: Labels, tags: list[int]) -> Labels:
    """The tagged class that covers most, everywhere."""
    return np.full_like(mask, _largest(mask, tags))


def salient(
    image: NDArray[np.uint8], mask: Labels, tags: list[int], rng: np.random.Generator | None
) -> Labels:
    """Salient regions, each of a random tagged class, or of the one that covers most of it."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    distance = np.linalg.norm(cv2.GaussianBlur(lab, (5, 5), 0) - lab.mean(axis=(0, 1)), axis=2)
    grey = cv2.normalize(distance, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    _, region = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    count, parts = cv2.connectedComponents(region)
    label = np.zeros_like(mask)
    for part in range(1, count):
        inside = parts == part
        label[inside] = _largest(mask[inside], tags) if rng is None else rng.choice(tags)
    return label


def _largest(mask: Labels, tags: list[int]) -> int:
    return max(tags, key=lambda tag: int((mask == tag).sum())) if tags else 0


def main(layout_name: str, root_name: str, *folders: str) -> None:
    """Print one line for every way to make labels."""
    layout, root = load_layout(layout_name, root_name)
    records = layout.evaluation_records(root, layout.names(root, "train"))
    scribbles = {record.name: layout.scribble_path(root, record.name) for record in records}
    rng = np.random.default_rng(0)
    ways: dict[str, Callable[[str, NDArray[np.uint8], Labels, Labels, list[int]], Labels]] = {
        "one class everywhere (oracle)": lambda name, image, mask, strokes, tags: one_class(
            mask, tags
        ),
        "saliency, random tag": lambda name, image, mask, strokes, tags: salient(
            image, mask, tags, rng
        ),
        "saliency, best tag (oracle)": lambda name, image, mask, strokes, tags: salient(
            image, mask, tags, None
        ),
    }
    for folder in folders:
        ways[folder] = lambda name, image, mask, strokes, tags, folder=folder: read_label(  # type: ignore[misc]
            Path(folder) / f"{name}.png"
        )
    counts = {way: np.zeros((len(layout.class_names),) * 2, np.int64) for way in ways}
    for record in records:
        assert record.mask is not None
        mask, path = read_label(record.mask), scribbles[record.name]
        assert path is not None
        strokes, image = read_label(path), read_image(record.image, "RGB")
        tags = [int(tag) for tag in np.unique(strokes) if tag not in {0, layout.ignore_index}]
        # Strokes may stand in a folder of labels as they are; they would flatter it.
        truth = np.where(strokes == layout.ignore_index, mask, layout.ignore_index)
        for way, label in ways.items():
            counts[way] += confusion_matrix(
                label(record.name, image, mask, strokes, tags),
                truth,
                num_classes=len(layout.class_names),
                ignore_index=layout.ignore_index,
            )
    for way, count in counts.items():
        print(f"{Scores.from_counts(count).miou:.3f}  {way}")


if __name__ == "__main__":
    main(*sys.argv[1:])
