"""The training commands on a drawn dataset, in process."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from scribbleseg.annotation import read_label
from scribbleseg.cli.main import main

LEARNED = 0.8


def write_config(
    folder: Path,
    root: Path,
    *,
    method: str = "PartialCrossEntropy",
    method_options: Mapping[str, Any] = MappingProxyType({}),
    **data: Any,
) -> str:
    """A config of a few seconds on the drawn dataset."""
    config = {
        "model": {
            "class_path": f"scribbleseg.methods.{method}",
            "init_args": {
                "network": {
                    "class_path": "scribbleseg.networks.PlainUNet",
                    "init_args": {"widths": [6, 12, 24], "dropout": [0.0, 0.1, 0.1]},
                },
                "optimization": {"lr": 0.03},
                **method_options,
            },
        },
        "data": {
            "root": str(root),
            "batch_size": 2,
            "transforms": [
                {"class_path": "torchvision.transforms.v2.RandomHorizontalFlip"},
                {
                    "class_path": "scribbleseg.data.transforms.RandomRotation",
                    "init_args": {"degrees": 10},
                },
            ],
            **data,
        },
        "trainer": {
            "accelerator": "cpu",
            "max_steps": 6,
            "val_check_interval": 2,
            "check_val_every_n_epoch": None,
            "log_every_n_steps": 1,
        },
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def metrics(run: Path, split: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())[split]
    return found


def weights(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    state: dict[str, torch.Tensor] = checkpoint["state_dict"]
    return state


@pytest.fixture(scope="module")
def trained(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 120 steps with the far-field prior."""
    folder = tmp_path_factory.mktemp("trained")
    config = write_config(folder, drawn, background_prior="hull", batch_size=4)
    run = folder / "run"
    assert main(["fit", "--config", config, "--run", str(run), "--trainer.max_steps", "120",
                 "--trainer.val_check_interval", "20"]) == 0  # fmt: skip
    return run


def test_the_run_folder_holds_what_it_should(trained: Path) -> None:
    names = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    assert {
        "config.yaml",
        "environment.json",
        "status.json",
        "metrics.csv",
        "metrics.json",
        "metrics.txt",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "predictions/cell 8.png",
        "report/index.html",
        "report/test.png",
    } <= names
    assert any(name.startswith("events/events.out.tfevents") for name in names)
    assert "lock" not in names
    status = json.loads((trained / "status.json").read_text())
    assert (status["state"], status["steps"]) == ("done", 120)
    environment = json.loads((trained / "environment.json").read_text())
    assert environment["seed"] == 0
    assert environment["device"] == "cpu"
    rows = list(csv.DictReader((trained / "metrics.csv").read_text().splitlines()))
    assert {"loss/partial_ce", "loss/far_background", "loss/total", "val/miou"} <= set(rows[0])
    losses = [float(row["loss/total"]) for row in rows if row["loss/total"]]
    assert len(losses) == 120
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) / 2


def test_it_has_learned_and_the_scores_are_those_of_the_pictures(
    trained: Path, drawn: Path
) -> None:
    scores = metrics(trained, "test")
    assert scores["miou"] > LEARNED
    hits = union = 0
    for index in (8, 9, 10):
        predicted = read_label(trained / "predictions" / f"cell {index}.png")
        truth = read_label(drawn / "masks" / f"cell {index}.png")
        assert predicted.shape == truth.shape
        hits += int(((predicted == 1) & (truth == 1)).sum())
        union += int(((predicted == 1) | (truth == 1)).sum())
    assert scores["classes"]["disc"]["iou"] == pytest.approx(hits / union)


