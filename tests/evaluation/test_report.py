import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import write_label
from scribbleseg.evaluation import Report, Volume, compare_label_images
from scribbleseg.evaluation.scribble_distance import BINS, DistanceProfile


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Two rows of three pixels, 3 classes of which the last is nowhere, a stroke in the first."""
    files = []
    for name, predicted, true in (("0", [0, 1, 1], [0, 1, 255]), ("1", [0, 0, 0], [0, 1, 0])):
        for folder, values in (("p", predicted), ("t", true)):
            write_label(tmp_path / folder / f"{name}.png", np.array([values], np.uint8))
        files.append((name, tmp_path / f"p/{name}.png", tmp_path / f"t/{name}.png"))
    write_label(tmp_path / "s.png", np.array([[0, 255, 255]], np.uint8))
    return compare_label_images(
        files,
        ["ground", "cell", "never"],
        volumes=[Volume("v", ("0", "1"), (5, 1, 1))],
        scribbles={"0": tmp_path / "s.png"},
        hd95=True,
    )


def test_json_has_everything(report: Report) -> None:
    facts = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert facts["images"] == 2
    assert facts["skipped"] == {}
    assert facts["confusion"] == [[3, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert facts["classes"]["cell"] == {"iou": 0.5, "accuracy": 0.5, "dice": pytest.approx(2 / 3)}
    assert facts["classes"]["never"]["iou"] is None
    assert facts["miou"] == pytest.approx((0.75 + 0.5) / 2)
    assert facts["miou_all"] == pytest.approx((0.75 + 0.5) / 3)
    # of images one pixel high every pixel is a boundary pixel
    assert facts["boundary"]["classes"] == {"ground": 0.75, "cell": 0.5, "never": None}
    assert facts["boundary"]["union"] == [4, 2, 0]
    assert facts["boundary"]["miou"] == facts["miou"]
    means = facts["image_means"]
    assert means["classes"]["ground"]["dice"] == pytest.approx((1 + 4 / 5) / 2)
    assert means["classes"]["cell"] == {
        "dice": 0.5,
        "hd95_px": 0.0,
        "empty_prediction": 1,
        "empty_truth": 0,
        "empty_both": 0,
    }
    assert means["classes"]["never"]["hd95_px"] is None
    assert means["mean_dice"] == pytest.approx((0.9 + 0.5) / 2)
    assert means["mean_dice_foreground"] == 0.5
    distance = facts["scribble_distance"]
    assert (distance["images"], distance["images_without_strokes"]) == (1, 1)
    assert [bin["pixels"] for bin in distance["bins"][:3]] == [1, 1, 0]
    assert facts["volumes_left_out"] == []
    assert facts["volumes"]["classes"]["never"] == {
        "dice": None,
        "hd95_mm": None,
        "empty_prediction": 0,
        "empty_truth": 0,
        "empty_both": 1,
    }


def test_tables_say_the_same(report: Report) -> None:
    text = report.as_text()
    for words in (
        "2 images, pooled pixels",
        "0.625",
        "0.417",
        "boundary",
        "2 images, each scored alone",
        "HD95 px",
        "mean without class 0",
        "1 images, by distance from the nearest stroke",
        "There are no errors.",
        "1 images have no stroke",
        "1 volumes, 3-D",
        "none predicted",
        "in neither",
    ):
        assert words in " ".join(text.split()), words
    assert "nan" not in text
    assert "cannot be read" not in text


def test_the_table_of_classes_fits_into_80_letters(report: Report) -> None:
    from rich.console import Console

    console = Console(width=80)
    with console.capture() as capture:
        report.print(console)
    assert "mean, classes present" in capture.get()


def test_counts_alone_make_a_report() -> None:
    report = Report(2, ("a", "b"), np.array([[3, 1], [0, 0]]))
    facts = report.as_dict()
    assert not {"boundary", "image_means", "scribble_distance", "volumes"} & set(facts)
    assert facts["classes"]["a"]["iou"] == 0.75
    assert "boundary" not in report.as_text()
    assert report.image_means is None


def test_no_table_of_distances_without_a_stroke(report: Report) -> None:
    nothing = DistanceProfile(np.zeros((3, len(BINS)), int), np.zeros((3, len(BINS)), int), 0, 2)
    text = replace(report, scribble_distance=nothing).as_text()
    assert "nearest stroke" not in text
    assert "There are no errors" not in text
