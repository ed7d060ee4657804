from typing import Any

import numpy as np
import pytest
import torch
from tests.data.test_transforms import sample
from torch import Tensor
from torchvision import tv_tensors

from scribbleseg.data.sample import Region
from scribbleseg.data.strong_augmentation import (
    COLORS,
    StrongAugmentation,
    recolored,
    rotation,
    shear,
)

PIXELS = np.array([[[40, 80, 120], [60, 100, 20]], [[200, 90, 140], [52, 160, 240]]], np.uint8)


def changed(name: str, strength: float, pixels: np.ndarray = PIXELS) -> np.ndarray:
    """After a change of colours; the picture itself must stay."""
    image = tv_tensors.Image(torch.from_numpy(pixels.transpose(2, 0, 1).copy()))
    moved = recolored(image, [(name, strength)])
    assert isinstance(moved, tv_tensors.Image)
    assert torch.equal(image, torch.from_numpy(pixels.transpose(2, 0, 1)))
    return moved.as_subclass(Tensor).numpy().transpose(1, 2, 0).astype(int)


def stretched(channel: np.ndarray) -> np.ndarray:
    return (channel - channel.min()) * 255 / (channel.max() - channel.min())


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_shares_are_of_the_picture_as_it_was(share: float) -> None:
    before = PIXELS.astype(float)
    stretch = np.stack([stretched(before[..., c]) for c in range(3)], axis=-1)
    for name, after in (("invert", 255 - before), ("autocontrast", stretch)):
        expected = (1 - share) * after + share * before
        assert np.abs(changed(name, share) - expected).max() < 2  # PIL rounds down, twice


def test_known_values() -> None:
    before = PIXELS.astype(float)
    grey = before @ [0.299, 0.587, 0.114]
    mean = round(grey.round().mean())
    for name, factor, expected in (
        ("brightness", 0.5, before / 2),
        ("color", 0.5, (before + grey[..., None]) / 2),
        ("contrast", 1.5, (1.5 * before - 0.5 * mean).clip(0, 255)),
        ("posterize", 3.9, PIXELS & 0b11100000),
        ("posterize", 8.99, before),
        ("posterize", 1.0, PIXELS & 0b10000000),
        ("solarize", 100.0, np.where(before < 100, before, 255 - before)),
        ("solarize", 100.5, np.where(before <= 100, before, 255 - before)),
        ("sharpness", 1.0, before),
    ):
        assert np.abs(changed(name, factor) - expected).max() <= 1, name


def test_sharpness_0_is_a_smoothed_picture() -> None:
    dot = np.zeros((5, 5, 3), np.uint8)
    dot[2, 2] = 130
    smooth = np.full((3, 3), 10)
    smooth[1, 1] = 50  # PIL's kernel: (1, 1, 1; 1, 5, 1; 1, 1, 1) / 13
    np.testing.assert_array_equal(changed("sharpness", 0.0, dot)[1:4, 1:4, 0], smooth)
    np.testing.assert_array_equal(changed("sharpness", 0.5, dot)[2, 2], 90)


def test_equalisation_makes_all_levels_equally_frequent() -> None:
    ramp = np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (255, 1, 3))
    flat = np.arange(64) * 255 / 63
    # share 0 is out of the published range, and shows the change alone
    assert np.abs(changed("equalize", 0.0, ramp)[0, :, 0] - flat).max() <= 1
    away = 1.5 * np.arange(64) - 0.5 * changed("equalize", 0.0, ramp)[0, :, 0]
    assert np.abs(changed("equalize", 1.5, ramp)[0, :, 0] - away.clip(0, 255)).max() <= 1


@pytest.mark.parametrize("name", COLORS)
def test_grey_pictures_keep_their_channel(name: str) -> None:
    _, low, high = COLORS[name]
    grey = PIXELS[..., :1]
    for strength in (low, (low + high) / 2, np.nextafter(high, 0)):
        moved = changed(name, strength, grey)
        assert moved.shape == grey.shape
        if name == "color":
            np.testing.assert_array_equal(moved, grey)


def test_pictures_with_one_row_or_column_are_pictures() -> None:
    for size in ((1, 6), (6, 1), (1, 1)):
        for channels in (1, 3):
            pixels = np.full((*size, channels), 90, np.uint8)
            assert changed("invert", 0.0, pixels).shape == pixels.shape


