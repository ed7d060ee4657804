"""The demo, with a budget of a few steps."""

import json
from pathlib import Path

import pytest
from PIL import Image

from scribbleseg.cli.main import main

SHORT = ["--trainer.max_steps", "3", "--trainer.val_check_interval", "3"]


def test_demo_ends_with_a_table_and_a_picture(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *SHORT, "--data.num_workers", "0"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("disc", "star", "mean, classes present"))
    assert "picture: runs/demo/report/test.png" in shown
    with Image.open(workplace / "runs/demo/report/test.png") as picture:
        assert min(picture.size) > 500
    assert json.loads((workplace / "runs/demo/metrics.json").read_text())["test"]["images"] == 100
    # a second demo replaces the first
    assert main(["demo", *SHORT, "--data.num_workers", "0", "--seed_everything", "1"]) == 0
    assert "seed_everything: 1" in (workplace / "runs/demo/config.yaml").read_text()
