from pathlib import Path

import numpy as np
from PIL import Image
from tests.drawn import CLASSES

from scribbleseg.annotation import write_label
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


def test_many_classes_leave_the_panels_their_size(drawn: Path, tmp_path: Path) -> None:
    files = [drawn / folder / "cell 0.png" for folder in ("images", "scribbles", "masks", "masks")]
    rows = [Example("cell 0", files[0], files[1], files[2], files[3])]
    many = [*CLASSES, *(f"some class with a long name {index}" for index in range(57))]
    colors = [*PALETTE, *((index, 0, 0) for index in range(57))]
    draw_examples(tmp_path / "few.png", rows, CLASSES, PALETTE)
    draw_examples(tmp_path / "many.png", rows, many, colors)
    magenta = []
    for name in ("few", "many"):
        image = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")).astype(int)
        panels = image[: image.shape[0] // 2]
        magenta.append(((panels[..., 0] - panels[..., 1]) > 90).sum())
    assert magenta[1] > 0.8 * magenta[0] > 0

    mask = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64) % 60
    write_label(tmp_path / "all.png", mask)
    rows = [Example("cell 0", files[0], files[1], tmp_path / "all.png", files[3])]
    draw_examples(tmp_path / "all_shown.png", rows, many, colors)
    with Image.open(tmp_path / "all_shown.png") as tall, Image.open(tmp_path / "few.png") as short:
        assert tall.width == short.width
        assert tall.height > 2 * short.height
