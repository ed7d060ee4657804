import json
from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import write_label
from scribbleseg.errors import DataError
from scribbleseg.evaluation import Volume, compare_label_images

Pair = tuple[str, Path, Path]


def pairs(folder: Path, predictions: list[list[int]], truths: list[list[int]]) -> list[Pair]:
    result = []
    for index, (predicted, true) in enumerate(zip(predictions, truths, strict=True)):
        paths = folder / "p" / f"{index}.png", folder / "t" / f"{index}.png"
        for path, values in zip(paths, (predicted, true), strict=True):
            write_label(path, np.array([values], np.uint8))
        result.append((str(index), *paths))
    return result


def test_tables_and_json_say_the_same(tmp_path: Path) -> None:
    files = pairs(tmp_path, [[0, 1, 1], [0, 0, 0]], [[0, 1, 255], [0, 1, 0]])
    volumes = [Volume("v", ("0", "1"), (5, 1, 1))]
    report = compare_label_images(files, ["ground", "cell", "never"], volumes=volumes)
    facts = json.loads(json.dumps(report.as_dict()))
    assert facts["images"] == 2
    assert facts["confusion"] == [[3, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert facts["classes"]["cell"] == {"iou": 0.5, "accuracy": 0.5, "dice": pytest.approx(2 / 3)}
    assert facts["classes"]["never"]["iou"] is None
    assert facts["miou"] == pytest.approx((0.75 + 0.5) / 2)
    assert facts["miou_all"] == pytest.approx((0.75 + 0.5) / 3)
    assert facts["volumes"]["classes"]["never"] == {
        "dice": None,
        "hd95_mm": None,
        "empty_prediction": 0,
        "empty_truth": 0,
        "empty_both": 1,
    }
    text = report.as_text()
    for words in (
        "2 images, pooled pixels",
        "0.625",
        "0.417",
        "1 volumes, 3-D",
        "none predicted",
        "in neither",
    ):
        assert words in text


def test_void_is_left_out_of_the_truth_of_volumes_too(tmp_path: Path) -> None:
    files = pairs(tmp_path, [[1, 1, 0]], [[1, 255, 0]])
    report = compare_label_images(files, ["a", "b"], volumes=[Volume("v", ("0",), (1, 1, 1))])
    assert report.volumes is not None
    assert report.volumes.dice[0, 0] == 1
    assert report.scores.iou[1] == 1


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        ([0, 1], [0, 1, 1], r"p/0\.png: 2x1 pixels, but .*t/0\.png has 3x1"),
        ([0, 5], [0, 1], r"p/0\.png: label 5 on 1 pixels; expected 0\.\.1"),
        ([0, 1], [0, 7], r"t/0\.png: label 7 on 1 pixels"),
        ([0, 255], [0, 1], r"p/0\.png: 1 pixels have value 255 \(unlabelled\)"),
    ],
)
def test_bad_files(tmp_path: Path, predicted: list[int], true: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare_label_images(pairs(tmp_path, [predicted], [true]), ["a", "b"])


def test_volumes_must_be_complete_or_absent(tmp_path: Path) -> None:
    files = pairs(tmp_path, [[0, 1]], [[0, 1]])
    absent = Volume("x", ("7", "8"), (1, 1, 1))
    assert compare_label_images(files, ["a", "b"], volumes=[absent]).volumes is None
    with pytest.raises(
        DataError, match=r"volume v: 1 of its 2 slices are not among the images, e\.g\. 9"
    ):
        compare_label_images(
            files, ["a", "b"], volumes=[absent, Volume("v", ("0", "9"), (1, 1, 1))]
        )
