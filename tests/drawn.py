"""A dataset drawn in a blink: discs and squares with a stroke in each, and one around them."""

from pathlib import Path

import cv2
import numpy as np
import yaml
from PIL import Image

CLASSES = ("background", "disc", "square")
IGNORE = 255


def draw_image(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (H, W, 3), mask and scribble (H, W) with one disc left and one square right."""
    height, width = size
    image = rng.normal(110, 12, (height, width, 3))
    mask = np.zeros(size, np.uint8)
    scribble = np.full(size, IGNORE, np.uint8)
    radius = height // 5
    centers = [(width // 4, height // 2), (3 * width // 4, height // 2 + int(rng.integers(-4, 5)))]
    cv2.circle(mask, centers[0], radius, 1, -1)
    cv2.rectangle(
        mask, *[(centers[1][0] + s * radius, centers[1][1] + s * radius) for s in (-1, 1)], 2, -1
    )
    image[mask == 1] += (90, -20, -20)
    image[mask == 2] += (-30, 80, -30)
    for value, (x, y) in enumerate(centers, start=1):
        cv2.line(scribble, (x - radius // 2, y), (x + radius // 2, y), value, 2)
    cv2.rectangle(scribble, (3, 3), (width - 4, height - 4), 0)  # around the objects
    return np.clip(image, 0, 255).astype(np.uint8), mask, scribble


def draw_dataset(root: Path, count: int = 8, size: tuple[int, int] = (48, 64)) -> None:
    """A folder layout with ``count`` training and 3 test images."""
    for folder in ("images", "masks", "scribbles"):
        (root / folder).mkdir(parents=True)
    names = [f"cell {index}" for index in range(count + 3)]  # a space in every name
    for index, name in enumerate(names):
        image, mask, scribble = draw_image(np.random.default_rng(index), size)
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")
        Image.fromarray(scribble).save(root / "scribbles" / f"{name}.png")
    (root / "train.txt").write_text("\n".join(names[:count]) + "\n")
    (root / "test.txt").write_text("\n".join(names[count:]) + "\n")
    description = {
        "classes": [{"name": "background", "color": [0, 0, 0]}, "disc", "square"],
        "background_drawn": True,
        "splits": {"train": "train.txt", "val": "test.txt", "test": "test.txt"},
    }
    (root / "dataset.yaml").write_text(yaml.safe_dump(description))
