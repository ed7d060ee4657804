import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.test_dataset import LAYOUT, records
from tests.e2e.test_train import write_config
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from scribbleseg.annotation import read_label, write_label
from scribbleseg.annotation.distance import pseudo_label_distance_map, scribble_distance_map
from scribbleseg.cli.main import main
from scribbleseg.data import Layout, Record, ScribbleDataModule, ScribbleDataset
from scribbleseg.data.pseudo_labels import with_pseudo_labels
from scribbleseg.data.transforms import RandomCrop, RandomRotation, RandomScale, resize
from scribbleseg.errors import ConfigError, DataError

BOTH = ("scribble_distance", "pseudo_distance")


def module(root: Path, **options: Any) -> ScribbleDataModule:
    return ScribbleDataModule(str(root), **{"batch_size": 4, "pseudo_labels": "masks", **options})


@pytest.fixture
def stored(drawn: Path, tmp_path: Path) -> Path:
    """A folder of maps with three equal channels, as the authors publish them."""
    for index in range(8):
        ramp = np.tile(np.arange(64, dtype=np.uint8) + index, (48, 1))
        (tmp_path / "maps").mkdir(exist_ok=True)
        path = tmp_path / f"maps/cell {index}.png"
        Image.fromarray(np.stack([ramp] * 3, axis=-1)).save(path)
    return tmp_path / "maps"


def test_no_maps_unless_asked(drawn: Path) -> None:
    sample = module(drawn).train_dataset()[0]
    assert not {*BOTH} & sample.keys()


def test_maps_are_those_of_the_label_images(drawn: Path) -> None:
    data = module(drawn, scribble_distance="e", pseudo_distance="50")
    sample = data.train_dataset()[3]
    scribble = read_label(drawn / "scribbles/cell 3.png")
    mask = read_label(drawn / "masks/cell 3.png")
    for key, expected in zip(
        BOTH,
        (scribble_distance_map(scribble), pseudo_label_distance_map(mask, scale=50)),
        strict=True,
    ):
        assert isinstance(sample[key], tv_tensors.Mask)  # type: ignore[literal-required]
        assert sample[key].dtype == torch.float32  # type: ignore[literal-required]
        np.testing.assert_array_equal(sample[key], expected)  # type: ignore[literal-required]
    batch = next(iter(data.train_dataloader()))
    assert batch["scribble_distance"].shape == batch["pseudo_distance"].shape == (4, 48, 64)
    assert data.train_supervision == {"scribble", "pseudo_label", *BOTH}


@pytest.mark.parametrize("pad", [0, 255])
@pytest.mark.parametrize(
    "transform", [v2.RandomRotation(45), RandomRotation(45, p=1.0), RandomCrop((80, 80))]
)
def test_padding_has_the_value_asked_for_whatever_the_transform(
    drawn: Path, transform: v2.Transform, pad: int
) -> None:
    data = ScribbleDataset(
        with_pseudo_labels(records(drawn), drawn / "masks"),
        LAYOUT,
        transform=transform,
        distance_scales={"scribble_distance": 1.0, "pseudo_distance": 4.0},
        distance_pad=pad,
        seed=3,
    )
    sample = data[0]
    valid = sample["valid"]
    assert not valid.all()
    for distance in (sample["scribble_distance"], sample["pseudo_distance"]):
        assert (distance[~valid] == pad).all()
        assert 0 < distance[valid].float().mean() < 255


def test_distances_are_of_the_original_picture_and_move_with_it(drawn: Path) -> None:
    """Values are not rescaled: enlarged, every value is one of the map at the original size."""
    label = read_label(drawn / "scribbles/cell 1.png")
    original = torch.from_numpy(scribble_distance_map(label, scale=9.0))
    scales = {"scribble_distance": 9.0}
    large = ScribbleDataset(records(drawn), LAYOUT, resize=(120, 150), distance_scales=scales)[1]
    moved = resize(tv_tensors.Mask(original), (120, 150)).as_subclass(Tensor)
    torch.testing.assert_close(large["scribble_distance"].as_subclass(Tensor), moved.float())

    transform = v2.Compose([RandomScale(0.7, 1.5), RandomRotation(20, p=1.0), RandomCrop((50, 50))])
    sample = ScribbleDataset(
        records(drawn), LAYOUT, transform=transform, distance_scales=scales, seed=1
    )[1]
    on_object = (sample["scribble"] != 255) & (sample["scribble"] != 0)
    assert on_object.any()
    nearness = sample["scribble_distance"].as_subclass(Tensor)
    assert torch.equal((nearness == 255) & sample["valid"], on_object)
    assert set(nearness.unique().tolist()) <= {*original.unique().tolist(), 255}


