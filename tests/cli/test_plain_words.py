"""What somebody else's exception says of an option or of the machine, in one line."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.e2e.test_train import write_config

from scribbleseg.cli.main import main
from scribbleseg.cli.plain_words import in_plain_words, refused_option
from scribbleseg.errors import ConfigError

OPTIONS = {
    "model.network.init_args.widths": ("[]", "widths has 0 level(s): []; a U-Net needs two"),
    "model.inference.stride": ("2", "stride"),
    "model.inference.scales": ("[0]", "scales"),
    "model.ema_decay": ("2", "model.ema_decay is 2.0; expected 0 to 1, or null"),
    "model.optimization.lr": ("-1", "model.optimization.lr is -1.0; expected 0 or more"),
    "trainer.accelerator": ("gpuu", "gpuu"),
    "trainer.devices": ("0", "devices"),
    "trainer.max_steps": ("-5", "max_steps"),
    "trainer.val_check_interval": ("0", "trainer.val_check_interval is 0; expected steps"),
    "model": ("PartialCE", "model: no class is called 'PartialCE'; did you mean 'PartialCrossEntr"),
    "model.network": ("UNett", "model.network: no class is called 'UNett'; did you mean 'UNet'? T"),
    "data.num_workers": ("-1", "data.num_workers: -1; expected 0 or more"),
    "data.resize": ("[0, 64]", "data.resize: (0, 64); expected sides of 1 or more"),
}
"""Options that their classes refuse, not the parser; and part of the line."""


def fit(drawn: Path, folder: Path, *words: str) -> int:
    config = write_config(folder, drawn)
    return main(["fit", "--config", config, "--run", str(folder / "run"), *words])


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_cannot_be_used_is_one_line(
    option: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value, message = OPTIONS[option]
    assert fit(drawn, tmp_path, f"--{option}", value) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("scribbleseg: error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_weights_that_are_not_there_are_one_line(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of the guide's first command, on a machine that reaches nothing."""
    line = ["fit", "--config", "folder/partial_ce.yaml", "--data.root", str(drawn)]
    weights = ["--model.network.init_args.weights", str(tmp_path / "none.pth")]
    assert main([*line, "--run", str(tmp_path / "run"), *weights]) == 2
    error = capsys.readouterr().err
    assert "none.pth" in error
    assert error.count("\n") == 1


def test_a_fault_in_somebodys_code_keeps_its_traceback(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: Any, **__: Any) -> None:
        raise AttributeError("their own")

    monkeypatch.setattr("scribbleseg.networks.PlainUNet.__init__", faulty)
    with pytest.raises(Exception, match="their own"):
        fit(drawn, tmp_path)


def test_our_own_error_is_found_below_others() -> None:
    ours = ConfigError("ours")
    wrapped = ValueError("every option, over many lines")
    wrapped.__cause__ = ours
    ours.__context__ = ValueError("what it was made of")
    assert refused_option(wrapped) is ours
    assert str(refused_option(ValueError("two\n  lines"))) == "two lines"
    assert refused_option(AttributeError("theirs")) is None


def test_a_worker_that_dies_while_it_answers_is_explained() -> None:
    lost, data = ConnectionResetError(104, "Connection reset by peer"), SimpleNamespace()
    data.num_workers = 2
    plain = in_plain_words(lost, cast("Any", data), training=True)
    assert "DataLoader worker is gone ([Errno 104] Connection reset by peer)" in str(plain)
    data.num_workers = 0
    assert in_plain_words(lost, cast("Any", data), training=True) is None
