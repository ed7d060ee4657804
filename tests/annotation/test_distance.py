import math
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage
from tests.golden_cases import golden

from scribbleseg.annotation import read_label, write_label
from scribbleseg.annotation.distance import (
    boundary,
    distance_scale,
    pseudo_label_distance_map,
    read_distance_map,
    scribble_distance_map,
    write_distance_map,
)
from scribbleseg.errors import ConfigError, DataError

GIVEN = Path(__file__).parents[2] / "../shared/golden"
SHIPPED = sorted(Path(os.environ.get("SCRIBBLESEG_GOLDEN", GIVEN)).glob("cdsp/distmap_voc*.npz"))

labels = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=18),
    elements=st.sampled_from([0, 1, 2, 7, 255]),
    fill=st.just(255),
)
scales = st.one_of(
    st.sampled_from([math.e**power for power in range(8)]),
    st.integers(1, 70_000).map(float),
    st.integers(1, 64).map(lambda k: k / 64),
)


def brute_force(source: np.ndarray, scale: float) -> np.ndarray:
    """min(255, floor(sqrt(scale * d2))) in whole numbers: floor(sqrt(x)) is isqrt(floor(x))."""
    points = np.argwhere(source)
    scaled = np.full(source.shape, 255, np.uint8)
    for pixel in np.ndindex(*source.shape) if len(points) else ():
        squared = int(((points - pixel) ** 2).sum(axis=1).min())
        scaled[pixel] = min(255, math.isqrt(int(Fraction(scale) * squared)))
    return scaled


def edge_by_neighbours(inside: np.ndarray) -> np.ndarray:
    padded = np.pad(inside, 1)
    shifted = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return inside & ~np.logical_and.reduce(shifted)


@golden("cdsp", "distmap_scribble")
def test_scribble_map_equals_the_published_code(case: Any) -> None:
    for scale, expected in zip(case["lambdas"], case["maps"], strict=True):
        np.testing.assert_array_equal(scribble_distance_map(case["label"], scale=scale), expected)


@golden("cdsp", "distmap_pseudo")
def test_pseudo_label_map_equals_the_published_code(case: Any) -> None:
    np.testing.assert_array_equal(boundary(case["label"]), case["boundary"])
    for scale, expected in zip(case["lambdas"], case["maps"], strict=True):
        result = pseudo_label_distance_map(case["label"], scale=scale)
        np.testing.assert_array_equal(result, expected)


@pytest.mark.skipif(not SHIPPED, reason="hold pictures of the dataset: not kept here")
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_vectors_are_reproduced(path: Path) -> None:
    with np.load(path, allow_pickle=False) as case:
        ds = scribble_distance_map(case["scribble"], scale=float(case["lambda_s"]))
        dc = pseudo_label_distance_map(case["pseudo_label"], scale=float(case["lambda_c"]))
        np.testing.assert_array_equal(ds, case["ds"])
        np.testing.assert_array_equal(dc, case["dc"])


@pytest.mark.data
def test_maps_that_the_authors_ship_are_reproduced(data_root: Path) -> None:
    root, name = data_root / "voc_sample/VOC2012", "2007_000032.png"
    np.testing.assert_array_equal(
        scribble_distance_map(read_label(root / "pascal_2012_scribble" / name)),
        read_distance_map(root / "distance_map" / name),
    )
    np.testing.assert_array_equal(
        pseudo_label_distance_map(read_label(root / "bmp_pseudolabel" / name)),
        read_distance_map(root / "distance_pseudo" / name),
    )


def test_whole_roots_are_not_rounded_down() -> None:
    """sqrt(13) * sqrt(3^2 + 2^2) is 12.99... in floating point; sqrt(13 * 13) is 13."""
    label = np.full((4, 3), 255, np.uint8)
    label[0, 0] = 1
    assert scribble_distance_map(label, scale=13)[3, 2] == 255 - 13


@settings(max_examples=150, deadline=None)
@given(labels, scales)
def test_scribble_map_equals_brute_force(label: np.ndarray, scale: float) -> None:
    before = label.copy()
    nearness = scribble_distance_map(label, scale=scale)
    drawn = (label > 0) & (label < 255)
    assert nearness.dtype == np.uint8
    np.testing.assert_array_equal(255 - nearness, brute_force(drawn, scale))
    np.testing.assert_array_equal(label, before)
    if scale >= 1:
        np.testing.assert_array_equal(nearness == 255, drawn)


@settings(max_examples=150, deadline=None)
@given(labels, scales)
def test_pseudo_label_map_equals_brute_force(label: np.ndarray, scale: float) -> None:
    before = label.copy()
    edge = edge_by_neighbours((label > 0) & (label < 255))
    distance = pseudo_label_distance_map(label, scale=scale)
    np.testing.assert_array_equal(boundary(label), edge)
    np.testing.assert_array_equal(distance, brute_force(edge, scale))
    np.testing.assert_array_equal(label, before)
    if scale >= 1:
        np.testing.assert_array_equal(distance == 0, edge)


