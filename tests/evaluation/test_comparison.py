import threading
import time
from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import read_label, read_list, write_label
from scribbleseg.errors import DataError
from scribbleseg.evaluation import (
    Report,
    Volume,
    boundary_counts,
    compare_label_images,
    comparison,
    confusion_matrix,
    distance_profile,
)
from scribbleseg.evaluation.comparison import in_order, is_unreadable
from scribbleseg.evaluation.image_scores import image_hd95

Pair = tuple[str, Path, Path]


def pairs(folder: Path, predictions: list[list[int]], truths: list[list[int]]) -> list[Pair]:
    result = []
    for index, (predicted, true) in enumerate(zip(predictions, truths, strict=True)):
        paths = folder / "p" / f"{index}.png", folder / "t" / f"{index}.png"
        for path, values in zip(paths, (predicted, true), strict=True):
            write_label(path, np.array([values], np.uint8))
        result.append((str(index), *paths))
    return result


@pytest.fixture
def noisy(drawn: Path, tmp_path: Path) -> list[Pair]:
    """Noisy predictions of all drawn images."""
    rng = np.random.default_rng(0)
    result = []
    for index in range(11):
        mask = drawn / f"masks/cell {index}.png"
        label = read_label(mask).copy()
        label[rng.random(label.shape) < 0.1] = 1
        write_label(tmp_path / f"noisy/{index}.png", label)
        result.append((f"cell {index}", tmp_path / f"noisy/{index}.png", mask))
    return result


def scribbles(drawn: Path, files: list[Pair]) -> dict[str, Path]:
    return {name: drawn / f"scribbles/{name}.png" for name, _, _ in files}


def equal(one: Report, other: Report) -> bool:
    """Everything a report holds, and the order of the images."""
    return one.as_dict() == other.as_dict() and list(one.image_scores) == list(other.image_scores)


def test_every_part_is_what_its_function_gives(noisy: list[Pair], drawn: Path) -> None:
    report = compare_label_images(
        noisy, ["a", "b", "c"], scribbles=scribbles(drawn, noisy), hd95=True
    )
    assert report.boundary is not None
    assert report.scribble_distance is not None
    labels = [(read_label(p), read_label(t)) for _, p, t in noisy]
    counts = sum(confusion_matrix(p, t, num_classes=3) for p, t in labels)
    np.testing.assert_array_equal(report.counts, counts)
    boundary = [boundary_counts(p, t, num_classes=3) for p, t in labels]
    np.testing.assert_array_equal(report.boundary.union, sum(one.union for one in boundary))
    drawings = [read_label(path) for path in scribbles(drawn, noisy).values()]
    profiles = [
        distance_profile(p, t, s, num_classes=3) for (p, t), s in zip(labels, drawings, strict=True)
    ]
    np.testing.assert_array_equal(report.scribble_distance.right, sum(p.right for p in profiles))
    assert report.scribble_distance.images == 11
    hd95 = report.image_scores["cell 3"].hd95
    np.testing.assert_array_equal(hd95, image_hd95(*labels[3], num_classes=3))


def test_parts_of_a_set_add_up(noisy: list[Pair], drawn: Path) -> None:
    drawings = scribbles(drawn, noisy)
    whole, first, second = (
        compare_label_images(part, ["a", "b", "c"], scribbles=drawings)
        for part in (noisy, noisy[:4], noisy[4:])
    )
    for report in (whole, first, second):
        assert report.boundary is not None
        assert report.scribble_distance is not None
    boundary = first.boundary + second.boundary  # type: ignore[operator]
    distance = first.scribble_distance + second.scribble_distance  # type: ignore[operator]
    added = Report(
        11,
        whole.class_names,
        first.counts + second.counts,
        None,
        {**first.image_scores, **second.image_scores},
        boundary,
        distance,
    )
    assert equal(whole, added)


