"""A predictor gives, for every kind of picture, exactly what ``predict`` writes."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scribbleseg.annotation import overlay, read_image, read_label
from scribbleseg.cli.main import main
from scribbleseg.errors import ConfigError, DataError
from scribbleseg.exchange import ModelDescription, NetworkSpec, Picture, Predictor, load
from scribbleseg.inference import Inference
from scribbleseg.networks import Aggregated, PlainUNet

EXIF_ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def pictures(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of many kinds, all with objects of the dataset."""
    folder = tmp_path_factory.mktemp("pictures")
    with Image.open(drawn / "images/cell 8.png") as image:
        image.save(folder / "plain.png")
        image.crop((3, 2, 56, 41)).save(folder / "odd.jpg", quality=90)
        image.convert("L").save(folder / "grey.png")
        image.quantize(16).save(folder / "palette.png")
        image.convert("RGBA").save(folder / "opaque.png")
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = 6
        image.save(folder / "turned.jpg", exif=exif)
    return folder


@pytest.mark.parametrize(
    ("arguments", "change"),
    [
        ([], {}),
        (["--data.resize", "[40, 56]"], {"picture": Picture(resize=(40, 56))}),
        (
            ["--model.inference.flip", "true", "--model.inference.scales", "[0.5, 1.0]"],
            {"inference": Inference((0.5, 1.0), flip=True)},
        ),
    ],
    ids=["plain", "resized", "views"],
)
def test_labels_are_those_of_predict(
    run: Path, pictures: Path, tmp_path: Path, arguments: list[str], change: dict[str, Any]
) -> None:
    predict = ["predict", "--run", str(run), "--data.images", str(pictures)]
    assert main([*predict, "--out", str(tmp_path / "out"), *arguments]) == 0
    loaded = load(run)
    predictor = Predictor(loaded.net, replace(loaded.model, **change))
    seen = set()
    for path in sorted(pictures.iterdir()):
        label = predictor(path)
        assert label.dtype == np.uint8
        np.testing.assert_array_equal(label, read_label(tmp_path / f"out/labels/{path.stem}.png"))
        with Image.open(path) as image:
            np.testing.assert_array_equal(predictor(image), label)
        np.testing.assert_array_equal(predictor(read_image(path)), label)
        prob = predictor.probabilities(path)
        assert (prob.shape, prob.dtype) == ((3, *label.shape), np.float32)
        np.testing.assert_allclose(prob.sum(axis=0), 1, atol=1e-5)
        assert (prob.argmax(axis=0) == label).mean() > 0.999
        seen |= set(np.unique(label))
    assert seen == {0, 1, 2}


def test_overlays_are_those_of_predict(run: Path, pictures: Path, tmp_path: Path) -> None:
    predict = ["predict", "--run", str(run), "--data.images", str(pictures)]
    assert main([*predict, "--out", str(tmp_path / "out")]) == 0
    predictor = load(run)
    for name in ("plain", "grey"):
        with Image.open(tmp_path / f"out/overlays/{name}.png") as tinted:
            expected = np.asarray(tinted)
        np.testing.assert_array_equal(predictor.overlay(pictures / f"{name}.png"), expected)


def test_a_list_gives_a_list(run: Path, pictures: Path) -> None:
    predictor = load(run)
    paths = [str(pictures / "plain.png"), str(pictures / "odd.jpg")]
    assert [label.shape for label in predictor(paths)] == [(48, 64), (39, 53)]
    assert predictor([]) == []


def grey(classes: int = 2) -> Predictor:
    model = ModelDescription(
        NetworkSpec("PlainUNet", {"widths": [2, 4]}),
        tuple(f"class {index}" for index in range(classes)),
        picture=Picture("L", (0.0,), (1.0,)),
    )
    return Predictor(PlainUNet(classes, 1, widths=(2, 4)), model)


def test_grey_networks_take_colour(pictures: Path) -> None:
    predictor = grey()
    colour = read_image(pictures / "plain.png")
    expected = predictor(pictures / "plain.png")
    np.testing.assert_array_equal(predictor(colour), expected)
    np.testing.assert_array_equal(predictor(read_image(pictures / "plain.png", "L")), expected)
    tinted = overlay(colour, expected, predictor.palette)
    np.testing.assert_array_equal(predictor.overlay(colour), tinted)


def test_many_classes_need_sixteen_bits() -> None:
    predictor = grey(256)
    assert predictor(np.zeros((4, 4), np.uint8)).dtype == np.uint16
    assert (len(predictor.class_names), len(predictor.palette)) == (256, 256)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((4, 4)), r"\(4, 4\) of float64; scale it to 0\.\.255"),
        (np.zeros((4, 4, 4), np.uint8), r"\(H, W, 3\) or \(H, W\) of uint8, this array is \(4, 4"),
        (np.zeros((0, 4), np.uint8), r"this array is \(0, 4\)"),
        (7, "a picture is a path, an image of Pillow or an array, not int"),
        ("nowhere.png", r"nowhere\.png: no such file"),
        (Image.new("CMYK", (4, 4)), "the picture: colour mode CMYK cannot be read"),
        (Image.new("RGBA", (4, 4)), "the picture: the picture has transparent pixels"),
    ],
)
def test_what_is_no_picture(picture: NDArray[np.uint8], message: str) -> None:
    with pytest.raises(DataError, match=message):
        grey()(picture)


def test_a_device_that_is_not_there(run: Path) -> None:
    with pytest.raises(ConfigError, match="device 'cudaa'"):
        load(run, device="cudaa")


@pytest.mark.parametrize("size", [None, (24, 36)])
def test_annotation_probability(size: tuple[int, int] | None) -> None:
    net = Aggregated(2, 3, base=partial(PlainUNet, widths=(2, 4)), embedding_channels=4)
    described = NetworkSpec("Aggregated", {"base": NetworkSpec("PlainUNet", {"widths": [2, 4]})})
    model = ModelDescription(described, ("a", "b"), picture=Picture(resize=size))
    picture = np.random.default_rng(0).integers(0, 256, (30, 41, 3)).astype(np.uint8)
    probability = Predictor(net, model).annotation_probability(picture)
    assert probability.shape == (3, 30, 41)
    np.testing.assert_allclose(probability.sum(axis=0), 1, rtol=1e-5)
    assert probability.std() > 0


def test_a_network_without_annotation_head_says_so(run: Path) -> None:
    with pytest.raises(ConfigError, match="PlainUNet has no annotation head"):
        load(run).annotation_probability(np.zeros((8, 8, 3), np.uint8))
