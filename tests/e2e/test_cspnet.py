"""CSPNet from end to end: names and strokes, pseudo labels of activation maps, segmentation."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from scribbleseg.annotation import read_label
from scribbleseg.cli.main import main

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def recipe(drawn: Path, tmp_path: Path) -> Path:
    """The recipe of the embedded example, on another dataset, in four steps."""
    content = yaml.safe_load((CONFIGS / "recipes/cspnet_shapes.yaml").read_text())
    del content["run"]
    few = {"data.root": str(drawn), "data.layout": "folder", "data.num_workers": 0}
    few |= {"data.resize": [48, 48], "data.batch_size": 4}
    few |= {"trainer.max_steps": 2, "trainer.val_check_interval": 2}
    vit = {"depth": 3, "embed_dim": 24, "decoder_channels": 8, "img_size": 48}
    content["stages"]["toco"]["options"] |= few | {
        **{f"model.network.init_args.{name}": value for name, value in vit.items()},
        "model.local_crops": 2,
        "model.local_size": 16,
        "model.projection": [16, 8, 12],
    }
    content["stages"]["segmentation"]["options"] |= few | {
        "model.network.init_args.widths": [4, 8, 8]
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.mark.slow
def test_names_and_strokes_become_pseudo_labels_and_a_network(
    recipe: Path,
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("scribbleseg.cli.run.run_in_child", main)
    run = tmp_path / "run"
    assert main(["run", str(recipe), "--run", str(run)]) == 0
    manifest = json.loads((run / "labels/manifest.json").read_text())
    assert manifest["settings"]["cam_labels"]["background_score"] == [0.5]
    labels = sorted(path for path in (run / "labels").glob("*.png") if "." not in path.stem)
    assert labels
    for path in labels:
        label, strokes = read_label(path), read_label(drawn / "scribbles" / path.name)
        known = strokes != 255
        assert (label[known] == strokes[known]).all()
        assert set(np.unique(label)) <= {0, *np.unique(strokes[known])}
    metrics = json.loads((run / "segmentation/metrics.json").read_text())
    assert 0 <= metrics["test"]["miou"] <= 1

    # Other labels of the same maps need another folder.
    again = ["pseudolabel", "--run", str(run / "toco"), "--out", str(run / "labels"), "--resume"]
    assert main([*again, "--model.cam_labels.background_score", "[0.3]"]) == 2
    assert "was made with other settings: cam_labels" in capsys.readouterr().err
    other = ["pseudolabel", "--run", str(run / "toco"), "--out", str(tmp_path / "decoder")]
    assert main([*other, "--model.labels_from", "decoder", "--tags", "none"]) == 0
    maps = ["pseudolabel", "--run", str(run / "toco"), "--out", str(tmp_path / "maps")]
    assert main([*maps, "--tags", "none"]) == 2
    assert not (tmp_path / "maps").exists()  # so that the corrected command can go there