@pytest.mark.parametrize("threads", [1, 8])
def test_threads_and_size_do_not_matter(
    threads: int, noisy: list[Pair], drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = compare_label_images(noisy, ["a", "b", "c"], scribbles=scribbles(drawn, noisy))
    monkeypatch.setattr(comparison, "THREADS", threads)
    monkeypatch.setattr("os.cpu_count", lambda: threads)
    monkeypatch.setattr(comparison, "LARGE", 100)  # one at a time
    again = compare_label_images(noisy, ["a", "b", "c"], scribbles=scribbles(drawn, noisy))
    assert equal(usual, again)


def test_results_come_in_order_and_few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    started: list[int] = []

    def slow_start(item: int) -> int:
        started.append(item)
        time.sleep(0.02 * (item == 0))
        return item

    results = in_order(slow_start, range(100))
    assert next(results) == 0
    assert len(started) <= 6
    assert list(results) == list(range(1, 100))


def test_after_an_error_nothing_new_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    threads = threading.active_count()

    def fail(item: int) -> int:
        if item == 3:
            raise DataError("three")
        return item

    with pytest.raises(DataError, match="three"):
        list(in_order(fail, range(1000)))
    assert threading.active_count() == threads


def test_void_is_left_out_of_the_truth_of_volumes_too(tmp_path: Path) -> None:
    files = pairs(tmp_path, [[1, 1, 0]], [[1, 255, 0]])
    report = compare_label_images(files, ["a", "b"], volumes=[Volume("v", ("0",), (1, 1, 1))])
    assert report.volumes is not None
    assert report.volumes.dice[0, 0] == 1
    assert report.scores.iou[1] == 1


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        ([0, 1], [0, 1, 1], r"p/0\.png: 2x1 pixels, but .*t/0\.png has 3x1"),
        ([0, 5], [0, 1], r"p/0\.png: label 5 on 1 pixels; expected 0\.\.1"),
        ([0, 1], [0, 7], r"t/0\.png: label 7 on 1 pixels"),
        ([0, 255], [0, 1], r"p/0\.png: 1 pixels have value 255 \(unlabelled\)"),
    ],
)
def test_wrong_labels_are_never_skipped(
    tmp_path: Path, predicted: list[int], true: list[int], message: str, skip: bool
) -> None:
    with pytest.raises(DataError, match=message):
        compare_label_images(pairs(tmp_path, [predicted], [true]), ["a", "b"], skip_unreadable=skip)


def test_wrong_scribbles(tmp_path: Path) -> None:
    files = pairs(tmp_path, [[0, 1]], [[0, 1]])
    for values, message in (
        ([0, 1, 1], r"s\.png: 3x1 pixels, but .*scribbles must have their image's size"),
        ([0, 4], r"s\.png: label 4 on 1 pixels"),
    ):
        write_label(tmp_path / "s.png", np.array([values], np.uint8))
        with pytest.raises(DataError, match=message):
            compare_label_images(files, ["a", "b"], scribbles={"0": tmp_path / "s.png"})


def test_damaged_files_are_skipped_only_when_asked(noisy: list[Pair], drawn: Path) -> None:
    good = [pair for pair in noisy if pair[0] not in {"cell 2", "cell 5"}]
    noisy[2][1].write_bytes(noisy[2][1].read_bytes()[:60])
    noisy[5][1].write_text("no picture")
    classes = ["a", "b", "c"]
    with pytest.raises(DataError, match=r"2\.png: cannot be read"):
        compare_label_images(noisy, classes)
    report = compare_label_images(noisy, classes, skip_unreadable=True)
    assert report.images == 9
    assert list(report.skipped) == ["cell 2", "cell 5"]
    assert "2.png: cannot be read" in report.skipped["cell 2"]
    np.testing.assert_array_equal(report.counts, compare_label_images(good, classes).counts)
    assert report.as_dict()["skipped"] == report.skipped
    text = report.as_text()
    assert "2 of 11 images are in no number because a file cannot be read" in text
    assert "cell 5: " in text
    with pytest.raises(DataError, match=r"none of the 1 images can be read; first: .*2\.png"):
        compare_label_images(noisy[2:3], classes, skip_unreadable=True)