def test_an_image_without_strokes_of_objects_is_near_to_nothing(drawn: Path) -> None:
    data = ScribbleDataset(
        records(drawn, "mask"), LAYOUT, distance_scales={"scribble_distance": math.e}
    )
    assert (data[0]["scribble_distance"] == 0).all()


def test_stored_maps_are_read_instead(drawn: Path, stored: Path) -> None:
    data = module(drawn, scribble_distance=str(stored), pseudo_distance="e6")
    data.setup("fit")
    sample = data.train_dataset()[2]
    np.testing.assert_array_equal(sample["scribble_distance"][5], np.arange(64) + 2)
    without_labels = module(drawn, pseudo_labels=None, pseudo_distance=str(stored))
    sample = without_labels.train_dataset()[2]
    np.testing.assert_array_equal(sample["pseudo_distance"][5], np.arange(64) + 2)


def test_settings_that_cannot_be(drawn: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.pseudo_distance: no pseudo label .* for cell 0"):
        module(drawn, pseudo_labels=None, pseudo_distance="e6").train_dataset()
    for value, complaint in (
        ("maps", r"data\.scribble_distance: no folder 'maps'; .*e, e6, a number"),
        (0, "0; give a number above 0"),
        ("-1", "-1.; give a number above 0"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            module(drawn, scribble_distance=value).train_dataset()


def test_stored_maps_that_cannot_be(drawn: Path, stored: Path) -> None:
    Image.new("L", (5, 4)).save(stored / "cell 1.png")
    with pytest.raises(
        DataError, match=r"cell 1\.png: distance map is 5x4 but its picture 64x48 pixels"
    ):
        module(drawn, scribble_distance=str(stored)).setup("fit")
    for index in (1, 6):
        (stored / f"cell {index}.png").unlink()
    with pytest.raises(
        DataError, match=r"maps: no distance map for cell 1, cell 6 \(2 of 8 images\)"
    ):
        module(drawn, scribble_distance=str(stored)).train_dataset()


@pytest.mark.parametrize("scale", ["e2", 7.5, 13])
def test_a_scale_comes_through_config_and_command_line(
    drawn: Path, tmp_path: Path, scale: str | float, capsys: pytest.CaptureFixture[str]
) -> None:
    """The method says that it does not use them: they were understood."""
    config = write_config(tmp_path, drawn, scribble_distance=scale, distance_pad=0)
    for arguments in ([], ["--data.scribble_distance", str(scale)]):
        assert main(["fit", "--config", config, "--run", str(tmp_path / "run"), *arguments]) == 2
        error = capsys.readouterr().err
        assert "bring scribble, scribble_distance, but PartialCrossEntropy needs scribble" in error


@pytest.mark.data
def test_maps_of_the_sample_are_those_in_its_folders(data_root: Path) -> None:
    def sample(scribble: str, pseudo: str) -> Any:
        data = ScribbleDataModule(
            str(data_root / "voc_sample/VOC2012"),
            "voc",
            pseudo_labels="bmp_pseudolabel",
            scribble_distance=scribble,
            pseudo_distance=pseudo,
        )
        return data.train_dataset()[0]

    computed, published = sample("e", "e6"), sample("distance_map", "distance_pseudo")
    for key in BOTH:
        assert torch.equal(computed[key], published[key])


def test_sixteen_bit_labels_have_maps(tmp_path: Path) -> None:
    layout = Layout(
        "big", tuple(map(str, range(300))), ((0, 0, 0),) * 300, "i", "s", "m", ignore_index=65535
    )
    write_label(tmp_path / "a.png", np.array([[299, 65535], [0, 255]], np.uint16))
    Image.new("RGB", (2, 2)).save(tmp_path / "a.jpg")
    record = Record("a", tmp_path / "a.jpg", scribble=tmp_path / "a.png")
    sample = ScribbleDataset([record], layout, distance_scales={"scribble_distance": 4.0})[0]
    assert sample["scribble_distance"].tolist() == [[255, 253], [253, 255]]
