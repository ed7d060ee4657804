from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from scribbleseg.annotation import far_background, read_label, write_label
from scribbleseg.data import (
    EpochSampler,
    EvaluationDataset,
    Layout,
    Record,
    Region,
    ScribbleDataset,
    load_layout,
)
from scribbleseg.data.sampler import Draw
from scribbleseg.data.transforms import RandomBlur, RandomCrop, RandomRotation
from scribbleseg.errors import DataError

LAYOUT = Layout(
    "a",
    ("background", "disc", "square"),
    ((0, 0, 0),) * 3,
    "images",
    "scribbles",
    "masks",
    (".png",),
)


def records(root: Path, kind: str = "scribble") -> list[Record]:
    layout, _ = load_layout("folder", str(root))
    names = [f"cell {index}" for index in range(8)]
    return layout.records(root, names, kind)  # type: ignore[arg-type]


def test_sample_of_a_scribble_holds_no_mask(drawn: Path) -> None:
    """A scribble method must not be able to see a mask by accident."""
    sample = ScribbleDataset(records(drawn), LAYOUT)[0]
    assert "mask" not in sample
    assert isinstance(sample["image"], tv_tensors.Image)
    assert isinstance(sample["valid"], Region)
    assert sample["image"].shape == (3, 48, 64)
    assert sample["scribble"].dtype == torch.int64
    np.testing.assert_array_equal(
        sample["scribble"], read_label(drawn / "scribbles" / "cell 0.png")
    )
    assert sample["tags"].tolist() == [1, 1, 1]


def test_mixed_supervision_collates(drawn: Path) -> None:
    mixed = [records(drawn, kind)[index] for index, kind in enumerate(("scribble", "mask", "tags"))]
    tags = {"cell 2": torch.tensor([1.0, 0.0, 1.0])}
    batch = next(iter(DataLoader(ScribbleDataset(mixed, LAYOUT, tags=tags), batch_size=3)))
    assert batch["supervision"] == ["scribble", "mask", "tags"]
    drawn_pixels = (batch["scribble"] != 255).flatten(1).any(dim=1)
    masked_pixels = (batch["mask"] != 255).flatten(1).any(dim=1)
    assert drawn_pixels.tolist() == [True, False, False]
    assert masked_pixels.tolist() == [False, True, False]
    assert batch["tags"].tolist() == [[1, 1, 1], [1, 1, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    "transform",
    [
        v2.RandomRotation(45),
        v2.RandomRotation(45, fill=1),
        v2.RandomAffine(20, fill=114),
        v2.Pad(4, fill=2),
        v2.RandomPerspective(p=1.0, fill=1),
        v2.ElasticTransform(alpha=200.0, sigma=3.0, fill=1),
        RandomRotation(45, p=1.0),
        RandomCrop((80, 80)),
    ],
)
def test_padding_is_unlabelled_and_near_nothing_whatever_the_transform(
    drawn: Path, transform: v2.Transform
) -> None:
    """torchvision's own rotation fills masks with class 0: the dataset must not believe it."""
    dataset = ScribbleDataset(records(drawn, "mask"), LAYOUT, transform=transform, seed=3)
    sample = dataset[(0, 1)]
    padding = ~sample["valid"]
    assert padding.any()
    assert (sample["mask"][padding] == 255).all()
    assert (sample["mask"][~padding] != 255).all()
    with_prior = ScribbleDataset(
        records(drawn), LAYOUT, transform=transform, seed=3, background_prior="hull"
    )
    sample = with_prior[(0, 1)]
    assert sample["far_background"].any()
    assert not sample["far_background"][~sample["valid"]].any()


def test_far_background_is_that_of_the_whole_image(drawn: Path) -> None:
    sample = ScribbleDataset(records(drawn), LAYOUT, background_prior="hull")[0]
    np.testing.assert_array_equal(
        sample["far_background"], far_background(read_label(drawn / "scribbles" / "cell 0.png"))
    )


def test_sample_depends_on_seed_epoch_and_index_alone(drawn: Path) -> None:
    transform = v2.Compose([RandomRotation(30, p=1.0), RandomCrop((32, 32)), v2.ColorJitter(0.5)])
    dataset = ScribbleDataset(records(drawn), LAYOUT, transform=transform, seed=5)
    torch.manual_seed(0)
    first = dataset[(2, 3)]
    state = torch.get_rng_state()
    torch.manual_seed(99)
    again = dataset[(2, 3)]
    assert torch.equal(first["image"], again["image"])
    assert not torch.equal(first["image"], dataset[(3, 3)]["image"])
    assert not torch.equal(
        first["image"],
        ScribbleDataset(records(drawn), LAYOUT, transform=transform)[(2, 3)]["image"],
    )
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)  # the surrounding random state is not touched