def test_a_damaged_scribble_skips_its_image(noisy: list[Pair], tmp_path: Path) -> None:
    (tmp_path / "s.png").write_bytes(b"")
    report = compare_label_images(
        noisy, ["a", "b", "c"], scribbles={"cell 1": tmp_path / "s.png"}, skip_unreadable=True
    )
    assert list(report.skipped) == ["cell 1"]
    assert report.scribble_distance is not None
    assert report.scribble_distance.undrawn == 10


def test_what_is_missing_or_in_colour_is_not_unreadable(tmp_path: Path, noisy: list[Pair]) -> None:
    from PIL import Image

    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "rgb.png")
    assert not is_unreadable(tmp_path / "rgb.png")
    assert not is_unreadable(tmp_path / "none.png")
    for path, message in ((tmp_path / "rgb.png", "has colours"), (tmp_path / "x.png", "no such")):
        with pytest.raises(DataError, match=message):
            compare_label_images(
                [*noisy, ("x", path, noisy[0][2])], ["a", "b", "c"], skip_unreadable=True
            )


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


def test_a_volume_with_a_damaged_slice_is_left_out_and_named(tmp_path: Path) -> None:
    files = pairs(tmp_path, [[0, 1], [0, 1], [1, 1]], [[0, 1], [0, 1], [0, 1]])
    volumes = [Volume("v", ("0", "1"), (5, 1, 1)), Volume("w", ("2",), (5, 1, 1))]
    files[1][1].write_bytes(b"")
    report = compare_label_images(files, ["a", "b"], volumes=volumes, skip_unreadable=True)
    assert report.volumes is not None
    assert report.volumes.names == ("w",)
    assert report.volumes_left_out == ("v",)
    assert report.as_dict()["volumes_left_out"] == ["v"]
    assert "1 volumes are left out with them: v" in report.as_text()


def test_labels_of_16_bits(tmp_path: Path) -> None:
    label = np.arange(300, dtype=np.uint16).reshape(15, 20)
    mask = label.copy()
    mask[0, 0] = 65535
    write_label(tmp_path / "p.png", label)
    write_label(tmp_path / "t.png", mask)
    names = [str(index) for index in range(300)]
    files = [("x", tmp_path / "p.png", tmp_path / "t.png")]
    report = compare_label_images(files, names, ignore_index=65535)
    assert report.counts.sum() == 299
    assert report.scores.miou == 1
    assert report.boundary is not None
    assert report.boundary.miou == 1


@pytest.mark.data
def test_real_masks_against_themselves_and_their_neighbours(
    data_root: Path, tmp_path: Path
) -> None:
    root = data_root / "camvid"
    names = read_list(root / "ImageSets/val.txt")[:12]
    masks = [root / f"SegmentationClass/{name}.png" for name in names]
    for name, path in zip(names, masks, strict=True):
        label = read_label(path).copy()
        label[label == 255] = 0
        write_label(tmp_path / f"{name}.png", label)
    classes = [str(index) for index in range(11)]
    drawings = {name: root / f"scribbles/{name}.png" for name in names}
    files = [
        (name, tmp_path / f"{name}.png", mask) for name, mask in zip(names, masks, strict=True)
    ]
    same = compare_label_images(files, classes, scribbles=drawings, hd95=True)
    assert same.boundary is not None
    assert same.scribble_distance is not None
    assert same.scores.miou == same.boundary.miou == 1
    assert np.nanmax([image.hd95 for image in same.image_scores.values()]) == 0
    assert same.scribble_distance.accuracy[0] == 1
    assert same.scribble_distance.pixels.sum() == same.counts.sum()

    later = [
        (name, tmp_path / f"{name}.png", mask) for name, mask in zip(names, masks[1:], strict=False)
    ]
    moved = compare_label_images(later, classes, scribbles=drawings)
    assert moved.boundary is not None
    assert 0.1 < moved.boundary.miou < moved.scores.miou < 0.9
