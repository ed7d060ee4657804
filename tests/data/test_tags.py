import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.golden_cases import Case, golden

from scribbleseg.annotation import read_label, write_label
from scribbleseg.data import ScribbleDataModule, read_tags, tags_from_label
from scribbleseg.data.preparation.cls_labels import cls_labels_file
from scribbleseg.data.tags import TagSource, tags_from, tags_of_supervision
from scribbleseg.errors import DataError

NAMES = ("background", "cat", "traffic light")


def test_tags_of_a_label_always_hold_the_background() -> None:
    assert tags_from_label(np.full((2, 2), 255, np.uint8), num_classes=3).tolist() == [1, 0, 0]
    assert tags_from_label(np.array([[2, 65535]], np.uint16), num_classes=3).tolist() == [1, 0, 1]


def test_both_formats(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cell 1\ttraffic light, cat\ncell 2\t\ncell 3\t2\n")
    (tmp_path / "a.json").write_text(
        json.dumps({"cell 1": ["traffic light", "cat"], "cell 2": [], "cell 3": [2]})
    )
    for name in ("a.txt", "a.json"):
        tags = read_tags(tmp_path / name, NAMES)
        assert {key: value.tolist() for key, value in tags.items()} == {
            "cell 1": [1, 1, 1],
            "cell 2": [1, 0, 0],
            "cell 3": [1, 0, 1],
        }


def test_unknown_tags_and_bad_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\tdog\n")
    with pytest.raises(
        DataError, match=r"a\.txt: image 'x' has tag 'dog'; classes are background, cat"
    ):
        read_tags(tmp_path / "a.txt", NAMES)
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(DataError, match=r"b\.json: line 1 is not valid JSON"):
        read_tags(tmp_path / "b.json", NAMES)
    with pytest.raises(DataError, match=r"c\.txt: no such file"):
        read_tags(tmp_path / "c.txt", NAMES)
    for text in ('["x"]', '{"x": null}', '{"x": "cat"}'):
        (tmp_path / "b.json").write_text(text)
        with pytest.raises(DataError, match=r"b\.json: expected a list of classes for each id"):
            read_tags(tmp_path / "b.json", NAMES)
    (tmp_path / "d.txt").write_bytes("x\tkä\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"d\.txt: byte 3 is not UTF-8"):
        read_tags(tmp_path / "d.txt", NAMES)
    (tmp_path / "e.txt").write_text("x\tcat\n", encoding="utf-8-sig")
    assert list(read_tags(tmp_path / "e.txt", NAMES)) == ["x"]


def test_tags_as_other_projects_publish_them(tmp_path: Path) -> None:
    path = tmp_path / "cls_labels.npy"
    path.write_bytes(cls_labels_file({"cell 1": (0, 1, 2), "cell 2": (0,)}, 3))
    tags = read_tags(path, NAMES)
    assert {name: value.tolist() for name, value in tags.items()} == {
        "cell 1": [1, 1, 1],
        "cell 2": [1, 0, 0],
    }
    with pytest.raises(DataError, match="not 3 zeros and ones"):
        read_tags(path, [*NAMES, "dog"])
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"cls_labels\.npy: .*or write them as text"):
        read_tags(path, NAMES)


@pytest.fixture
def discs(drawn: Path, tmp_path: Path) -> Path:
    """The drawn dataset, its squares without strokes."""
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    for path in (root / "scribbles").glob("*.png"):
        label = read_label(path).copy()
        label[label == 2] = 255
        write_label(path, label)
    return root


def test_tags_of_a_file_extend_those_of_the_strokes(discs: Path) -> None:
    names = [f"cell {index}" for index in range(8)]
    path = discs / "cls_labels.npy"
    path.write_bytes(cls_labels_file(dict.fromkeys(names, (0, 2)), 3))
    own = ScribbleDataModule(str(discs))
    assert own.train_dataset()[0]["tags"].tolist() == [1, 1, 0]
    data = ScribbleDataModule(str(discs), tags=str(path))
    assert data.train_dataset()[0]["tags"].tolist() == [1, 1, 1]
    path.write_bytes(cls_labels_file(dict.fromkeys(names[1:], (0,)), 3))
    with pytest.raises(DataError, match="no tags for cell 0"):
        ScribbleDataModule(str(discs), tags=str(path)).train_dataset()
    # A mask has all classes of its image.
    masked = ScribbleDataModule(str(discs), tags=str(path), supervision="mask").train_dataset()
    assert [masked[index]["tags"].tolist() for index in (0, 1)] == [[1, 1, 1]] * 2
    with pytest.raises(DataError, match=r"data\.tags: no file 'none\.txt' here or in"):
        ScribbleDataModule(str(discs), tags="none.txt")


def test_a_file_below_a_relative_root_is_found(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (discs / "square.txt").write_text("".join(f"cell {index}\tsquare\n" for index in range(8)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCRIBBLESEG_DATA", raising=False)
    for file in ("square.txt", "cells/square.txt"):
        data = ScribbleDataModule("cells", tags=file)
        assert data.train_dataset()[0]["tags"].tolist() == [1, 1, 1]


def test_tags_are_simulated_from_masks_when_asked_for(discs: Path) -> None:
    def data(supervision: str) -> ScribbleDataModule:
        return ScribbleDataModule(str(discs), supervision=supervision, tags="mask")

    for supervision in ("tags", "scribble"):
        sample = data(supervision).train_dataset()[0]
        assert sample["tags"].tolist() == [1, 1, 1]
        assert "mask" not in sample  # read for the tags alone
    assert (data("tags").train_dataset()[0]["scribble"] == 255).all()
    write_label(discs / "masks/cell 3.png", np.full((48, 64), 9, np.uint8))
    with pytest.raises(DataError, match=r"masks/cell 3\.png: label 9 on 3072 pixels"):
        data("scribble").check_training()
    (discs / "masks/cell 3.png").unlink()
    with pytest.raises(
        DataError, match=r"data\.tags: mask, but there is no mask for cell 3 \(1 of"
    ):
        data("tags").train_dataset()
    with pytest.raises(DataError, match=r"cell \d.* declare tags only; set 'tags: FILE' in"):
        ScribbleDataModule(str(discs), supervision="tags").train_dataset()


@golden("lpl", "tags_")
def test_the_published_rule_takes_void_for_background(case: Case) -> None:
    tags = [
        tags_from_label(
            label.astype(np.uint8), num_classes=case["num_classes"], background="published"
        )
        for label in case["label"]
    ]
    np.testing.assert_array_equal(np.stack(tags), case["tags"][:, :, 0, 0])
    always = [
        tags_from_label(label.astype(np.uint8), num_classes=case["num_classes"])
        for label in case["label"]
    ]
    np.testing.assert_array_equal(np.stack(always)[:, 1:], case["tags"][:, 1:, 0, 0])
    assert (np.stack(always)[:, 0] == 1).all()


@pytest.fixture
def mixed(drawn: Path, tmp_path: Path) -> Path:
    """Strokes of both classes in three images, a blank scribble in the fourth, none in the rest."""
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    write_label(root / "scribbles/cell 3.png", np.full((48, 64), 255, np.uint8))
    for index in range(4, 8):
        (root / f"scribbles/cell {index}.png").unlink()
    return root


def found(source: TagSource, data: ScribbleDataModule) -> dict[int, list[int]]:
    tags = tags_from(source, data.layout, data.root, data.names("train"))
    assert tags is not None
    return {int(name.removeprefix("cell ")): vector.int().tolist() for name, vector in tags.items()}


def test_images_without_strokes_take_their_tags_from_the_file(mixed: Path) -> None:
    (mixed / "disc.txt").write_text("".join(f"cell {index}\tdisc\n" for index in (0, 3, 4, 5)))
    anything, disc = [1, 1, 1], [1, 1, 0]
    plain, data = ScribbleDataModule(str(mixed)), ScribbleDataModule(str(mixed), tags="disc.txt")
    assert found("scribble", plain) == dict.fromkeys(range(8), anything)
    expected = dict.fromkeys(range(8), anything) | dict.fromkeys((3, 4, 5), disc)
    assert found("scribble", data) == expected
    with (mixed / "dataset.yaml").open("a") as file:
        file.write("tags: disc.txt\n")
    assert found("scribble", ScribbleDataModule(str(mixed))) == expected


def test_images_that_the_file_does_not_name_take_the_tags_of_their_strokes(mixed: Path) -> None:
    (mixed / "disc.txt").write_text("".join(f"cell {i}\tdisc\n" for i in (0, 4, 5, 6, 7)))
    data = ScribbleDataModule(str(mixed), tags="disc.txt")
    both, disc = [1, 1, 1], [1, 1, 0]
    expected = dict.fromkeys(range(8), disc) | dict.fromkeys((1, 2, 3), both)
    assert found("file", data) == expected
    (mixed / "disc.txt").write_text("cell 4\tdisc\ncell 5\tdisc\n")
    with pytest.raises(DataError, match=r"disc\.txt: no tags for cell 6, cell 7$"):
        found("file", data)
    with pytest.raises(DataError, match=r"tags: the dataset names no file of them; set 'tags: F"):
        found("file", ScribbleDataModule(str(mixed)))


def test_what_is_not_known_is_told_apart_from_all_classes(mixed: Path) -> None:
    (mixed / "all.txt").write_text("cell 5\tdisc,square\n")
    data = ScribbleDataModule(str(mixed), tags="all.txt")
    tags = tags_from("scribble", data.layout, data.root, data.names("train"))
    assert tags is not None
    empty = {mixed / "scribbles/cell 3.png"}
    assert tags.untagged(empty) == ["cell 3", "cell 4", "cell 6", "cell 7"]


def test_tags_of_training_are_those_that_its_samples_have(mixed: Path) -> None:
    kinds = {0: "mask", 1: "scribble", 2: "tags", 4: "tags", 5: "scribble"}
    (mixed / "tags.txt").write_text("".join(f"cell {i}\tdisc\n" for i in (1, 2, 4)))
    relabelled = read_label(mixed / "scribbles/cell 1.png").copy()
    relabelled[relabelled == 1] = 255
    write_label(mixed / "scribbles/cell 1.png", relabelled)
    (mixed / "kinds.txt").write_text("".join(f"cell {i}\t{k}\n" for i, k in kinds.items()))
    (mixed / "some.txt").write_text("".join(f"cell {i}\n" for i in kinds))

    def tags(setting: str | None) -> dict[str, list[int]]:
        data = ScribbleDataModule(
            str(mixed), train="some.txt", supervision="kinds.txt", tags=setting
        )
        known = tags_of_supervision(data.train_kinds(), data.tags, data.layout, data.root)
        return {name: vector.int().tolist() for name, vector in known.items()}

    anything, disc, square = [1, 1, 1], [1, 1, 0], [1, 0, 1]
    names = [f"cell {index}" for index in kinds]
    assert list(tags(None).values()) == [anything, square, anything, anything, anything]
    assert list(tags("tags.txt").values()) == [anything, anything, disc, disc, anything]
    assert list(tags("mask")) == names
    assert list(tags("mask").values()) == [anything] * 5
    # As the samples have them, but for the image that lacks its strokes.
    (mixed / "some.txt").write_text("".join(f"{name}\n" for name in names[:-1]))
    data = ScribbleDataModule(
        str(mixed), train="some.txt", supervision="kinds.txt", tags="tags.txt"
    )
    dataset = data.train_dataset()
    read = [dataset[index] for index in range(len(dataset))]
    samples = {sample["name"]: sample["tags"].int().tolist() for sample in read}
    assert samples == {name: tags("tags.txt")[name] for name in names[:-1]}
