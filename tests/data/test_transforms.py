from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

from scribbleseg.data.sample import Region
from scribbleseg.data.transforms import (
    QuarterTurnFlipOrRotation,
    RandomBlur,
    RandomCrop,
    RandomQuarterTurn,
    RandomRotation,
    RandomScale,
    resize,
    rotate,
)

OURS = [
    RandomScale(0.5, 2.0),
    RandomCrop((40, 30)),
    RandomCrop((130, 40)),
    RandomQuarterTurn(),
    RandomRotation(30, p=1.0),
    RandomBlur(p=1.0),
    RandomBlur(p=1.0, sigma=(0.2, 0.5)),
    RandomCrop((130, 40), place="random"),
    QuarterTurnFlipOrRotation(20),
]


def sample(height: int = 96, width: int = 128) -> dict[str, Any]:
    """A picture whose grey level says the class, so that alignment can be read off the pixels."""
    y, x = np.mgrid[:height, :width]
    label = ((x // 16 + y // 16) % 4).astype(np.uint8)
    return {
        "image": tv_tensors.Image(torch.from_numpy(60 + 60 * label)[None]),
        "scribble": tv_tensors.Mask(torch.from_numpy(label)),
        "far_background": Region(torch.from_numpy(label == 1)),
        "valid": Region(torch.ones(height, width, dtype=torch.bool)),
        "tags": torch.ones(4),
        "name": "a",
    }


@pytest.mark.parametrize("transform", OURS, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("seed", range(8))
def test_everything_moves_together(transform: v2.Transform, seed: int) -> None:
    torch.manual_seed(seed)
    moved = transform(sample())
    shapes = {
        tuple(moved[key].shape[-2:]) for key in ("image", "scribble", "far_background", "valid")
    }
    assert len(shapes) == 1
    assert isinstance(moved["valid"], Region)
    assert moved["valid"].dtype == torch.bool
    assert moved["scribble"].dtype == torch.uint8

    label, image = moved["scribble"].as_subclass(Tensor), moved["image"].as_subclass(Tensor)[0]
    valid = moved["valid"].as_subclass(Tensor)
    inside = valid & (image == 60 + 60 * label.int())  # bilinear borders between squares are mixed
    assert inside.sum() > 0.45 * valid.sum()
    interior = _eroded(valid & (_flat(label)))
    assert interior.any()
    assert (image.float()[interior] - (60.0 + 60.0 * label.float()[interior])).abs().max() <= 3
    far = moved["far_background"].as_subclass(Tensor)
    assert torch.equal(far & valid, (label == 1) & valid)
    assert not far[~valid].any()
    assert (image[~valid] == 0).all() or isinstance(
        transform, RandomRotation | QuarterTurnFlipOrRotation
    )
    assert moved["name"] == "a"
    assert torch.equal(moved["tags"], torch.ones(4))


def _flat(label: Tensor) -> Tensor:
    """Pixels whose 5 x 5 neighbourhood has one class."""
    padded = torch.nn.functional.pad(label[None, None].float(), (2, 2, 2, 2), value=-1)
    highest = torch.nn.functional.max_pool2d(padded, 5, stride=1)
    lowest = -torch.nn.functional.max_pool2d(-padded, 5, stride=1)
    return (highest == lowest)[0, 0]


def _eroded(region: Tensor) -> Tensor:
    outside = torch.nn.functional.max_pool2d((~region)[None, None].float(), 3, stride=1, padding=1)
    return outside[0, 0] == 0


def test_crop_pads_a_small_picture_around_its_centre() -> None:
    moved = RandomCrop((60, 80), fill=(7,))(sample(48, 64))
    assert moved["image"].shape == (1, 60, 80)
    assert (moved["image"][0, 0] == 7).all()
    assert moved["valid"][6:54, 8:72].all()
    assert moved["valid"].sum() == 48 * 64


def test_crop_puts_a_small_picture_anywhere_in_the_window() -> None:
    torch.manual_seed(0)
    crop = RandomCrop((6, 5), place="random")
    corners = set()
    for _ in range(100):
        valid = crop(sample(4, 4))["valid"].as_subclass(Tensor)
        assert valid.sum() == 16
        corners.add(tuple(valid.nonzero()[0].tolist()))
    assert corners == {(top, left) for top in range(3) for left in range(2)}


def test_crop_reaches_every_corner() -> None:
    torch.manual_seed(0)
    picture = torch.arange(16, dtype=torch.uint8).reshape(1, 4, 4)
    corners = {
        int(RandomCrop((2, 2))({"image": tv_tensors.Image(picture)})["image"][0, 0, 0])
        for _ in range(300)
    }
    assert corners == {0, 1, 2, 4, 5, 6, 8, 9, 10}


def test_quarter_turns_are_exact_and_equally_likely() -> None:
    torch.manual_seed(0)
    square = torch.arange(9, dtype=torch.uint8).reshape(1, 3, 3)
    seen = [
        RandomQuarterTurn()({"image": tv_tensors.Image(square)})["image"].as_subclass(Tensor)
        for _ in range(400)
    ]
    for turns in range(4):
        assert (
            60 < sum(torch.equal(image, torch.rot90(square, turns, (1, 2))) for image in seen) < 140
        )


def test_wsl4mis_shares() -> None:
    """Half are turned and flipped, a quarter rotated (1 in 40 of them by 0), a quarter stay."""
    torch.manual_seed(0)
    square = torch.arange(16, dtype=torch.uint8).reshape(1, 4, 4) * 16
    transform, kinds = QuarterTurnFlipOrRotation(20), {"same": 0, "flipped": 0, "rotated": 0}
    mirrored = [torch.rot90(square.flip(-1), turns, (1, 2)) for turns in range(4)]
    for _ in range(2000):
        image = transform({"image": tv_tensors.Image(square)})["image"].as_subclass(Tensor)
        flipped = any(torch.equal(image, mirror) for mirror in mirrored)
        kinds["same" if torch.equal(image, square) else "flipped" if flipped else "rotated"] += 1
    assert 920 < kinds["flipped"] < 1080
    assert 430 < kinds["same"] < 590
    assert 410 < kinds["rotated"] < 570


@pytest.mark.parametrize("size", [(5, 6), (10, 3), (7, 11), (20, 24), (41, 30)])
def test_resized_labels_stay_where_the_picture_is(size: tuple[int, int]) -> None:
    """Every label comes from the pixel whose centre is nearest: at most half a pixel away."""
    for axis, (old, new) in enumerate(zip((20, 24), size, strict=True)):
        numbers = torch.arange(old, dtype=torch.uint8)
        label = numbers[:, None].expand(20, 24) if axis == 0 else numbers.expand(20, 24)
        moved = resize(tv_tensors.Mask(label.contiguous()), size)
        assert isinstance(moved, tv_tensors.Mask)
        assert moved.shape == size
        taken = moved.as_subclass(Tensor).double().select(1 - axis, 0) + 0.5
        wanted = (torch.arange(new) + 0.5) * old / new
        assert (taken - wanted).abs().max() <= 0.5 + 1e-9


def test_impossible_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="low 2 and high 1 must satisfy"):
        RandomScale(2, 1)


def test_the_blur_is_binomial() -> None:
    image = torch.zeros(3, 9, 9, dtype=torch.uint8)
    image[:, 4, 4] = 255
    blurred = RandomBlur(p=1.0)({"image": tv_tensors.Image(image)})["image"]
    line = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    expected = (255 * line[:, None] * line).round()
    assert (blurred[0, 2:7, 2:7].float() - expected).abs().max() <= 1
    assert torch.equal(blurred[0], blurred[2])
    grey = RandomBlur(p=1.0)({"image": tv_tensors.Image(image[:1])})["image"]
    assert torch.equal(grey[0], blurred[0])


def test_corners_of_a_rotation_have_the_colour_asked_for() -> None:
    image = tv_tensors.Image(torch.full((3, 20, 20), 200, dtype=torch.uint8))
    turn = RandomRotation(45, p=1.0, fill=(10, 20, 30))
    torch.manual_seed(3)
    assert turn({"image": image})["image"][:, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("angle", [-33.5, 7, 90])
@pytest.mark.parametrize("channels", [1, 3])
def test_rotation_is_torchvisions(angle: float, channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (channels, 8, 10), dtype=torch.uint8, generator=generator)
    smooth = tvf.resize(tv_tensors.Image(coarse), [64, 80])
    labels = tv_tensors.Mask(torch.arange(4, dtype=torch.uint8).repeat_interleave(20).repeat(64, 1))
    given = smooth.clone(), labels.clone()
    for ours, theirs in (
        (rotate(smooth, angle), tvf.rotate(smooth, angle, tvf.InterpolationMode.BILINEAR)),
        (rotate(labels, angle), tvf.rotate(labels, angle)),
    ):
        assert type(ours) is type(theirs)
        assert ours.dtype == theirs.dtype == torch.uint8
        inner = (ours.float() - theirs.float()).abs()[..., 3:-3, 3:-3]
        # Theirs cuts a picture's corners one pixel softer; ours knows a 32nd of a pixel.
        assert (inner > 6).float().mean() < 0.04
    assert torch.equal(given[0], smooth)
    assert torch.equal(given[1], labels)


def test_sixteen_bit_labels_and_regions_turn() -> None:
    label = torch.full((9, 9), 700, dtype=torch.uint16)
    label[0, 4] = 65535
    turned = rotate(tv_tensors.Mask(label), 90).as_subclass(Tensor)
    assert turned.dtype == torch.uint16
    assert turned[4, 0].item() == 65535  # counter-clockwise
    region = Region(torch.from_numpy(label.numpy() == 65535))
    assert torch.equal(rotate(region, 90).as_subclass(Tensor).nonzero(), torch.tensor([[4, 0]]))


@pytest.mark.parametrize(
    "inpt",
    [
        tv_tensors.Mask(torch.arange(24, dtype=torch.int64).reshape(2, 3, 4)),
        tv_tensors.Mask(torch.arange(2**40, 2**40 + 12).reshape(3, 4)),
        tv_tensors.Image(torch.rand(5, 3, 4)),
        tv_tensors.Image(torch.randint(9, (1, 3, 4))),
    ],
)
def test_what_opencv_cannot_turn_is_turned_all_the_same(inpt: tv_tensors.TVTensor) -> None:
    turned = rotate(inpt, 180)
    assert type(turned) is type(inpt)
    assert turned.dtype == inpt.dtype
    assert torch.allclose(turned.as_subclass(Tensor), inpt.as_subclass(Tensor).flip(-1, -2))


def test_wide_labels_keep_their_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tvf, "rotate", None)  # the slow way is for what OpenCV cannot turn
    label = tv_tensors.Mask(torch.tensor([[65535, 1, 2], [3, 4, 5]], dtype=torch.int32))
    turned = rotate(label, 180)
    assert turned.dtype == torch.int32
    assert turned.tolist() == [[5, 4, 3], [2, 1, 65535]]
