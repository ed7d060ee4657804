"""What a training run costs beside the network: loader, harness, threads. Ratios from one run.

    make bench

Median of five alternating repetitions in one process; of 58 alternating steps, in CPU time, for the
step of ``fit``, where one thread does all the work. Threads: one process each, as OpenMP reads its
settings once. The ACDC figure needs the real data and is left out without them.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

from scribbleseg.annotation import read_image, read_label, write_label
from scribbleseg.cli.configs import bundled_configs
from scribbleseg.cli.train import TrainingCLI
from scribbleseg.data import ScribbleDataModule, ScribbleDataset, load_layout
from scribbleseg.data.layout import find_root
from scribbleseg.data.transforms import RandomCrop, RandomRotation, RandomScale, rotate
from scribbleseg.errors import ConfigError
from scribbleseg.methods import Optimization, PartialCrossEntropy
from scribbleseg.networks import PlainUNet
from scribbleseg.recipes.checkpoint import CheckpointWriter
from scribbleseg.recipes.finite_steps import FiniteSteps
from scribbleseg.recipes.interruption import Interruption
from scribbleseg.recipes.metrics_log import MetricsLog
from scribbleseg.recipes.reproducibility import Reproducible

REPETITIONS = 5
STEPS = 60
WIDTHS = (8, 16, 32, 64, 128)
ACDC_STEPS = 60


def main() -> None:
    """Measure, and print a Markdown table."""
    if sys.argv[1:2] == ["--step"]:
        print(bare_step_time())
        return
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    print("| what | value | baseline | value | ratio |\n| --- | --- | --- | --- | --- |")
    for measure in (loader, small_pictures, rotation, harness, threads, starvation):
        for row in measure():
            print("| " + " | ".join(row) + " |", flush=True)


def medians(*functions: Callable[[], object]) -> list[float]:
    """Seconds of each function, median of alternating repetitions after one to warm up."""
    taken: list[list[float]] = [[] for _ in functions]
    for repetition in range(REPETITIONS + 1):
        for function, seconds in zip(functions, taken, strict=True):
            started = time.perf_counter()
            function()
            if repetition:
                seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) for seconds in taken]


def loader() -> list[list[str]]:
    """Images a second of one worker at VOC's size: two files, scale, crop 465, flip."""
    with tempfile.TemporaryDirectory() as folder:
        root, rng, count = Path(folder), np.random.default_rng(0), 24
        (root / "images").mkdir()
        for index in range(count):
            # Blurred noise has about the file size of a photograph.
            noise = rng.normal(128, 90, (375, 500, 3))
            pixels = np.clip(cv2.GaussianBlur(noise, (0, 0), 1.0) * 1.5 - 60, 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(root / f"images/{index}.jpg", quality=90)
            label = np.full((375, 500), 255, np.uint8)
            for value in range(10):
                row, column = rng.integers(0, 370), rng.integers(0, 400)
                label[row : row + 3, column : column + 100] = value
            write_label(root / f"scribbles/{index}.png", label)
        classes = ", ".join(f"c{index}" for index in range(21))
        (root / "dataset.yaml").write_text(f"classes: [{classes}]\n")
        layout, _ = load_layout("folder", folder)
        names = [str(index) for index in range(count)]
        dataset = ScribbleDataset(
            layout.records(root, names, "scribble"),
            layout,
            transform=v2.Compose(
                [RandomScale(0.5, 2.0), RandomCrop((465, 465)), v2.RandomHorizontalFlip()]
            ),
        )

        def decode() -> None:
            for record in dataset.records:
                assert record.scribble is not None
                read_image(record.image)
                read_label(record.scribble)

        ours, theirs = medians(lambda: [dataset[(0, i)] for i in range(count)], decode)
    return [
        [
            "samples of one worker, 375 x 500, crop 465",
            f"{count / ours:.0f} images/s",
            "decoding the two files and nothing else",
            f"{count / theirs:.0f} images/s",
            f"{theirs / ours:.2f} of its speed",
        ]
    ]


def small_pictures() -> list[list[str]]:
    """Samples a second of small grey pictures, kept in memory and read each time."""
    with tempfile.TemporaryDirectory() as folder:
        root, rng, count = Path(folder), np.random.default_rng(0), 60
        (root / "images").mkdir()
        for index in range(count):
            pixels = cv2.GaussianBlur(rng.normal(128, 90, (256, 216)), (0, 0), 2.0)
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
                root / f"images/{index}.png"
            )
            label = np.full((256, 216), 255, np.uint8)
            for value in range(4):
                row, column = rng.integers(0, 250), rng.integers(0, 150)
                label[row : row + 3, column : column + 60] = value
            write_label(root / f"scribbles/{index}.png", label)
        (root / "dataset.yaml").write_text(
            "classes: [background, a, b, c]\nimage_mode: L\nbackground_drawn: true\n"
        )
        layout, _ = load_layout("folder", folder)
        records = layout.records(root, [str(index) for index in range(count)], "scribble")
        transform = v2.Compose(
            [
                RandomRotation(20, p=0.75),
                RandomScale(0.8, 1.25),
                RandomCrop((128, 128)),
                v2.ColorJitter(0.3, 0.3),
            ]
        )
        kept, read = (
            ScribbleDataset(
                records,
                layout,
                transform=transform,
                resize=(128, 128),
                background_prior="hull",
                in_memory=in_memory,
            )
            for in_memory in (True, False)
        )
        ours, theirs = medians(
            lambda: [kept[(0, i)] for i in range(count)],
            lambda: [read[(0, i)] for i in range(count)],
        )
    return [
        [
            "samples at 128 x 128 of grey 256 x 216, kept in memory",
            f"{1e3 * ours / count:.2f} ms",
            "read each time",
            f"{1e3 * theirs / count:.2f} ms",
            f"{ours / theirs:.2f} of its time",
        ]
    ]