@pytest.mark.parametrize("seed", range(20))
def test_everything_moves_together(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(seed)
    before = sample()
    augmentation = StrongAugmentation(3)
    params = augmentation.make_params([before["image"]])
    params["colors"] = []  # so that the grey level still says the class
    monkeypatch.setattr(augmentation, "make_params", lambda _: params)
    moved = augmentation(before)
    assert len({tuple(moved[k].shape[-2:]) for k in ("image", "scribble", "valid")}) == 1
    assert isinstance(moved["valid"], Region)
    assert moved["valid"].dtype == torch.bool
    assert moved["scribble"].dtype == torch.uint8
    label, image = moved["scribble"].as_subclass(Tensor), moved["image"].as_subclass(Tensor)[0]
    valid = moved["valid"].as_subclass(Tensor)
    far = moved["far_background"].as_subclass(Tensor)
    assert torch.equal(far, (label == 1) & valid)
    agree = valid & ((image.float() - (60.0 + 60.0 * label.float())).abs() < 25)
    assert agree.sum() > 0.6 * valid.sum()  # the rest are borders between squares
    assert moved["name"] == "a"
    assert torch.equal(moved["tags"], before["tags"])
    assert torch.equal(before["scribble"], sample()["scribble"])


def test_a_shear_moves_rows_sideways() -> None:
    matrix = shear(0.25, 0.0, (9, 9))
    assert (matrix @ [3.0, 8.0, 1.0]).tolist() == [3 + 0.25 * (8 - 4.5), 8.0]
    both = shear(0.1, -0.2, (10, 20)) @ [5.0, 5.0, 1.0]
    np.testing.assert_allclose(both, [5 + 0.1 * (5 - 10), 5 - 0.2 * (5 - 5)])


def test_a_rotation_keeps_the_centre_and_is_counter_clockwise() -> None:
    matrix = rotation(90, (9, 9))
    np.testing.assert_allclose(matrix @ [4.0, 4.0, 1.0], [4, 4], atol=1e-12)
    np.testing.assert_allclose(matrix @ [8.0, 4.0, 1.0], [4, 0], atol=1e-12)


def test_labels_move_forward_and_borders_are_not_valid() -> None:
    """A warp by a whole pixel is exact: to the right, as the matrix says."""
    augmentation = StrongAugmentation(1, fill=(7,))
    params = {"colors": [], "moves": [np.array([[1.0, 0, 2], [0, 1, 0]])]}
    label = torch.arange(12).reshape(3, 4)
    for kind in (torch.uint8, torch.int32):
        moved = augmentation.transform(tv_tensors.Mask((label * 5000).to(kind)), params)
        assert moved.dtype == kind
        assert torch.equal(moved[:, 2:], (label * 5000).to(kind)[:, :2])
    valid = augmentation.transform(Region(torch.ones(3, 4, dtype=torch.bool)), params)
    assert valid.int().tolist() == [[0, 0, 1, 1]] * 3
    image = augmentation.transform(tv_tensors.Image(label.to(torch.uint8)[None]), params)
    assert image[0, :, :2].unique().tolist() == [7]
    assert torch.equal(image[0, :, 2:], label.to(torch.uint8)[:, :2])


def test_borders_have_the_mean_colour() -> None:
    params = {"colors": [], "moves": [np.array([[1.0, 0, 4], [0, 1, 0]])]}
    for channels, fill in ((3, [124, 116, 104]), (1, [0])):
        image = tv_tensors.Image(torch.full((channels, 2, 4), 9, dtype=torch.uint8))
        assert StrongAugmentation().transform(image, params)[:, 0, 0].tolist() == fill


def test_scale_flip_and_ranges() -> None:
    torch.manual_seed(0)
    augmentation, image = StrongAugmentation(), sample()["image"]
    shares, seen, flips = np.zeros(3), dict.fromkeys(COLORS, 0), 0
    sizes, angles = set(), set()
    for _ in range(900):
        params = augmentation.make_params([image])
        shares[len(params["colors"])] += 1
        for name, strength in params["colors"]:
            _, low, high = COLORS[name]
            assert low <= strength < high
            seen[name] += 1
        for move in params["moves"]:
            if move is None:
                flips += 1
            elif isinstance(move, tuple):
                sizes.add(move)
            elif abs(move[0, 0] - 1) > 1e-9 or move[0, 1] == -move[1, 0]:
                angles.add(round(np.degrees(np.arctan2(move[0, 1], move[0, 0])), 6))
            else:
                assert max(abs(move[0, 1]), abs(move[1, 0])) <= 0.3
    assert (abs(shares / 900 - 1 / 3) < 0.06).all()
    assert min(seen.values()) > 60  # 100 of each are expected
    assert 80 < flips < 150  # half of a quarter of 900
    heights = [height for height, _ in sizes if height not in {96}]
    assert 48 <= min(heights) < 60
    assert angles <= set(range(-45, 46))
    assert min(angles) < -38
    assert max(angles) > 38


def test_a_sample_depends_on_the_generator_alone() -> None:
    def moved(seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        result: dict[str, Any] = StrongAugmentation()(sample())
        return result

    assert torch.equal(moved(5)["image"], moved(5)["image"])
    assert any(moved(seed)["image"].shape != moved(5)["image"].shape for seed in range(20))


def test_no_operations_change_nothing() -> None:
    before = sample()
    assert torch.equal(StrongAugmentation(0)(before)["image"], before["image"])
    with pytest.raises(ValueError, match="operations -1; expected 0 or more"):
        StrongAugmentation(-1)
