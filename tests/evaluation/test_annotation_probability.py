from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scribbleseg.annotation import voc_palette
from scribbleseg.evaluation import draw_annotation_probability

PALETTE = voc_palette(5)


def probability(classes: int, *, drawn: int) -> np.ndarray:
    """Only the first classes are ever drawn: class 0 at the left, the others nowhere else."""
    maps = np.zeros((classes + 1, 20, 30), np.float32)
    maps[:drawn, :, :10] = 0.3
    maps[-1] = 1 - maps[:-1].sum(axis=0)
    return maps


def test_probable_pixels_are_bright(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = np.full((20, 30, 3), 90, np.uint8)
    draw_annotation_probability(path, image, probability(2, drawn=1), ["a", "b"], PALETTE[:2])
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L")).astype(int)
    row = pixels[pixels.shape[0] // 2]
    quarter = len(row) // 4
    any_stroke, first = row[quarter : 2 * quarter], row[2 * quarter : 3 * quarter]
    for panel in (any_stroke, first):
        assert panel[quarter // 5] > 200
        assert panel[-quarter // 5] < 20
    assert (row[3 * quarter :] == 255).all()  # class b is drawn nowhere and left out


@pytest.mark.parametrize(("drawn", "rows"), [(0, 1), (1, 1), (3, 2)])
def test_one_panel_a_class_that_is_drawn(drawn: int, rows: int, tmp_path: Path) -> None:
    image, path = np.zeros((20, 30), np.uint8), tmp_path / "a.png"
    scribble = np.full((20, 30), 255, np.uint8)
    scribble[3, 4:9] = 1
    names = [f"class {index}" for index in range(5)]
    maps = probability(5, drawn=drawn)
    before = maps.copy(), scribble.copy()
    draw_annotation_probability(path, image, maps, names, PALETTE, scribble=scribble)
    with Image.open(path) as picture:
        assert picture.height == pytest.approx(rows * (240 * 20 / 30 + 30), abs=2)
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20)}
    assert PALETTE[1] in colors  # the stroke
    assert (maps == before[0]).all()
    assert (scribble == before[1]).all()