def rotation() -> list[list[str]]:
    """Turning a picture and a label image of 128 x 128."""
    image = tv_tensors.Image(torch.randint(0, 256, (1, 128, 128), dtype=torch.uint8))
    label = tv_tensors.Mask(torch.randint(0, 4, (128, 128), dtype=torch.uint8))

    def torchvisions() -> None:
        for _ in range(50):
            tvf.rotate(image, 11.0, tvf.InterpolationMode.BILINEAR)
            tvf.rotate(label, 11.0)

    ours, theirs = medians(
        lambda: [(rotate(image, 11.0), rotate(label, 11.0)) for _ in range(50)], torchvisions
    )
    return [
        [
            "rotation of picture and label image, 128 x 128",
            f"{1e3 * ours / 50:.2f} ms",
            "torchvision",
            f"{1e3 * theirs / 50:.2f} ms",
            f"{ours / theirs:.2f} of its time",
        ]
    ]


def batch() -> dict[str, object]:
    """One batch of 12 slices like those of the small ACDC setting, made up."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(12, 1, 128, 128, generator=generator)
    full = torch.randint(0, 4, (12, 128, 128), generator=generator)
    drawn = torch.rand(12, 128, 128, generator=generator) < 0.03
    return {
        "image": image.contiguous(memory_format=torch.channels_last),
        "scribble": torch.where(drawn, full, 255),
        "name": [str(index) for index in range(12)],
    }


def bare_loop(steps: int) -> Callable[[], None]:
    """The same network, loss and optimiser in a plain loop."""
    torch.manual_seed(0)
    net = PlainUNet(4, 1, widths=WIDTHS).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    made = batch()

    def run() -> None:
        for _ in range(steps):
            loss = F.cross_entropy(net(made["image"]), made["scribble"], ignore_index=255)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def harness() -> list[list[str]]:
    """A step of ``fit`` with all that a run has, against the plain loop."""
    network = partial(PlainUNet, widths=WIDTHS)
    names = ["a", "b", "c", "d"]
    made, rows = batch(), []
    with tempfile.TemporaryDirectory() as folder:

        def fit(ema_decay: float | None, clock: Clock) -> None:
            torch.manual_seed(0)
            task = PartialCrossEntropy(
                network, names, in_channels=1, optimization=Optimization(lr=3e-3),
                ema_decay=ema_decay,
            )  # fmt: skip
            task.setup = lambda stage: None  # type: ignore[method-assign]  # no files to check
            writer = CheckpointWriter(Path(folder))
            trainer = L.Trainer(
                accelerator="cpu",
                max_steps=STEPS,
                logger=MetricsLog(Path(folder) / "metrics.csv"),
                callbacks=[
                    Reproducible(0),
                    Interruption(writer),
                    FiniteSteps(Path(folder) / "bad.jsonl"),
                    writer,
                    clock,
                ],
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                log_every_n_steps=10,
            )
            trainer.fit(task, DataLoader([made] * STEPS, batch_size=None))

        for name, decay in (("", None), (", with moving average", 0.99)):
            clock = Clock(bare_loop(1))
            fit(decay, clock)
            mine, plain = clock.medians()
            rows.append(
                [
                    f"step of `fit`, 12 slices of 128 x 128{name}",
                    f"{1e3 * mine:.0f} ms",
                    "plain loop, same network, loss and optimiser",
                    f"{1e3 * plain:.0f} ms",
                    f"{mine / plain:.2f} of its time",
                ]
            )
    return rows


class Clock(L.Callback):
    """Runs a step of the plain loop after every step of the trainer, and times both."""

    def __init__(self, bare: Callable[[], None]) -> None:
        self.bare = bare
        self.trained: list[float] = []
        self.plain: list[float] = []
        self.started = 0.0

    def on_train_batch_end(self, *_: object) -> None:
        """Look at the clock, run the other step, look again."""
        ended = time.process_time()
        self.bare()
        self.trained.append(ended - self.started)
        self.started = time.process_time()
        self.plain.append(self.started - ended)

    def medians(self) -> tuple[float, float]:
        """Seconds of a step of both, without the first two, which warm up."""
        return statistics.median(self.trained[2:]), statistics.median(self.plain[2:])


def bare_step_time() -> float:
    """Seconds of a step with the threads that the environment asks for."""
    run = bare_loop(3)
    run()
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) / 3


def threads() -> list[list[str]]:
    """What the command's default wait policy does to a step, against torch's defaults."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    settings = {
        "OMP_WAIT_POLICY=passive (set by the command)": {"OMP_WAIT_POLICY": "passive"},
        "OMP_NUM_THREADS=1 (set by the Makefile)": {"OMP_NUM_THREADS": "1"},
        "torch's defaults": {},
    }
    taken: dict[str, list[float]] = {name: [] for name in settings}
    for _ in range(3):
        for name, extra in settings.items():
            command = [sys.executable, __file__, "--step"]
            said = subprocess.check_output(command, text=True, env={**inherited, **extra})
            taken[name].append(float(said))
    *mine, (_, plain) = [(name, statistics.median(values)) for name, values in taken.items()]
    return [
        [
            f"step with {name}",
            f"{1e3 * seconds:.0f} ms",
            f"torch's defaults ({os.cpu_count()} threads)",
            f"{1e3 * plain:.0f} ms",
            f"{seconds / plain:.2f} of its time",
        ]
        for name, seconds in mine
    ]


