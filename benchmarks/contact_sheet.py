"""A contact sheet of simulated scribbles: one row for each picture, one column for each style.

    python benchmarks/contact_sheet.py docs/assets/scribble_styles.jpg

The pictures are of the embedded example, three times as large; the strokes are those of
``simulate`` with the settings that the columns name, seven pixels wide so that they can be seen.
"""

import sys
from pathlib import Path
from typing import get_args

import cv2
import matplotlib.pyplot as plt
import numpy as np

from scribbleseg.annotation.simulation import simulate
from scribbleseg.annotation.simulation_settings import Simulation, Style
from scribbleseg.data.layouts.shapes import LAYOUT, draw_sample

SCALE, WIDTH = 3, 7
SEEDS = (3, 8, 21)
COLUMNS = {
    **{style: Simulation(style, width=WIDTH) for style in get_args(Style)},
    "longest\nlength 0.3": Simulation("longest", width=WIDTH, length=0.3),
    "mixed\njitter 5, smooth 4": Simulation("mixed", width=WIDTH, jitter=5, smooth=4),
}
WHITE = (255, 255, 255)


def main(path: Path) -> None:
    """Write the sheet."""
    rows, columns = len(SEEDS), len(COLUMNS)
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.6 * columns, 1.6 * rows + 0.4), squeeze=False
    )
    for axis, title in zip(axes[0], COLUMNS, strict=True):
        axis.set_title(title, fontsize=9)
    for row, seed in zip(axes, SEEDS, strict=True):
        image, mask, _ = draw_sample(np.random.default_rng(seed))
        image = cv2.resize(image, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
        mask = cv2.resize(mask, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
        for axis, simulation in zip(row, COLUMNS.values(), strict=True):
            scribble = simulate(mask, simulation, seed=5, image_id=str(seed))
            axis.imshow(drawn_over(image, scribble))
            axis.set_axis_off()
    figure.subplots_adjust(0.002, 0.005, 0.998, 0.92, wspace=0.02, hspace=0.02)
    figure.savefig(path, dpi=120, pil_kwargs={"quality": 70})


def drawn_over(image: np.ndarray, scribble: np.ndarray) -> np.ndarray:
    """The picture, paler, with its strokes in their class's colours and a white seam."""
    result = (0.6 * image + 0.4 * 255).astype(np.uint8)
    seam = cv2.dilate((scribble != 255).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    result[seam] = WHITE
    for index, color in enumerate(LAYOUT.palette):
        result[scribble == index] = color
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1]))
