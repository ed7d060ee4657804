import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from scribbleseg.annotation import read_label, write_label
from scribbleseg.data import ScribbleDataModule
from scribbleseg.data.transforms import RandomCrop
from scribbleseg.errors import ConfigError, DataError


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the drawn dataset that a test may spoil."""
    return Path(shutil.copytree(drawn, tmp_path / "cells"))


def module(root: Path, **options: Any) -> ScribbleDataModule:
    return ScribbleDataModule(str(root), **{"batch_size": 4, **options})


def test_facts_about_the_data(drawn: Path) -> None:
    data = module(drawn)
    assert data.class_names == ["background", "disc", "square"]
    assert (data.in_channels, data.ignore_index) == (3, 255)
    data.setup("fit")
    assert data.audit is not None
    assert data.audit.images == 8
    assert data.train_supervision == {"scribble"}
    assert len(data.train_dataloader()) == 2
    assert len(data.test_dataloader()) == 3


def test_batches_are_normalised_float(drawn: Path) -> None:
    data = module(drawn, mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25])
    batch = next(iter(data.train_dataloader()))
    image = batch["image"]
    assert image.dtype == torch.uint8
    normalised = data.on_after_batch_transfer(batch, 0)
    torch.testing.assert_close(normalised["image"], (image / 255 - 0.5) / 0.25)
    assert normalised["image"].is_contiguous(memory_format=torch.channels_last)
    assert batch["image"] is image


def test_mixed_supervision_from_a_file(root: Path) -> None:
    kinds = ["scribble"] * 3 + ["mask"] * 2 + ["tags"] * 3
    lines = [f"cell {index}\t{kind}" for index, kind in enumerate(kinds)]
    (root / "kinds.txt").write_text("\n".join(lines) + "\n")
    (root / "tags.txt").write_text("".join(f"cell {index}\tdisc\n" for index in range(5, 8)))
    with (root / "dataset.yaml").open("a") as file:
        file.write("tags: tags.txt\n")
    data = module(root, supervision="kinds.txt", sampling={"scribble": 1, "mask": 1, "tags": 2})
    data.setup("fit")
    assert data.train_supervision == {"scribble", "mask", "tags"}
    seen = [kind for batch in data.train_dataloader() for kind in batch["supervision"]]
    assert sorted(seen) == ["mask"] * 2 + ["scribble"] * 2 + ["tags"] * 4

    (root / "tags.txt").write_text("cell 5\tdisc\n")
    with pytest.raises(DataError, match=r"tags\.txt: no tags for cell 6, cell 7"):
        module(root, supervision="kinds.txt").setup("fit")
    (root / "kinds.txt").write_text("cell 0\tscribbles\n")
    with pytest.raises(
        DataError, match=r"kinds\.txt: line 1 is .*expected '<id><tab>mask\|scribble\|tags'"
    ):
        module(root, supervision="kinds.txt").setup("fit")
    with pytest.raises(ConfigError, match=r"data\.supervision: 'strokes' is neither"):
        module(root, supervision="strokes").setup("fit")


def test_the_first_images_of_a_list_are_labelled(root: Path) -> None:
    (root / "few.txt").write_text("cell 6\ncell 2\ncell 4\n")
    description = (root / "dataset.yaml").read_text()
    (root / "dataset.yaml").write_text(description.replace("splits:", "splits:\n  few: few.txt"))
    options = {"labelled": "few", "labelled_first": 2, "tags": "mask"}
    data = module(root, supervision="mask", **options)
    data.setup("fit")
    records = data.train_dataset().records
    assert [r.name for r in records if r.supervision == "mask"] == ["cell 6", "cell 2"]
    assert [r.name for r in records][:4] == ["cell 6", "cell 2", "cell 4", "cell 0"]
    assert len(records) == 8
    assert data.train_supervision == {"mask", "tags"}

    alone = module(root, supervision="mask", unlabelled="leave_out", batch_size=2, **options)
    assert alone.train_supervision == {"mask"}
    assert len(alone.train_dataset()) == 2
    first = module(root, labelled_first=3, tags="mask").train_dataset().records
    assert [r.supervision for r in first] == ["scribble"] * 3 + ["tags"] * 5
    assert all(r.mask is None and r.scribble is None for r in first[3:])
    (root / "kinds.txt").write_text("cell 0\tmask\n")
    with pytest.raises(ConfigError, match=r"data\.labelled, .*must be mask or scribble then"):
        module(root, supervision="kinds.txt", labelled="few").train_dataset()


def test_options_that_would_do_nothing_are_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.unlabelled: leave_out, but all .* labelled"):
        module(root, unlabelled="leave_out").train_dataset()
    with pytest.raises(ConfigError, match=r"data\.weak_transforms: batches have no weak half"):
        module(root, weak_transforms=[])


def test_a_batch_with_halves(root: Path) -> None:
    data = module(
        root,
        supervision="mask",
        labelled_first=2,
        tags="mask",
        batch_size=3,
        weak_batch_size=2,
        transforms=[RandomCrop((24, 24))],
        weak_transforms=[v2.CenterCrop((24, 24))],
    )
    data.setup("fit")
    assert data.train_supervision == {"mask", "tags", "halves"}
    loader = data.train_dataloader()
    assert len(loader) == 4  # 8 images, two at a time
    for batch in loader:
        batch = data.on_after_batch_transfer(batch, 0)
        assert batch["image"].shape == (5, 3, 24, 24)
        assert batch["weak"].tolist() == [False] * 3 + [True] * 2
        assert batch["supervision"][:3] == ["mask"] * 3
        for name, kind, mask in zip(
            batch["name"], batch["supervision"], batch["mask"], strict=True
        ):
            assert (kind == "mask") == (name in {"cell 0", "cell 1"}) == bool((mask != 255).any())
    same = module(root, batch_size=2, weak_batch_size=2, transforms=[RandomCrop((24, 24))])
    assert next(iter(same.train_dataloader()))["image"].shape == (4, 3, 24, 24)
    assert "weak" not in next(iter(module(root).train_dataloader()))
    other = module(root, batch_size=2, weak_batch_size=2, transforms=[RandomCrop((9, 9))])
    other.weak_transforms = []
    with pytest.raises(DataError, match="images of one batch must have one size"):
        next(iter(other.train_dataloader()))


def test_tags_only_images_need_a_file(drawn: Path) -> None:
    with pytest.raises(DataError, match=r"declare tags only; set 'tags: FILE' in .*dataset\.yaml"):
        module(drawn, supervision="tags").setup("fit")


def test_empty_scribbles_are_counted_and_refused(root: Path) -> None:
    write_label(root / "scribbles/cell 3.png", np.full((48, 64), 255, np.uint8))
    with pytest.raises(
        DataError,
        match=r"nothing is drawn in 1 of 8 label images: .*cell 3\.png; .*--data\.allow_empty",
    ):
        module(root).setup("fit")
    module(root, allow_empty=True).setup("fit")


def test_background_must_be_drawn(root: Path) -> None:
    for path in (root / "scribbles").glob("*.png"):
        label = read_label(path).copy()
        label[label == 0] = 255
        write_label(path, label)
    with pytest.raises(
        DataError, match=r"class 'background' \(index 0\) is never drawn in 8 label images"
    ):
        module(root).setup("fit")


def test_a_class_without_strokes_is_reported(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in (root / "scribbles").glob("*.png"):
        label = read_label(path).copy()
        label[label == 2] = 255
        write_label(path, label)
    module(root).setup("fit")
    assert "class 'square' is never drawn" in caplog.text


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: (r / "scribbles/cell 2.png").unlink(), r"cell 2\.png missing"),
        (lambda r: (r / "images/cell 2.png").unlink(), r"no picture .* for cell 2"),
        (lambda r: (r / "train.txt").write_text(""), r"train\.txt: the list is empty"),
        (lambda r: (r / "train.txt").unlink(), r"list 'train' not found; looked for .*train\.txt"),
        (lambda r: (r / "masks/cell 9.png").unlink(), r"masks: no mask for cell 9 of list 'val'"),
        (
            lambda r: write_label(r / "scribbles/cell 1.png", np.zeros((64, 48), np.uint8)),
            "exchanged",
        ),
        (
            lambda r: write_label(r / "scribbles/cell 1.png", np.full((48, 64), 9, np.uint8)),
            r"label 9 on 3072 pixels",
        ),
        (
            lambda r: (r / "scribbles/cell 1.png").write_bytes(b""),
            r"cell 1\.png: not a picture \(0 bytes\)",
        ),
    ],
)
def test_bad_data_is_refused_before_training(root: Path, spoil: Any, message: str) -> None:
    spoil(root)
    with pytest.raises(DataError, match=message):
        module(root).setup("fit")


def test_hull_needs_background_strokes_around_the_objects(root: Path) -> None:
    module(root, background_prior="hull")
    text = (
        (root / "dataset.yaml")
        .read_text()
        .replace("background_drawn: true", "background_drawn: false")
    )
    (root / "dataset.yaml").write_text(text)
    with pytest.raises(
        ConfigError, match=r"background_prior: hull needs background strokes around the objects"
    ):
        module(root, background_prior="hull")


def test_wrong_number_of_means(drawn: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.mean, data\.std: 3 value\(s\) each"):
        module(drawn, mean=[0.5], std=[0.5])


def test_all_needs_no_list(drawn: Path) -> None:
    assert len(module(drawn, train="all").names("train")) == 11


def test_pictures_to_predict(drawn: Path, tmp_path: Path) -> None:
    assert len(module(drawn).prediction_dataset()) == 3
    assert len(module(drawn, images=str(drawn / "images")).prediction_dataset()) == 11
    with pytest.raises(DataError, match="no pictures"):
        module(drawn, images=str(tmp_path)).prediction_dataset()
    shutil.copy(drawn / "images/cell 0.png", tmp_path / "a.png")
    shutil.copy(drawn / "images/cell 0.png", tmp_path / "a.PNG")
    with pytest.raises(DataError, match=r"would both be predicted as a\.png; rename one"):
        module(drawn, images=str(tmp_path)).prediction_dataset()


def test_pictures_of_one_size_are_predicted_together(drawn: Path) -> None:
    data = ScribbleDataModule(str(drawn), eval_batch_size=3, images=str(drawn / "images"))
    assert [len(batch["name"]) for batch in data.predict_dataloader()] == [3, 3, 3, 2]
    data.eval_batch_size = 1
    assert all(len(batch["name"]) == 1 for batch in data.predict_dataloader())


def test_pictures_of_many_sizes_are_predicted_one_by_one(drawn: Path, tmp_path: Path) -> None:
    for index in range(2):
        with Image.open(drawn / f"images/cell {index}.png") as image:
            image.resize((40 + index, 30)).save(tmp_path / f"{index}.png")
    data = ScribbleDataModule(str(drawn), eval_batch_size=2, images=str(tmp_path))
    assert [len(batch["name"]) for batch in data.predict_dataloader()] == [1, 1]
    data.resize = (32, 32)
    assert [len(batch["name"]) for batch in data.predict_dataloader()] == [2]