@given(labels)
def test_classes_of_objects_do_not_matter(label: np.ndarray) -> None:
    renamed = np.where((label > 0) & (label < 255), 3, label).astype(np.uint8)
    for make in (scribble_distance_map, pseudo_label_distance_map):
        np.testing.assert_array_equal(make(label), make(renamed))


@pytest.mark.parametrize(
    ("size", "sources"), [((1500, 2000), 200), ((3, 70_000), 60), ((70_000, 3), 60), ((1, 1), 1)]
)
@pytest.mark.parametrize("scale", [1.0, math.e])
def test_large_and_thin_images_are_exact(size: tuple[int, int], sources: int, scale: float) -> None:
    """Against scipy's nearest source pixels, whose squared distances are whole numbers."""
    rng = np.random.default_rng(0)
    label = np.full(size, 255, np.uint8)
    label[rng.integers(size[0], size=sources), rng.integers(size[1], size=sources)] = 4
    nearest = ndimage.distance_transform_edt(
        label == 255, return_distances=False, return_indices=True
    )
    away = np.indices(size, sparse=True)
    squared = sum((n.astype(np.int64) - a) ** 2 for n, a in zip(nearest, away, strict=True))
    expected = np.minimum(255, np.floor(np.sqrt(scale * squared))).astype(np.uint8)
    np.testing.assert_array_equal(255 - scribble_distance_map(label, scale=scale), expected)


def test_nothing_drawn() -> None:
    label = np.full((3, 4), 255, np.uint8)
    label[0] = 0
    assert (scribble_distance_map(label) == 0).all()
    assert not boundary(label).any()
    assert (pseudo_label_distance_map(label) == 255).all()
    assert scribble_distance_map(label[:0]).shape == (0, 4)


def test_sixteen_bit_labels_and_views() -> None:
    label = np.full((6, 5), 65535, np.uint16)
    label[1:4, 1:4] = 300
    assert boundary(label, ignore_index=65535).sum() == 8
    flat = pseudo_label_distance_map(label, scale=4, ignore_index=65535)
    turned = pseudo_label_distance_map(label.T, scale=4, ignore_index=65535)
    np.testing.assert_array_equal(flat, turned.T)
    assert (flat[2, 2], flat[0, 0]) == (2, 2)
    assert scribble_distance_map(label, ignore_index=65535)[2, 2] == 255


@pytest.mark.parametrize(
    ("value", "scale"),
    [("e", math.e), ("e2", math.e**2), ("e6", math.e**6), ("e0", 1), (13, 13), ("2.5", 2.5)],
)
def test_scale_as_the_papers_spell_it(value: str | float, scale: float) -> None:
    assert distance_scale(value) == scale


@pytest.mark.parametrize("value", ["", "e-1", "e6.5", "ee", 0, -1, "nan", math.inf, "distance_map"])
def test_other_scales_are_refused(value: str | float) -> None:
    with pytest.raises(ConfigError, match=r"scale of a distance map: .*e, e2, e6"):
        distance_scale(value)


def test_written_maps_have_one_channel_and_are_read_again(tmp_path: Path) -> None:
    label = np.full((9, 12), 255, np.uint8)
    label[2:7, 3:8] = 2
    write_label(tmp_path / "a.png", label)
    both = {"num_classes": 3, "scale": 50.0}
    write_distance_map(tmp_path / "a.png", tmp_path / "s/a.png", kind="scribble", **both)
    write_distance_map(tmp_path / "a.png", tmp_path / "p/a.png", kind="pseudo_label", **both)
    with Image.open(tmp_path / "s/a.png") as image:
        assert image.mode == "L"
    np.testing.assert_array_equal(
        read_distance_map(tmp_path / "s/a.png"), scribble_distance_map(label, scale=50)
    )
    np.testing.assert_array_equal(
        read_distance_map(tmp_path / "p/a.png"), pseudo_label_distance_map(label, scale=50)
    )
    with pytest.raises(DataError, match=r"a\.png: label 2 on 25 pixels; expected 0\.\.1 or 255"):
        write_distance_map(
            tmp_path / "a.png", tmp_path / "x/a.png", kind="scribble", scale=1, num_classes=2
        )
    assert not (tmp_path / "x").exists()


def test_published_maps_have_three_equal_channels(tmp_path: Path) -> None:
    ramp = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(np.stack([ramp] * 3, axis=-1)).save(tmp_path / "three.png")
    np.testing.assert_array_equal(read_distance_map(tmp_path / "three.png"), ramp)
    Image.fromarray(np.stack([ramp, ramp, ramp + 1], axis=-1)).save(tmp_path / "color.png")
    with pytest.raises(DataError, match=r"color\.png: a distance map .* mode RGB and colours"):
        read_distance_map(tmp_path / "color.png")
    write_label(tmp_path / "palette.png", ramp)
    with pytest.raises(DataError, match=r"palette\.png: a distance map .* this one has mode P;"):
        read_distance_map(tmp_path / "palette.png")
