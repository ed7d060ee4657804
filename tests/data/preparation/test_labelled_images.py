from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import published_datasets as published

from scribbleseg.annotation import read_label
from scribbleseg.data.preparation.labelled_images import (
    Label,
    LabelFile,
    class_pixels,
    image_job,
    write_grey,
)
from scribbleseg.errors import DataError


def constant(path: Path, *, value: int) -> Label:
    return Label(np.full(published.SIZE, value, np.uint8), (f"{path.name} is {value}",))


def test_a_job_makes_all_files_of_an_image_or_none(tmp_path: Path) -> None:
    picture, target = tmp_path / "a.jpg", tmp_path / "target"
    published.picture(picture, 0)
    (tmp_path / "notes.txt").write_text("as they are")
    labels = [
        LabelFile("mask", tmp_path / "m", "masks/a.png", partial(constant, value=1)),
        LabelFile("scribble", tmp_path / "s", "scribbles/a.png", partial(constant, value=255)),
    ]
    more = [(tmp_path / "notes.txt", "notes/a.txt")]
    job = image_job("a", picture, "images/a.jpg", labels, num_classes=2, more=more)
    assert job.sources == (picture, tmp_path / "m", tmp_path / "s", tmp_path / "notes.txt")
    made = job.make(target)
    assert made.files == ("images/a.jpg", "notes/a.txt", "masks/a.png", "scribbles/a.png")
    assert made.facts == {"images": [{"name": "a", "mask": {"1": 768}, "scribble": {}}]}
    assert made.remarks == ("m is 1", "s is 255")
    assert all((target / file).is_file() for file in made.files)

    wrong = LabelFile("mask", tmp_path / "m", "masks/b.png", partial(constant, value=2))
    with pytest.raises(DataError, match=r"m: label 2 on 768 pixels; expected 0\.\.1 or 255"):
        image_job("b", picture, "images/b.jpg", [wrong], num_classes=2).make(target)
    assert not list(target.rglob("b.*"))


def test_any_reader_finds_indices_in_what_is_written(tmp_path: Path) -> None:
    import cv2

    label = np.array([[0, 1, 15], [20, 254, 255]], np.uint8)
    write_grey(tmp_path / "a.png", label)
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_GRAYSCALE), label)
    assert np.array_equal(np.array(Image.open(tmp_path / "a.png")), label)
    assert np.array_equal(read_label(tmp_path / "a.png"), label)


def test_pixels_are_counted_for_classes_that_occur() -> None:
    label = np.array([[0, 2, 2, 255]], np.uint16)
    assert class_pixels(Path("a"), label, 3) == {"0": 1, "2": 2}
