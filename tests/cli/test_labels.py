"""``predict`` and ``pseudolabel`` on a trained run."""

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.e2e.test_bad_input import relabel
from tests.e2e.test_train import write_config

from scribbleseg.annotation import read_label
from scribbleseg.cli.main import main
from scribbleseg.errors import ConfigError
from scribbleseg.inference.label_writer import LabelWriter
from scribbleseg.inference.pseudo_label import PseudoLabelWriter
from scribbleseg.methods import PartialCrossEntropy


@pytest.fixture(scope="module")
def run(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    config = write_config(folder, drawn, batch_size=4)
    steps = ["--trainer.max_steps", "60", "--trainer.val_check_interval", "60"]
    assert main(["fit", "--config", config, "--run", str(folder / "run"), *steps]) == 0
    return folder / "run"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))
    }


def test_one_file_and_pages(run: Path, drawn: Path, tmp_path: Path) -> None:
    """Each page of a TIFF gets the label of the same picture in a file of its own."""
    names = [f"cell {index}" for index in (8, 9, 10)]
    pages = [Image.open(drawn / f"images/{name}.png") for name in names]
    (tmp_path / "stacks").mkdir()
    pages[0].save(tmp_path / "stacks/z stack.tif", save_all=True, append_images=pages[1:])
    out, single = tmp_path / "out", tmp_path / "single"
    predict = ["predict", "--run", str(run)]
    assert main([*predict, "--data.images", str(tmp_path / "stacks"), "--out", str(out)]) == 0
    picture = str(drawn / "images/cell 9.png")
    assert main([*predict, "--data.images", picture, "--out", str(single)]) == 0
    assert list(contents(single)) == ["labels/cell 9.png", "overlays/cell 9.png"]
    for page, name in enumerate(names, start=1):
        label = read_label(out / f"labels/z stack/{page}.png")
        np.testing.assert_array_equal(label, read_label(run / f"predictions/{name}.png"))
    overlays = contents(out / "overlays")
    assert overlays["z stack/2.png"] == contents(single / "overlays")["cell 9.png"]


