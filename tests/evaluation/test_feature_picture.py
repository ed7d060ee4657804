from pathlib import Path

import numpy as np
from PIL import Image

from scribbleseg.evaluation import draw_prototypes
from scribbleseg.evaluation.feature_picture import principal_components

NAMES, PALETTE = ("ground", "disc"), [(0, 0, 0), (255, 0, 0)]


def test_components_are_those_of_the_covariance() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 4)) * [1, 5, 0.1, 2] + 7
    mean, axes = principal_components(vectors, 2)
    np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-12)
    spread = ((vectors - mean) @ axes).std(axis=0)
    np.testing.assert_allclose(spread**2, np.linalg.eigvalsh(np.cov(vectors.T, bias=True))[:-3:-1])


def drawn(path: Path, prototypes: np.ndarray) -> np.ndarray:
    """Two kinds of cells, left and right."""
    label = np.repeat([[0, 0, 1, 1]], 4, axis=0)
    features = np.random.default_rng(1).normal(0, 0.05, (3, 4, 4)) + 0.3
    features[0] += label == 1
    features[1] += label == 0
    picture = np.full((16, 16, 3), 90, np.uint8)
    before = features.copy()
    draw_prototypes(path, picture, features, label, prototypes, NAMES, PALETTE)
    assert np.array_equal(features, before)
    with Image.open(path) as drawing:
        return np.asarray(drawing.convert("RGB")).astype(int)


def test_stars_are_drawn_in_the_colours_of_their_classes(tmp_path: Path) -> None:
    prototypes = np.zeros((2, 2, 3))
    without = drawn(tmp_path / "a.png", prototypes)
    prototypes[1, 0] = (1, 0.3, 0.3)
    one = drawn(tmp_path / "deep/b.png", prototypes)
    red = [((p[..., 0] > 240) & (p[..., 1] < 30) & (p[..., 2] < 30)).sum() for p in (without, one)]
    assert red[1] > 1.5 * red[0] > 0  # the star itself; that of the legend is in both
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["b.png"]


def test_the_map_shows_the_two_kinds_in_two_colours(tmp_path: Path) -> None:
    picture = drawn(tmp_path / "a.png", np.zeros((2, 1, 3)))
    height, width = picture.shape[:2]
    middle = picture[height // 2, width // 3 + 40 : 2 * width // 3 - 40]
    left, right = middle[: len(middle) // 3].mean(axis=0), middle[-len(middle) // 3 :].mean(axis=0)
    assert np.abs(left - right).max() > 100


def test_a_grey_picture(tmp_path: Path) -> None:
    draw_prototypes(
        tmp_path / "a.png", np.zeros((8, 8), np.uint8), np.ones((3, 2, 2), np.float32),
        np.zeros((2, 2), int), np.ones((2, 1, 3), np.float32), NAMES, PALETTE,
    )  # fmt: skip
    with Image.open(tmp_path / "a.png") as drawing:
        assert drawing.size[0] > 500
