"""Every command on real data, with a budget of a few steps."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scribbleseg.annotation import read_label
from scribbleseg.cli.main import main

pytestmark = pytest.mark.data

SHORT = ["--trainer.max_steps", "3", "--trainer.val_check_interval", "3", "--data.num_workers", "0"]


@pytest.fixture(scope="module")
def acdc_run(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("acdc") / "run"
    config = ["--config", "acdc/partial_ce_hull_small.yaml", "--data.root", str(data_root / "acdc")]
    assert main(["fit", *config, "--run", str(run), *SHORT]) == 0
    return run


def test_acdc_ends_with_3d_scores_at_native_resolution(acdc_run: Path, data_root: Path) -> None:
    scores = json.loads((acdc_run / "metrics.json").read_text())["test"]
    volumes = scores["volumes"]
    assert (scores["images"], volumes["count"]) == (390, 40)
    assert set(volumes["classes"]) == {"RV", "MYO", "LV"}
    masks = data_root / "acdc/SegmentationClass"
    names = [path.stem for path in (acdc_run / "predictions").glob("*.png")]
    sizes = {read_label(masks / f"{name}.png").shape for name in names}
    assert len(sizes) > 5
    for name in names[::40]:
        predicted = read_label(acdc_run / "predictions" / f"{name}.png")
        assert predicted.shape == read_label(masks / f"{name}.png").shape
    assert sum(map(sum, scores["confusion"])) == sum(
        read_label(masks / f"{name}.png").size for name in names
    )
    assert (acdc_run / "report/test.png").is_file()


def test_acdc_is_validated_and_tested_again(acdc_run: Path) -> None:
    before = json.loads((acdc_run / "metrics.json").read_text())["test"]
    assert main(["validate", "--run", str(acdc_run), "--checkpoint", "best"]) == 0
    assert main(["test", "--run", str(acdc_run)]) == 0
    after = json.loads((acdc_run / "metrics.json").read_text())
    assert after["test"] == before
    assert after["val"]["confusion"] == before["confusion"]  # the same list, counted on the fly


def test_acdc_predictions_are_what_evaluate_reads(
    acdc_run: Path, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    names = (data_root / "acdc/ImageSets/fold1_val.txt").read_text().split()[:20]
    for name in names:
        (pictures / f"{name}.png").symlink_to(data_root / f"acdc/images/{name}.png")
    out = tmp_path / "out"
    predict = ["predict", "--run", str(acdc_run), "--data.images", str(pictures), "--out", str(out)]
    assert main(predict) == 0
    for name in names:
        assert np.array_equal(
            read_label(out / f"labels/{name}.png"), read_label(acdc_run / f"predictions/{name}.png")
        )
    capsys.readouterr()
    masks = str(data_root / "acdc/SegmentationClass")
    assert main(["evaluate", str(out / "labels"), masks, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 20


def test_camvid(data_root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = ["--config", "camvid/partial_ce_small.yaml", "--data.root", str(data_root / "camvid")]
    assert main(["fit", *config, "--run", str(run), *SHORT]) == 0
    scores = json.loads((run / "metrics.json").read_text())["test"]
    assert scores["images"] == 173
    void = 0.0362  # share of the test frames, as the dataset's own description gives it
    assert sum(map(sum, scores["confusion"])) / (173 * 480 * 360) == pytest.approx(1 - void, 2e-3)
    with Image.open(next((run / "predictions").glob("*.png"))) as label:
        assert (label.mode, label.size) == ("P", (480, 360))


def test_voc(data_root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = [
        "--config",
        "voc/partial_ce.yaml",
        "--data.root",
        str(data_root / "voc_sample/VOC2012"),
    ]
    small = ["--model.network.weights", "none", "--model.network.encoder", "resnet18"]
    lists = ["--data.train", "all", "--data.batch_size", "2", "--trainer.precision", "32"]
    assert main(["fit", *config, *small, *lists, "--run", str(run), *SHORT]) == 0
    assert json.loads((run / "metrics.json").read_text())["test"]["images"] == 1
