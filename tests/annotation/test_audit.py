from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scribbleseg.annotation import audit_labels, check_label, write_label
from scribbleseg.errors import DataError


def pair(
    folder: Path, name: str, label: np.ndarray, size: tuple[int, int] | None = None
) -> tuple[Path, Path]:
    height, width = size or label.shape
    write_label(folder / f"{name}.png", label)
    Image.new("RGB", (width, height)).save(folder / f"{name}.jpg")
    return folder / f"{name}.png", folder / f"{name}.jpg"


def test_counts(tmp_path: Path) -> None:
    files = [
        pair(tmp_path, "a", np.array([[0, 1, 1], [255, 255, 255]], np.uint8)),
        pair(tmp_path, "b", np.full((2, 2), 255, np.uint8)),
    ]
    audit = audit_labels(files, num_classes=3)
    assert audit.images == 2
    assert audit.pixels.tolist() == [1, 2, 0]
    assert audit.images_with.tolist() == [1, 1, 0]
    assert audit.labelled_fraction == pytest.approx(3 / 10)
    assert audit.empty == (files[1][0],)


def test_label_out_of_range_is_named_with_its_pixels(tmp_path: Path) -> None:
    label = np.array([[21, 21, 0, 255]], np.uint8)
    with pytest.raises(DataError, match=r"x\.png: label 21 on 2 pixels; expected 0\.\.20 or 255"):
        check_label(tmp_path / "x.png", label, num_classes=21)
    with pytest.raises(DataError, match="label 255 on 1 pixels"):
        check_label(tmp_path / "x.png", label.astype(np.uint16), num_classes=22, ignore_index=65535)


@pytest.mark.parametrize(("size", "hint"), [((3, 2), "exchanged"), ((5, 5), "a.jpg is 5x5")])
def test_sizes_must_match(tmp_path: Path, size: tuple[int, int], hint: str) -> None:
    files = [pair(tmp_path, "a", np.zeros((2, 3), np.uint8), size)]
    (problem,) = audit_labels(files, num_classes=2).problems
    assert "a.png: label is 3x2 but" in problem
    assert hint in problem


def test_every_problem_is_found_and_the_rest_is_counted(tmp_path: Path) -> None:
    good = np.array([[0, 1], [255, 255]], np.uint8)
    files = [pair(tmp_path, name, good) for name in "abcd"]
    files[1][0].write_bytes(b"")
    files[2][1].write_bytes(files[2][1].read_bytes()[:-40])
    write_label(files[3][0], np.full((2, 2), 7, np.uint8))
    audit = audit_labels([*files, (None, files[0][1])], num_classes=2)
    assert [Path(line.split(":")[0]).name for line in audit.problems] == ["c.jpg", "b.png", "d.png"]
    assert audit.images == 4
    assert audit.pixels.tolist() == [2, 2]
    assert audit.sizes == {(2, 2): 4}
    assert audit.empty == ()