def test_validate_and_test_repeat_the_numbers(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = metrics(trained, "test")
    assert main(["test", "--run", str(trained), "--checkpoint", "best"]) == 0
    assert metrics(trained, "test")["checkpoint"] == "best"
    assert main(["validate", "--run", str(trained)]) == 0
    assert main(["test", "--run", str(trained)]) == 0
    assert metrics(trained, "test") == before
    # the validation list of the drawn dataset is its test list: counts on the fly, and from files
    assert metrics(trained, "val")["confusion"] == before["confusion"]
    assert "3 images, pooled pixels" in capsys.readouterr().out


def test_the_config_of_a_run_repeats_it(trained: Path, tmp_path: Path) -> None:
    assert (
        main(["fit", "--config", str(trained / "config.yaml"), "--run", str(tmp_path / "again")])
        == 0
    )
    first, again = weights(trained), weights(tmp_path / "again")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert metrics(tmp_path / "again", "test")["confusion"] == metrics(trained, "test")["confusion"]


def test_predict_writes_labels_of_the_pictures_size(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "more").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (37, 53, 3)).astype(np.uint8)
    Image.fromarray(noise).save(pictures / "odd.jpg")
    Image.fromarray(noise[:20]).save(pictures / "more" / "grün.png")
    out = tmp_path / "out"
    assert (
        main(["predict", "--run", str(trained), "--data.images", str(pictures), "--out", str(out)])
        == 0
    )
    assert "2 label images" in capsys.readouterr().out
    assert read_label(out / "labels/odd.png").shape == (37, 53)
    assert read_label(out / "labels/more/grün.png").shape == (20, 53)
    with (
        Image.open(out / "labels/odd.png") as label,
        Image.open(out / "overlays/odd.png") as tinted,
    ):
        assert (label.mode, label.size) == ("P", (53, 37))
        assert (tinted.mode, tinted.size) == ("RGB", (53, 37))
    assert (
        main(["predict", "--run", str(trained), "--data.images", str(pictures), "--out", str(out)])
        == 2
    )
    assert "exists and is not empty" in capsys.readouterr().err