@pytest.mark.parametrize("moved", [True, False])
def test_kept_in_memory_a_sample_is_the_same_and_no_file_is_read_again(
    drawn: Path, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = v2.Compose([RandomRotation(30, p=1.0), RandomBlur(p=1.0)]) if moved else None
    options: dict[str, Any] = {
        "transform": turn,
        "weak_transform": turn and RandomCrop((20, 30)),
        "resize": (40, 50),
        "background_prior": "hull",
        "distance_scales": {"scribble_distance": 2.0},
    }
    draws = [Draw(0, 3), Draw(1, 3, weak=True), Draw(1, 3, weak=False), Draw(2, 3)]
    fresh = ScribbleDataset(records(drawn), LAYOUT, **options)
    expected = [fresh[draw] for draw in draws]
    dataset = ScribbleDataset(records(drawn), LAYOUT, **options, in_memory=True)
    for draw in (draws[0], draws[0]):
        dataset[draw]["image"][:] = 7  # what the caller does with a sample is the caller's
    monkeypatch.setattr(dataset, "_read", None)
    seen = [dataset[draw] for draw in draws]
    for one, other in zip(seen, expected, strict=True):
        assert one.keys() == other.keys()
        for key, value in other.items():
            same = torch.equal(one[key], value) if isinstance(value, Tensor) else one[key] == value
            assert same, key


def test_a_draw_says_which_half_and_is_moved_by_its_own_numbers(drawn: Path) -> None:
    turn = RandomRotation(30, p=1.0)
    dataset = ScribbleDataset(
        records(drawn), LAYOUT, transform=turn, weak_transform=RandomCrop((20, 30)), seed=5
    )
    strong, weak = dataset[Draw(2, 3, weak=False)], dataset[Draw(2, 3, weak=True)]
    assert (strong["weak"].item(), weak["weak"].item()) == (False, True)
    assert strong["weak"].dtype == torch.bool
    assert "weak" not in dataset[Draw(2, 3)]
    assert weak["image"].shape == (3, 20, 30)
    assert torch.equal(strong["image"], dataset[(2, 3)]["image"])
    # The same image, drawn again in the same epoch, is another sample.
    again = dataset[Draw(2, 3, repeat=1, weak=False)]
    assert not torch.equal(again["image"], strong["image"])
    both_turned = ScribbleDataset(
        records(drawn), LAYOUT, transform=turn, weak_transform=turn, seed=5
    )
    assert not torch.equal(both_turned[Draw(2, 3, weak=True)]["image"], strong["image"])
    untouched = ScribbleDataset(records(drawn), LAYOUT, transform=turn)[Draw(2, 3, weak=True)]
    assert untouched["valid"].all()


def test_a_mask_takes_the_place_of_a_pseudo_label(drawn: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((48, 64), 100, np.uint8)).save(tmp_path / "confidence.png")
    write_label(tmp_path / "label.png", np.full((48, 64), 255, np.uint8))
    both = [
        replace(
            records(drawn, kind)[0],
            pseudo_label=tmp_path / "label.png",
            pseudo_confidence=tmp_path / "confidence.png",
        )
        for kind in ("mask", "scribble")
    ]
    dataset = ScribbleDataset(both, LAYOUT, distance_scales={"pseudo_distance": 100.0})
    masked, drawn_on = dataset[0], dataset[1]
    assert torch.equal(masked["pseudo_label"], masked["mask"])
    assert (masked["pseudo_confidence"] == 1).all()
    assert (masked["pseudo_distance"] == 0).any()
    assert (drawn_on["pseudo_label"] == 255).all()
    assert (drawn_on["pseudo_confidence"] == 100 / 255).all()


def test_images_without_strokes_have_no_far_background_and_are_near_nothing(drawn: Path) -> None:
    mixed = [records(drawn, kind)[index] for index, kind in enumerate(("scribble", "mask", "tags"))]
    dataset = ScribbleDataset(
        mixed,
        LAYOUT,
        background_prior="hull",
        distance_scales={"scribble_distance": 3.0},
        tags={"cell 2": torch.ones(3)},
    )
    samples = [dataset[index] for index in range(3)]
    assert [bool(sample["far_background"].any()) for sample in samples] == [True, False, False]
    assert [bool(sample["scribble_distance"].any()) for sample in samples] == [True, False, False]


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(drawn: Path, workers: int) -> None:
    def batches(count: int) -> list[torch.Tensor]:
        dataset = ScribbleDataset(
            records(drawn), LAYOUT, transform=RandomRotation(30, p=1.0), seed=5
        )
        sampler = EpochSampler(["scribble"] * 8, batch_size=2, seed=5, position=lambda: 8)
        return [
            batch["image"]
            for batch in DataLoader(dataset, batch_size=2, sampler=sampler, num_workers=count)
        ]

    for alone, together in zip(batches(0), batches(workers), strict=True):
        assert torch.equal(alone, together)


def test_sixteen_bit_labels(tmp_path: Path) -> None:
    layout = Layout(
        "big", tuple(map(str, range(300))), ((0, 0, 0),) * 300, "i", "s", "m", ignore_index=65535
    )
    label = np.array([[299, 65535], [0, 255]], np.uint16)
    write_label(tmp_path / "a.png", label)
    Image.new("RGB", (2, 2)).save(tmp_path / "a.jpg")
    record = Record("a", tmp_path / "a.jpg", scribble=tmp_path / "a.png")
    sample = ScribbleDataset([record], layout, resize=(4, 4), transform=RandomCrop((6, 4)))[0]
    assert set(sample["scribble"].unique().tolist()) == {0, 255, 299, 65535}
    assert sample["tags"].nonzero().flatten().tolist() == [0, 255, 299]
    evaluation = EvaluationDataset(
        [Record("a", tmp_path / "a.jpg", mask=tmp_path / "a.png")], layout
    )[0]
    assert evaluation["mask"].tolist() == label.tolist()


def test_evaluation_keeps_the_mask_at_the_pictures_size(drawn: Path) -> None:
    sample = EvaluationDataset([*records(drawn, "mask")], LAYOUT, resize=(20, 30))[0]
    assert sample["image"].shape == (3, 20, 30)
    assert sample["size"] == (48, 64)
    assert sample["mask"].shape == (48, 64)


def test_errors_name_the_file(drawn: Path, tmp_path: Path) -> None:
    picture = drawn / "images" / "cell 0.png"
    write_label(tmp_path / "small.png", np.zeros((2, 3), np.uint8))
    with pytest.raises(DataError, match=r"small\.png: label is 3x2 but its picture 64x48 pixels"):
        ScribbleDataset([Record("a", picture, scribble=tmp_path / "small.png")], LAYOUT)[0]
    with pytest.raises(DataError, match=r"small\.png: mask is 3x2 but its picture 64x48 pixels"):
        EvaluationDataset([Record("a", picture, mask=tmp_path / "small.png")], LAYOUT)[0]
    write_label(tmp_path / "wrong.png", np.full((48, 64), 3, np.uint8))
    with pytest.raises(
        DataError, match=r"wrong\.png: label 3 on 3072 pixels; expected 0\.\.2 or 255"
    ):
        ScribbleDataset([Record("a", picture, scribble=tmp_path / "wrong.png")], LAYOUT)[0]
