"""A run on the drawn dataset, and the models that are made of it."""

from pathlib import Path

import pytest
from tests.e2e.test_train import write_config

from scribbleseg.cli.main import main
from scribbleseg.exchange import ModelDescription, NetworkSpec, Picture


@pytest.fixture(scope="session")
def run(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 30 steps; not to be changed."""
    folder = tmp_path_factory.mktemp("run")
    run = folder / "run"
    config = write_config(folder, drawn, batch_size=4)
    steps = ["--trainer.max_steps", "30", "--trainer.val_check_interval", "10"]
    assert main(["fit", "--config", config, "--run", str(run), *steps]) == 0
    return run


@pytest.fixture
def small() -> ModelDescription:
    """A network of a few hundred weights."""
    return ModelDescription(
        NetworkSpec("PlainUNet", {"widths": [2, 4]}),
        ("ground", "cell", "Zelle | <b>"),
        picture=Picture("L", (0.1,), (0.5,)),
    )
