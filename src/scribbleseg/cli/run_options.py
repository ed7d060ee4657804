"""Options of the commands that train or use a run, beside those of data, method and trainer."""

from argparse import SUPPRESS
from typing import Literal

from jsonargparse.typing import PositiveInt
from lightning.pytorch.cli import LightningArgumentParser

__all__ = ["STEERING", "Command", "add_run_arguments"]

Command = Literal["fit", "validate", "test", "predict", "pseudolabel"]

STEERING = (
    "config",
    "run",
    "resume",
    "overwrite",
    "checkpoint",
    "out",
    "split",
    "skip_unreadable",
    "threshold",
    "scribbles",
    "tags",
)
"""What steers a command and is no part of the experiment; not stored in the run's config."""


def add_run_arguments(command: Command, parser: LightningArgumentParser) -> None:
    """The options of a run."""
    parser.add_argument(
        "--seed_everything",
        type=int,
        default=0,
        help="Seed of weights, order, augmentation and noise.",
    )
    parser.add_argument(
        "--run",
        type=str | None,
        default=None,
        help="Folder of the run (default: runs/DATASET/CONFIG/seedK).",
    )
    # Part of a run's config, so every command must know them; only training uses them.
    training = command == "fit"
    parser.add_argument(
        "--save_every",
        type=PositiveInt,
        default=500,
        help="Optimiser steps from one checkpoint to the next." if training else SUPPRESS,
    )
    parser.add_argument(
        "--max_bad_steps",
        type=PositiveInt,
        default=10,
        help="Steps in a row without a finite loss and gradient that end the run."
        if training
        else SUPPRESS,
    )
    parser.add_argument(
        "--initial_weights",
        type=str | None,
        default=None,
        help="Model folder (of export or convert) from whose weights training begins."
        if training
        else SUPPRESS,
    )
    if training:
        parser.add_argument("--overwrite", action="store_true", help="Delete the run folder first.")
    else:
        parser.add_argument(
            "--checkpoint",
            type=str,
            default="last",
            help="last, best, or the path of a .ckpt file.",
        )
    if command in {"fit", "predict", "pseudolabel"}:
        parser.add_argument(
            "--resume",
            action="store_true",
            help="Continue the run from its last checkpoint."
            if training
            else "Go on in a folder that is not finished.",
        )
