from pathlib import Path

import numpy as np
from PIL import Image
from tests.drawn import CLASSES

from scribbleseg.evaluation import Example, draw_examples

PALETTE = [(0, 0, 0), (255, 0, 255), (0, 255, 255)]


def test_four_panels_a_row(drawn: Path, tmp_path: Path) -> None:
    rows = []
    for index in range(2):
        name = f"cell {index}.png"
        mask = drawn / "masks" / name
        scribble = drawn / "scribbles" / name if index == 0 else None
        rows.append(Example(name, drawn / "images" / name, scribble, mask, mask))
    draw_examples(tmp_path / "report" / "a.png", rows, CLASSES, PALETTE, title="hello")
    image = np.asarray(Image.open(tmp_path / "report" / "a.png").convert("RGB")).astype(int)
    height, width = image.shape[:2]
    assert width > height
    magenta = (image[..., 0] > image[..., 1] + 90) & (image[..., 2] > image[..., 1] + 90)
    rows_of = magenta[: int(0.45 * height)]
    bare, strokes, predicted, true = (
        rows_of[:, width * k // 4 : width * (k + 1) // 4].sum() for k in range(4)
    )
    assert bare == 0
    assert 20 < strokes < predicted / 3
    assert abs(predicted - true) < 0.1 * true
