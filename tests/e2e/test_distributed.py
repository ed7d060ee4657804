"""Two processes give the numbers of one."""

import csv
import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities import rank_zero_only
from tests.e2e.test_train import weights, write_config

from scribbleseg.annotation import write_label
from scribbleseg.cli.main import main
from scribbleseg.methods import PartialCrossEntropy
from scribbleseg.recipes import checkpoint

pytestmark = [pytest.mark.ddp, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]

TWO = ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
ONE = ["--trainer.devices", "1", "--trainer.strategy", "auto"]


def in_two_processes(*arguments: str) -> None:
    program = Path(sys.executable).parent / "scribbleseg"
    done = subprocess.run(
        [str(program), *arguments, *TWO], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def full_disk(path: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def trouble(mode: str, folder: Path, rank: int) -> None:
    """Let something happen in the third or last step of a process, and keep its weights."""
    calls, original = [], PartialCrossEntropy.training_loss

    def training_loss(self: PartialCrossEntropy, batch: Any) -> Any:
        calls.append(batch)
        terms, logits = original(self, batch)
        if len(calls) == 3 and mode == "term" and rank == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        if len(calls) == 6 and mode == "term late" and rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        if len(calls) == 3 and mode == "disk full" and rank == 0:
            checkpoint._check_archive = full_disk  # type: ignore[assignment]
        if len(calls) == 3 and mode == "nan" and rank == 1:
            terms = {name: term * float("nan") for name, term in terms.items()}
        return terms, logits

    def on_fit_end(self: PartialCrossEntropy) -> None:
        torch.save([p.detach() for p in self.net.parameters()], folder / f"weights{rank}.pt")

    PartialCrossEntropy.training_loss = training_loss  # type: ignore[method-assign]
    PartialCrossEntropy.on_fit_end = on_fit_end  # type: ignore[method-assign]


def process(rank: int, port: int, mode: str, folder: Path, arguments: tuple[str, ...]) -> None:
    """One of two processes, set up as torchrun does."""
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2",
        "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "LOCAL_WORLD_SIZE": "2",
        "TORCHELASTIC_RUN_ID": "test",
    }  # fmt: skip
    rank_zero_only.rank = rank  # read from the environment when it is imported
    sys.stdout = sys.stderr = (folder / f"output{rank}.txt").open("w")
    trouble(mode, folder, rank)
    code = main([*arguments, *TWO])
    sys.stdout.close()
    os._exit(code)


def forked(folder: Path, *arguments: str, mode: str = "none") -> tuple[int, str]:
    """Run a command in two processes; the first one's exit code, and what both said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    both = [
        fork.Process(target=process, args=(rank, port, mode, folder, arguments)) for rank in (0, 1)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    said = "".join((folder / f"output{rank}.txt").read_text() for rank in (0, 1))
    codes = [one.exitcode for one in both]
    for one in both:
        one.kill()
    assert codes[1] in {0, codes[0]}, said
    assert codes[0] is not None, said
    return codes[0], said


def digests(folder: Path) -> list[str]:
    return [
        hashlib.sha256(b"".join(p.numpy().tobytes() for p in torch.load(path))).hexdigest()
        for path in sorted(folder.glob("weights?.pt"))
    ]


def counts(run: Path) -> dict[str, Any]:
    scores = json.loads((run / "metrics.json").read_text())
    return {split: scores[split]["confusion"] for split in scores}


@pytest.fixture(scope="module")
def run(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    in_two_processes("fit", "--config", write_config(folder, drawn), "--run", str(folder / "run"))
    return folder / "run"


def test_training_leaves_one_whole_run_folder(run: Path) -> None:
    environment = json.loads((run / "environment.json").read_text())
    assert environment["processes"] == 2
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["steps"]) == ("done", 6)
    assert len(list((run / "predictions").glob("*.png"))) == 3
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows if row["loss/total"]] == [0, 1, 2, 3, 4, 5]
    assert len([row for row in rows if row["val/miou"]]) == 3


def test_counts_of_an_odd_number_of_images_are_those_of_one_process(
    run: Path, tmp_path: Path
) -> None:
    """3 images on 2 processes: none is counted twice, none is left out."""
    assert main(["validate", "--run", str(run), *ONE]) == 0
    assert main(["test", "--run", str(run), *ONE]) == 0
    alone = counts(run)
    assert forked(tmp_path, "validate", "--run", str(run))[0] == 0
    assert forked(tmp_path, "test", "--run", str(run))[0] == 0
    assert counts(run) == alone
    assert sum(map(sum, alone["val"])) == 3 * 48 * 64


def test_pseudo_labels_are_shared_out(run: Path, tmp_path: Path) -> None:
    command = ["pseudolabel", "--run", str(run), "--threshold", "0.4", "--out"]
    assert main([*command, str(tmp_path / "one"), *ONE]) == 0
    code, said = forked(tmp_path, *command, str(tmp_path / "two"))
    assert code == 0, said
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("one", "two")
    )
    assert len(one) == 17
    assert one == two


def test_fewer_pictures_than_processes(run: Path, drawn: Path, tmp_path: Path) -> None:
    command = ["predict", "--run", str(run), "--data.images", str(drawn / "images/cell 1.png")]
    code, said = forked(tmp_path, *command, "--out", str(tmp_path / "out"))
    assert code == 0, said
    assert (tmp_path / "out/labels/cell 1.png").is_file()
    assert json.loads((tmp_path / "out/manifest.json").read_text())["state"] == "done"


def test_a_stopped_run_goes_on_bit_for_bit(drawn: Path, run: Path, tmp_path: Path) -> None:
    """One of two processes is told to stop; both do, and both go on. Gradients are shared."""
    options = ["fit", "--run", str(tmp_path / "run")]
    config = write_config(tmp_path, drawn)
    code, said = forked(tmp_path, *options, "--config", config, mode="term")
    assert code == 128 + signal.SIGTERM, said
    assert said.count("go on with --resume") == 1
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert (status["state"], status["steps"]) == ("interrupted", 3)
    code, said = forked(tmp_path, *options, "--resume")
    assert code == 0, said
    whole, resumed = weights(run), weights(tmp_path / "run")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert (run / "metrics.csv").read_text() == (tmp_path / "run/metrics.csv").read_text()
    first, second = digests(tmp_path)
    assert first == second


def test_a_signal_to_one_process_in_the_last_step_stops_both(drawn: Path, tmp_path: Path) -> None:
    config, run = write_config(tmp_path, drawn), tmp_path / "run"
    fit = ["fit", "--run", str(run)]
    code, said = forked(tmp_path, *fit, "--config", config, mode="term late")
    assert code == 128 + signal.SIGTERM, said
    assert "training is complete and saved" in said
    assert json.loads((run / "status.json").read_text())["state"] == "interrupted"
    assert not (run / "metrics.json").exists()
    assert forked(tmp_path, *fit, "--resume")[0] == 0
    assert json.loads((run / "metrics.json").read_text())["test"]["images"] == 3


def test_a_checkpoint_that_cannot_be_written_ends_all_processes(
    drawn: Path, tmp_path: Path
) -> None:
    config, run = write_config(tmp_path, drawn), tmp_path / "run"
    fit = ["fit", "--run", str(run)]
    code, said = forked(tmp_path, *fit, "--config", config, mode="disk full")
    assert code == 2, said
    assert said.count("No space left on device") == 1
    assert "Traceback" not in said
    assert json.loads((run / "status.json").read_text())["state"] == "failed"
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 2
    assert forked(tmp_path, *fit, "--resume")[0] == 0


def test_a_bad_number_in_one_process_skips_the_step_in_all(drawn: Path, tmp_path: Path) -> None:
    config, run = write_config(tmp_path, drawn), tmp_path / "run"
    code, said = forked(tmp_path, "fit", "--config", config, "--run", str(run), mode="nan")
    assert code == 0, said
    assert all(torch.isfinite(value).all() for value in weights(run).values())
    entries = [json.loads(line) for line in (run / "bad_steps.jsonl").read_text().splitlines()]
    assert [(entry["step"], entry["process"]) for entry in entries] == [(2, 0), (2, 1)]
    assert isinstance(entries[0]["terms"][0]["partial_ce"], float)
    assert entries[1]["terms"] == [{"partial_ce": "nan"}]
    assert len({name for entry in entries for name in entry["images"]}) == 4
    first, second = digests(tmp_path)
    assert first == second


def test_batches_without_a_label_in_one_process(drawn: Path, tmp_path: Path) -> None:
    """Every process makes the same collective calls, whatever its batch holds."""
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    for index in (0, 2, 3, 5, 6):
        write_label(root / f"scribbles/cell {index}.png", np.full((48, 64), 255, np.uint8))
    config = write_config(tmp_path, root, allow_empty=True, batch_size=1)
    code, said = forked(tmp_path, "fit", "--config", config, "--run", str(tmp_path / "run"))
    assert code == 0, said
    assert not (tmp_path / "run/bad_steps.jsonl").exists()
    first, second = digests(tmp_path)
    assert first == second


DIES = """
import os, sys
from scribbleseg.cli.main import main
from scribbleseg.methods import PartialCrossEntropy

def training_loss(self, batch):
    raise ValueError("the second process dies")

if os.environ.get("LOCAL_RANK") == "1":
    PartialCrossEntropy.training_loss = training_loss
sys.exit(main())
"""


def test_the_death_of_one_process_ends_the_run_with_its_reason(drawn: Path, tmp_path: Path) -> None:
    config, run = write_config(tmp_path, drawn), tmp_path / "run"
    script = tmp_path / "program.py"
    script.write_text(DIES)
    done = subprocess.run(
        [sys.executable, str(script), "fit", "--config", config, "--run", str(run), *TWO],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "the second process dies" in done.stderr
    assert json.loads((run / "status.json").read_text())["state"] == "failed"
