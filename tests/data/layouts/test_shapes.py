from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import read_label, read_list
from scribbleseg.data.layouts import shapes


@pytest.fixture(scope="module")
def root(shapes_root: Path) -> Path:
    return shapes_root


def labels(root: Path, kind: str, split: str) -> np.ndarray:
    return np.stack(
        [
            read_label(root / kind / f"{n}.png")
            for n in read_list(root / "ImageSets" / f"{split}.txt")
        ]
    )


def test_counts(root: Path) -> None:
    for split, count in shapes.COUNTS.items():
        assert labels(root, "masks", split).shape == (count, shapes.SIZE, shapes.SIZE)


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_shape_is_in_a_third_to_a_half_of_the_pictures(root: Path, split: str) -> None:
    masks = labels(root, "masks", split)
    for index in range(1, len(shapes.NAMES)):
        share = (masks == index).any(axis=(1, 2)).mean()
        assert 0.30 <= share <= 0.50, (shapes.NAMES[index], share)


def test_strokes_lie_inside_their_class_and_the_ground_is_drawn_in_part_of_the_set(
    root: Path,
) -> None:
    masks, scribbles = labels(root, "masks", "train"), labels(root, "scribbles", "train")
    drawn = scribbles != 255
    assert (scribbles[drawn] == masks[drawn]).all()
    assert 0.01 < drawn.mean() < 0.05
    assert 0.4 < (scribbles == 0).any(axis=(1, 2)).mean() < 0.6
    assert drawn.any(axis=(1, 2)).all()  # no picture without a stroke
    present = [(masks == index).any(axis=(1, 2)) for index in range(1, 7)]
    stroked = [(scribbles == index).any(axis=(1, 2)) for index in range(1, 7)]
    assert np.sum(stroked) / np.sum(present) > 0.9


def test_the_same_bytes_on_every_run(root: Path) -> None:
    rng = np.random.default_rng([shapes.SEED, 0, 7])
    _, mask, scribble = shapes.draw_sample(rng)
    np.testing.assert_array_equal(mask, read_label(root / "masks/train_007.png"))
    np.testing.assert_array_equal(scribble, read_label(root / "scribbles/train_007.png"))


def test_an_interrupted_generation_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shapes, "write_label", fail)
    with pytest.raises(KeyboardInterrupt):
        shapes.generate(tmp_path / "shapes")
    assert list(tmp_path.iterdir()) == []