def test_predictions_are_what_evaluate_reads(
    trained: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "--run", str(trained), "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "out/labels"), str(drawn / "masks"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["confusion"] == metrics(trained, "test")["confusion"]


def test_weights_can_be_tested_without_their_run(
    trained: Path, drawn: Path, tmp_path: Path
) -> None:
    """Only the checkpoint is left; what made it is not known."""
    config = Path(write_config(tmp_path, drawn))
    config.write_text(config.read_text().replace("trainer:", "trainer:\n  plugins: null"))
    run, weights = tmp_path / "elsewhere", str(trained / "checkpoints/last.ckpt")
    test = ["test", "--config", str(config), "--run", str(run), "--checkpoint", weights]
    assert main(test) == 0
    assert metrics(run, "test")["miou"] == metrics(trained, "test")["miou"]
    page = (run / "report/index.html").read_text()
    assert "PartialCrossEntropy for 120 steps" in page
    assert "git revision" not in page


def test_training_begins_with_the_weights_of_a_folder(
    trained: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--run", str(trained), str(tmp_path / "model")]) == 0
    fit = ["fit", "--config", write_config(tmp_path, drawn), "--trainer.max_steps", "1",
           "--model.optimization.lr", "1e-12", "--initial_weights"]  # fmt: skip
    assert main([*fit, str(tmp_path / "model"), "--run", str(tmp_path / "run")]) == 0
    before, after = weights(trained), weights(tmp_path / "run")
    assert all(
        torch.allclose(before[name], after[name], atol=1e-6)
        for name in before
        if name.endswith(("weight", "bias"))
    )
    wider = ["--model.network.init_args.widths", "[8, 12, 24]"]
    capsys.readouterr()
    assert main([*fit, str(tmp_path / "model"), "--run", str(tmp_path / "w"), *wider]) == 2
    assert "weights do not fit the network" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_an_empty_section_is_refused(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path(write_config(tmp_path, drawn))
    config.write_text(config.read_text().partition("trainer:")[0] + "trainer:\n")
    assert main(["fit", "--config", str(config), "--run", str(tmp_path / "run")]) == 2
    assert "section 'trainer:' of the config is empty" in capsys.readouterr().err


def test_full_masks_and_other_methods_check_what_the_images_bring(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    line = ["fit", "--config", write_config(tmp_path, drawn), "--run", str(run)]
    line += ["--model", "scribbleseg.methods.FullSupervision", "--trainer.max_steps", "2"]
    assert main(line) == 2
    error = capsys.readouterr().err
    assert "the training images bring scribble, but FullSupervision needs mask" in error
    assert not run.exists()
    assert main([*line, "--data.supervision", "mask"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data.rot", "x"], "'data.rot' is unknown; did you mean 'root'?"),
        (
            ["--trainer.max_epoch", "3"],
            "'trainer.max_epoch' is unknown; did you mean 'max_epochs'?",
        ),
        (["--model.network.width", "[1,2]"], "'width' is unknown; did you mean 'widths'?"),
        (["--data.batch_size", "many"], "data.batch_size: Expected a int. Got value: many"),
        (
            ["--data.background_prior", "hul"],
            "data.background_prior: Expected a Literal['none', 'hull']",
        ),
        (["--data.layout", "acd"], "no layout 'acd'; did you mean 'acdc'?"),
        (["--data.root", "nowhere"], "data.root: no folder 'nowhere'; looked for"),
        (["--data.train", "trian"], "list 'trian' not found"),
        (
            ["--data.batch_size", "9"],
            "data.batch_size: 9 on 1 process(es) is more than the 8 training images",
        ),
        (
            ["--model.network.class_path", "scribbleseg.networks.PlainUNt"],
            "'scribbleseg.networks.PlainUNt' is unknown",
        ),
        (["--resume", "--overwrite"], "exclude each other"),
        (["--config", "nosuch.yaml"], "--config: no file 'nosuch.yaml'; the library has"),
        (["--config", "shapes/partialce.yaml"], "mean the library's 'shapes/partial_ce.yaml'?"),
        (["--max_steps", "4"], "error: 'max_steps' is unknown; did you mean '--trainer.max_steps"),
        (["--data.batchsize=4"], "error: 'data.batchsize' is unknown; did you mean 'batch_size'?"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing_behind(
    drawn: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config, run = write_config(tmp_path, drawn), tmp_path / "run"
    assert main(["fit", "--config", config, "--run", str(run), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().count("\n") == 0
    assert not run.exists()


def test_mistakes_in_a_file_name_the_line(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(write_config(tmp_path, drawn))
    path.write_text(path.read_text().replace("batch_size", "batchsize"))
    assert main(["fit", "--config", str(path), "--run", str(tmp_path / "run")]) == 2
    assert (
        f"{path}, line 2: 'data.batchsize' is unknown; did you mean 'batch_size'?"
        in capsys.readouterr().err
    )


def test_commands_on_a_run_ask_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test"]) == 2
    assert "which run? Give its folder: --run DIR" in capsys.readouterr().err
    assert main(["test", "--run", str(tmp_path)]) == 2
    assert "config.yaml: no such file" in capsys.readouterr().err
    assert main(["fit", "--resume", "--run", str(tmp_path / "none")]) == 2


def test_the_default_folder_is_named_after_dataset_config_and_seed(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = write_config(tmp_path, drawn)
    command = ["fit", "--config", config, "--seed_everything", "3", "--trainer.max_steps", "1"]
    assert main(command) == 0
    assert (tmp_path / "runs" / drawn.name / "tiny/seed3/status.json").is_file()
    assert main(command) == 2
    assert "exists (done); continue it with --resume" in capsys.readouterr().err


def test_scores_of_training_images_are_said_to_be_that(
    drawn: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, run = write_config(tmp_path, drawn), str(tmp_path / "run")
    assert main(["fit", "--config", config, "--run", run, "--trainer.max_steps", "1"]) == 0
    assert "among the training images" not in caplog.text
    assert main(["test", "--run", run, "--data.test", "train"]) == 0
    assert "8 of 8 test images are among the training images (" in caplog.text