def starvation() -> list[list[str]]:
    """Share of a run's time in which it waits for the loader, in the small ACDC run."""
    try:
        find_root("acdc", os.environ)
    except ConfigError:
        return []
    config = bundled_configs() / "acdc/partial_ce_small.yaml"
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--config", str(config), "--run", folder, "--trainer.profiler", "simple"]
        limits = ["--trainer.max_steps", str(ACDC_STEPS), "--data.val", "null"]
        cli = TrainingCLI("fit", [*arguments, *limits, "--trainer.logger", "false"])
        assert isinstance(cli.datamodule, ScribbleDataModule)
        cli.trainer.profiler.describe = lambda: None  # type: ignore[method-assign]
        cli.trainer.fit(cli.model, cli.datamodule)
        durations = cli.trainer.profiler.recorded_durations  # type: ignore[attr-defined]
    # The first batch waits for the worker to start.
    waits = durations["[_TrainingEpochLoop].train_dataloader_next"][1:]
    steps = durations["run_training_batch"][1:]
    return [
        [
            f"waiting for the loader, small ACDC run, {len(steps)} steps, 1 worker",
            f"{1e3 * sum(waits) / len(waits):.1f} ms",
            "step",
            f"{1e3 * sum(steps) / len(steps):.0f} ms",
            f"{sum(waits) / sum(steps):.1%} of its time",
        ]
    ]


if __name__ == "__main__":
    main()
