"""The page that says how a method is added: its example trains as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.test_train import write_config

PAGE = Path(__file__).parents[2] / "docs/guide/add-a-method.md"
PROGRAM = Path(sys.executable).with_name("scribbleseg")


def test_the_example_trains_from_the_folder_it_lies_in(drawn: Path, tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "mylab.py").write_text(found[1], encoding="utf-8")
    # A file that is called as a library is must not take its place.
    (tmp_path / "torch.py").write_text("raise SystemExit('the wrong torch')")
    config = write_config(tmp_path, drawn)
    words = ["--model", "mylab.SmoothedStrokes", "--model.smoothing", "0.2"]
    line = [PROGRAM, "fit", "--config", config, "--run", "run", *words]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for command in (line, [PROGRAM, "test", "--run", "run"]):
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    assert "mylab.SmoothedStrokes" in (tmp_path / "run/config.yaml").read_text()