def test_predict_goes_on_where_it_was(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    predict = ["predict", "--run", str(run), "--out", str(tmp_path / "out")]
    assert main(predict) == 0
    whole = contents(tmp_path / "out")
    assert len(whole) == 6
    (tmp_path / "out/labels/cell 9.png").unlink()
    assert main(predict) == 2
    assert "exists and is not empty; go on with --resume" in capsys.readouterr().err
    written, original = [], LabelWriter._write

    def write(self: LabelWriter, name: str, decision: Any) -> None:
        written.append(name)
        original(self, name, decision)

    monkeypatch.setattr(LabelWriter, "_write", write)
    assert main([*predict, "--resume"]) == 0
    assert written == ["cell 9"]
    assert contents(tmp_path / "out") == whole
    assert main([*predict, "--resume"]) == 0  # nothing is left to do
    assert main([*predict, "--resume", "--model.inference.flip", "true"]) == 2
    assert "was made with other settings: inference" in capsys.readouterr().err
    assert main([*predict, "--resume", "--checkpoint", "best"]) == 2
    assert contents(tmp_path / "out") == whole


def test_unreadable_pictures_are_skipped_on_request_only(
    run: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(3):
        shutil.copy(drawn / f"images/cell {index}.png", pictures / f"{index}.png")
    (pictures / "1.png").write_bytes((pictures / "1.png").read_bytes()[:-200])
    predict = ["predict", "--run", str(run), "--data.images", str(pictures)]
    out = tmp_path / "out"
    assert main([*predict, "--out", str(out)]) == 2
    assert "1.png: cannot be read" in capsys.readouterr().err
    assert main([*predict, "--out", str(out), "--resume", "--skip_unreadable"]) == 0
    said = capsys.readouterr().out
    assert f"skipped {pictures / '1.png'}: cannot be read" in said
    assert "2 label images in" in said
    assert "1 pictures skipped" in said
    assert sorted(path.name for path in (out / "labels").iterdir()) == ["0.png", "2.png"]
    assert list(json.loads((out / "manifest.json").read_text())["skipped"]) == ["1"]


def test_folders_that_are_not_ours(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("a")
    assert main(["predict", "--run", str(run), "--out", str(tmp_path), "--resume"]) == 2
    assert "has no manifest.json, so nothing to resume" in capsys.readouterr().err
    missing = ["--data.images", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main(["predict", "--run", str(run), *missing]) == 2
    assert "none: no such file or folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_pages_that_cannot_be_read_are_skipped(
    run: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "bad.tif").write_bytes(b"nothing")
    with Image.open(drawn / "images/cell 0.png") as image:
        deep = Image.new("I;16", image.size)
        image.save(pictures / "two.tif", save_all=True, append_images=[deep])
    predict = ["predict", "--run", str(run), "--data.images", str(pictures), "--skip_unreadable"]
    assert main([*predict, "--out", str(tmp_path / "out")]) == 0
    assert "2 pictures skipped" in capsys.readouterr().out
    assert [p.name for p in (tmp_path / "out/labels").rglob("*.png")] == ["1.png"]


def test_names_that_only_look_alike(run: Path, drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "in/a").mkdir(parents=True)
    shutil.copy(drawn / "images/cell 0.png", tmp_path / "in/a.png")
    shutil.copy(drawn / "images/cell 1.png", tmp_path / "in/a/1.png")
    predict = ["predict", "--run", str(run), "--data.images", str(tmp_path / "in")]
    assert main([*predict, "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out/labels").rglob("*.png"))) == 2
    with Image.open(drawn / "images/cell 0.png") as image:
        image.save(tmp_path / "in/a.tif", save_all=True, append_images=[image])
    assert main([*predict, "--out", str(tmp_path / "out2")]) == 2


def test_predictions_do_not_go_among_the_pictures(
    run: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(drawn / "images/cell 0.png", tmp_path / "a.png")
    predict = ["predict", "--run", str(run), "--data.images", str(tmp_path)]
    assert main([*predict, "--out", str(tmp_path / "labels")]) == 2
    assert "so that predictions would be predicted again" in capsys.readouterr().err


def pseudolabel(run: Path, out: Path, *options: str) -> int:
    return main(["pseudolabel", "--run", str(run), "--out", str(out), *options])


def test_pseudo_labels(
    run: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pseudolabel(run, tmp_path / "all") == 0
    said = capsys.readouterr().out
    assert "pseudo labels against 8 masks" in said
    assert "100.0% of the pixels are labelled" in said
    assert pseudolabel(run, tmp_path / "sure", "--threshold", "0.7") == 0
    for index in range(8):
        name = f"cell {index}"
        label = read_label(tmp_path / f"all/{name}.png")
        confidence = np.asarray(Image.open(tmp_path / f"all/{name}.confidence.png"))
        sure = read_label(tmp_path / f"sure/{name}.png")
        scribble = read_label(drawn / f"scribbles/{name}.png")
        assert label.max() <= 2
        np.testing.assert_array_equal(label[scribble != 255], scribble[scribble != 255])
        assert (confidence[scribble != 255] == 255).all()
        np.testing.assert_array_equal(sure, np.where(confidence < 0.7 * 255, 255, label))
        assert 0 < (sure == 255).mean() < 1
    manifest = json.loads((tmp_path / "sure/manifest.json").read_text())
    assert manifest["state"] == "done"
    assert manifest["settings"]["thresholds"] == [0.7] * 3
    whole = json.loads((tmp_path / "all/manifest.json").read_text())["scores"]
    assert manifest["scores"]["pixel_accuracy"] > whole["pixel_accuracy"]
    assert manifest["scores"]["labelled_fraction"] < 1 == whole["labelled_fraction"]


def test_pseudo_labels_have_the_classes_of_the_image(
    run: Path, drawn: Path, tmp_path: Path
) -> None:
    """A class that is not in the scribble cannot be in the label; with --tags none it can."""
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    relabel(root / "scribbles/cell 3.png", 2, 255)
    (root / "tags.txt").write_text("".join(f"cell {i}\tsquare\n" for i in range(8)))
    with (root / "dataset.yaml").open("a") as file:
        file.write("tags: tags.txt\n")
    data = ["--data.root", str(root), "--scribbles", "false"]
    found = {}
    for tags in ("scribble", "none", "file", "mask"):
        assert pseudolabel(run, tmp_path / tags, *data, "--tags", tags) == 0
        found[tags] = set(np.unique(read_label(tmp_path / tags / "cell 3.png")).tolist())
    assert found == {"scribble": {0, 1}, "none": {0, 1, 2}, "file": {0, 2}, "mask": {0, 1, 2}}


def test_images_without_strokes_may_have_any_class(run: Path, drawn: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    (root / "scribbles/cell 2.png").unlink()
    relabel(root / "scribbles/cell 3.png", 0, 255)
    for value in (1, 2):
        relabel(root / "scribbles/cell 3.png", value, 255)
    assert pseudolabel(run, tmp_path / "out", "--data.root", str(root)) == 0
    for index in (2, 3):
        assert len(np.unique(read_label(tmp_path / f"out/cell {index}.png"))) > 1


def test_images_that_bring_tags_only_have_labels_of_these(
    run: Path, drawn: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    for index in (4, 5, 6, 7):
        (root / f"scribbles/cell {index}.png").unlink()
    relabel(root / "scribbles/cell 3.png", 1, 255)
    kinds = ["scribble"] * 4 + ["tags"] * 4
    (root / "kinds.txt").write_text("".join(f"cell {i}\t{k}\n" for i, k in enumerate(kinds)))
    (root / "tags.txt").write_text("".join(f"cell {i}\tdisc\n" for i in range(4, 8)))
    with (root / "dataset.yaml").open("a") as file:
        file.write("tags: tags.txt\n")
    (root / "square.txt").write_text("".join(f"cell {i}\tsquare\n" for i in range(4, 8)))
    data = ["--data.root", str(root), "--data.supervision", "kinds.txt", "--scribbles", "false"]
    for tags in ("scribble", "file"):  # what the file does not name comes from the strokes
        assert pseudolabel(run, tmp_path / tags, *data, "--tags", tags) == 0
        for index, classes in {0: {0, 1, 2}, 3: {0, 2}, 4: {0, 1}, 7: {0, 1}}.items():
            label = read_label(tmp_path / tags / f"cell {index}.png")
            assert set(np.unique(label).tolist()) == classes
    assert pseudolabel(run, tmp_path / "other", *data, "--data.tags", "square.txt") == 0
    assert set(np.unique(read_label(tmp_path / "other/cell 4.png")).tolist()) == {0, 2}


def test_a_method_refuses_tags_before_anything_is_written(
    run: Path,
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def check_tags(self: Any, source: str, untagged: list[str]) -> None:
        if untagged:
            raise ConfigError(f"{source}: {', '.join(untagged)}")

    monkeypatch.setattr(PartialCrossEntropy, "check_tags", check_tags)
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    (root / "scribbles/cell 2.png").unlink()
    for value in (0, 1, 2):
        relabel(root / "scribbles/cell 3.png", value, 255)
    for tags, said in {"scribble": "scribble: cell 2, cell 3", "none": "none: cell 0, "}.items():
        out, data = tmp_path / tags, ["--data.root", str(root)]
        assert pseudolabel(run, out, *data, "--tags", tags) == 2
        assert said in capsys.readouterr().err
        assert not out.exists()
    assert pseudolabel(run, tmp_path / "none", "--data.root", str(root), "--tags", "mask") == 0


def test_bad_files_are_said_before_anything_is_written(
    run: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    relabel(root / "scribbles/cell 3.png", 1, 200)
    assert pseudolabel(run, tmp_path / "out", "--data.root", str(root)) == 2
    assert "cell 3.png: label 200 on" in capsys.readouterr().err
    Image.new("L", (5, 4)).save(root / "scribbles/cell 3.png")
    assert pseudolabel(run, tmp_path / "out", "--data.root", str(root)) == 2
    assert "cell 3.png: label is 5x4 but" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_other_data_are_other_settings(
    run: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    assert pseudolabel(run, tmp_path / "out") == 0
    assert pseudolabel(run, tmp_path / "out", "--resume", "--data.root", str(root)) == 2
    assert "was made with other settings: data" in capsys.readouterr().err


def test_other_tags_or_scribbles_are_other_settings(
    run: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    shutil.copytree(root / "scribbles", root / "others")
    tags = root / "tags.txt"
    tags.write_text("".join(f"cell {i}\tsquare\n" for i in range(8)))
    data = ["--data.root", str(root), "--data.tags", "tags.txt", "--tags", "file"]
    assert pseudolabel(run, tmp_path / "out", *data) == 0
    assert pseudolabel(run, tmp_path / "out", *data, "--resume") == 0
    capsys.readouterr()
    assert pseudolabel(run, tmp_path / "out", *data, "--resume", "--data.scribbles", "others") == 2
    assert "was made with other settings: scribble_folder" in capsys.readouterr().err
    tags.write_text(tags.read_text().replace("square", "disc"))
    assert pseudolabel(run, tmp_path / "out", *data, "--resume") == 2
    assert "was made with other settings: tags_file" in capsys.readouterr().err


def test_thresholds_of_single_classes(run: Path, tmp_path: Path) -> None:
    options = ["--threshold", "[0, 1.0, 0]", "--scribbles", "false", "--split", "test"]
    assert pseudolabel(run, tmp_path / "out", *options) == 0
    label = read_label(tmp_path / "out/cell 8.png")
    confidence = np.asarray(Image.open(tmp_path / "out/cell 8.confidence.png"))
    assert (confidence[label == 1] == 255).all()
    assert confidence[label == 2].min() < 255
    assert 255 in label


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "1.5"], "--threshold: 1.5; expected one value in 0..1"),
        (["--threshold", "[0.5, 0.5]"], "one for each of the 3 classes"),
        (["--split", "tain"], "--split: 'tain' is not one of train, val, test"),
        (["--tags", "masks"], "tags: Expected a Literal"),
        (["--tags", "file"], "set 'tags: FILE' in"),
        (["--data.images", "x"], "data.images: pseudolabel takes a list of the dataset"),
    ],
)
def test_mistakes(
    run: Path,
    tmp_path: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert pseudolabel(run, tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_pseudo_labels_go_on(run: Path, tmp_path: Path, signum: int) -> None:
    assert pseudolabel(run, tmp_path / "whole") == 0

    def target() -> None:
        original, calls = PseudoLabelWriter.on_predict_batch_end, []

        def stops(*args: Any, **kwargs: Any) -> None:
            original(*args, **kwargs)
            calls.append(1)
            if len(calls) == 3:
                os.kill(os.getpid(), signum)

        PseudoLabelWriter.on_predict_batch_end = stops  # type: ignore[method-assign]
        os._exit(pseudolabel(run, tmp_path / "stopped"))

    process = multiprocessing.get_context("fork").Process(target=target)
    process.start()
    process.join(60)
    assert process.exitcode == (-signum if signum == signal.SIGKILL else 128 + signum)
    assert len(list((tmp_path / "stopped").glob("*.confidence.png"))) == 3
    assert json.loads((tmp_path / "stopped/manifest.json").read_text())["state"] == "unfinished"
    assert pseudolabel(run, tmp_path / "stopped", "--resume") == 0
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    whole, resumed = (
        (tmp_path / folder / "manifest.json").read_text() for folder in ("whole", "stopped")
    )
    assert whole == resumed


def test_more_looks_are_options_of_the_command_line(run: Path, tmp_path: Path) -> None:
    looks = ["--model.inference.scales", "[0.5, 1.0]", "--model.inference.flip", "true"]
    assert main(["predict", "--run", str(run), "--out", str(tmp_path / "one")]) == 0
    assert main(["predict", "--run", str(run), "--out", str(tmp_path / "more"), *looks]) == 0
    assert main(["predict", "--run", str(run), "--out", str(tmp_path / "cdsp"),
                 "--model.protocol", "cdsp_voc"]) == 0  # fmt: skip
    kinds = [contents(tmp_path / folder / "labels") for folder in ("one", "more", "cdsp")]
    assert kinds[0] != kinds[1] != kinds[2]
    settings = json.loads((tmp_path / "cdsp/manifest.json").read_text())["settings"]
    assert settings["inference"]["window"] == [465, 465]


def test_protocols_are_found_by_name(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", "--run", str(run), "--model.protocol", "cdsp_vco"]) == 2
    assert "cdsp_voc" in capsys.readouterr().err


def test_strokes_that_training_did_not_read_are_not_in_its_labels(
    run: Path, drawn: Path, tmp_path: Path
) -> None:
    """Of eight images three bring masks, the others tags, though all of them have strokes."""
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    for index in range(8):
        relabel(root / f"scribbles/cell {index}.png", 1, 2)
    (root / "discs.txt").write_text("".join(f"cell {index}\tdisc\n" for index in range(3, 8)))
    simple = ["--data.root", str(root), "--data.supervision", "mask", "--data.labelled_first", "3"]
    assert pseudolabel(run, tmp_path / "out", *simple, "--data.tags", "discs.txt") == 0
    assert pseudolabel(run, tmp_path / "all", "--data.root", str(root)) == 0
    for index in range(8):
        label = read_label(tmp_path / f"out/cell {index}.png")
        assert set(np.unique(label)) == ({0, 1, 2} if index < 3 else {0, 1})
        assert 1 not in read_label(tmp_path / f"all/cell {index}.png")
