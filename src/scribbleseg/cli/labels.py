"""``predict`` and ``pseudolabel``: label images of a whole folder or list, resumable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.cli import LightningArgumentParser

from scribbleseg.annotation.file_hash import sha256_of
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import verify_image
from scribbleseg.cli.console import plain_console, say
from scribbleseg.cli.leader import is_leader
from scribbleseg.data.layout import Record, Supervision
from scribbleseg.data.pseudo_labels import label_path
from scribbleseg.data.tags import MASK, LabelTagSource, tags_file, tags_from, tags_of_supervision
from scribbleseg.data.training_labels import read_labels
from scribbleseg.errors import ConfigError, DataError, RunError
from scribbleseg.inference import LabelWriter, PseudoLabelWriter
from scribbleseg.inference.label_folder import LabelFolder
from scribbleseg.recipes.checkpoint import load_weights
from scribbleseg.recipes.pseudo_label_scores import score_pseudo_labels

if TYPE_CHECKING:
    from scribbleseg.cli.train import TrainingCLI
    from scribbleseg.data import ScribbleDataModule

__all__ = ["add_label_arguments", "predict", "write_pseudo_labels"]


def add_label_arguments(command: str, parser: LightningArgumentParser) -> None:
    """Options of one of the two commands."""
    if command == "predict":
        parser.add_argument(
            "--out",
            type=str | None,
            default=None,
            help="Folder for labels/ and overlays/ (default: RUN/predict).",
        )
        parser.add_argument(
            "--skip_unreadable",
            action="store_true",
            help="Leave pictures out that cannot be read, and name them.",
        )
        return
    parser.add_argument(
        "--out",
        type=str | None,
        default=None,
        help="Folder of the pseudo labels (default: RUN/pseudo_labels).",
    )
    parser.add_argument(
        "--split", type=str, default="train", help="List of images: train, val or test."
    )
    parser.add_argument(
        "--threshold",
        type=list[float] | float,
        default=0.0,
        help="Least probability of a label, 0..1: one for all classes, or one for each; below it a "
        "pixel stays unlabelled.",
    )
    parser.add_argument(
        "--tags",
        type=LabelTagSource,
        default="training",
        help="Labels are restricted to these classes of the image. training: those it was trained "
        "with, of its strokes, its mask or data.tags; scribble: of its strokes, where there are "
        "none of the dataset's tags file; file: the other way round.",
    )
    parser.add_argument(
        "--scribbles",
        type=bool,
        default=True,
        help="Strokes take the place of what the network says there; on training images only "
        "those that training has read.",
    )


def predict(cli: TrainingCLI) -> None:
    """Predict pictures: ``labels/<id>.png`` of their size, ``overlays/<id>.png`` to look at."""
    data = cli.datamodule
    out = Path(cli.config.out or cli.run_folder.path / "predict")
    folder = LabelFolder(out, out / "labels")
    if data.images is None:
        data.prepare_data()
    if data.images is not None and out.resolve().is_relative_to(Path(data.images).resolve()):
        raise ConfigError(
            f"--out: {out} is inside {data.images}, so that predictions would be predicted again; "
            "choose a folder beside it"
        )
    records = {record.name: record for record in data.prediction_records()}
    writer = LabelWriter(
        folder.labels, data.layout.palette, overlays=out / "overlays", records=records
    )
    skipped = _unreadable(data, records) if cli.config.skip_unreadable else {}
    names = [name for name in records if name not in skipped]
    data.left_out = frozenset(skipped)
    with cli.interruption:
        _write(cli, folder, writer, names, {"images": data.images or data.lists["test"]})
    if cli.trainer.is_global_zero:
        folder.end(images=len(names), skipped=skipped)
        for reason in skipped.values():
            say(f"skipped {reason}")
        left = f", {len(skipped)} pictures skipped" if skipped else ""
        say(f"{len(names)} label images in {folder.labels}, overlays beside them{left}")


def write_pseudo_labels(cli: TrainingCLI) -> None:
    """Write labels and confidences of a list of the dataset, and score them where masks exist."""
    data, config = cli.datamodule, cli.config
    if data.images is not None:
        raise ConfigError("data.images: pseudolabel takes a list of the dataset; see --split")
    if config.split not in data.lists:
        raise ConfigError(f"--split: {config.split!r} is not one of {', '.join(data.lists)}")
    thresholds = _thresholds(config.threshold, data.class_names)
    out = Path(config.out or cli.run_folder.path / "pseudo_labels")
    folder = LabelFolder(out, out)
    data.prepare_data()
    clash = [n for n in data.names(config.split) if n.endswith(".confidence")]
    if clash:
        raise DataError(f"an id must not end in '.confidence', as {some(clash)} does; rename it")
    names = data.names(config.split)
    kinds = _kinds(data, config.split)
    drawn = {
        name: path
        for name in names
        if kinds[name] == "scribble"
        and (path := data.layout.scribble_path(data.root, name)) is not None
    }
    records = data.layout.evaluation_records(data.root, names)
    tags = (
        tags_of_supervision(kinds, data.tags, data.layout, data.root)
        if config.tags == "training"
        else tags_from(config.tags, data.layout, data.root, names)
    )
    data.predicted_split, data.evaluation_tags, data.predicted_tags = config.split, "none", tags
    if is_leader():
        tagging = {} if tags is None else tags.paths
        files = [
            (path, record.image)
            for record in records
            for path in dict.fromkeys(
                (drawn.get(record.name), tagging.get(record.name), record.mask)
            )
        ]
        empty = set(read_labels(files, data.layout, data.root).empty)
        cli.model.check_tags(config.tags, names if tags is None else tags.untagged(empty))
    cli.model.wants_confidence = True
    writer = PseudoLabelWriter(
        out,
        data.layout.palette,
        thresholds=thresholds,
        ignore_index=data.ignore_index,
        scribbles=drawn if config.scribbles else None,
    )
    strokes = data.layout.scribbles
    uses_file = config.tags in {"training", "scribble", "file"} and data.tags != MASK
    listed = tags_file(data.layout, data.root) if uses_file else None
    settings = {
        "split": data.lists[config.split],
        "thresholds": thresholds,
        "scribbles": config.scribbles,
        "scribble_folder": strokes and str((data.root / strokes).resolve()),
        "tags": config.tags,
        "kinds": dict(Counter(kinds.values())),
        "tags_file": listed and sha256_of(listed),
    }
    with cli.interruption:
        _write(cli, folder, writer, names, settings)
    if not cli.trainer.is_global_zero:
        return
    missing = [name for name in names if not label_path(out, name).is_file()]
    if missing:
        raise RunError(
            f"{out}: no label for {some(missing)} ({len(missing)} of {len(names)}); take "
            "trainer.limit_predict_batches out and go on with --resume"
        )
    report = score_pseudo_labels(
        [(out / f"{record.name}.png", record.mask) for record in records],
        data.class_names,
        ignore_index=data.ignore_index,
    )
    folder.end(images=len(names), scores=report.as_dict())
    report.print(plain_console())
    say(f"{len(names)} pseudo labels in {out}")


def _kinds(data: ScribbleDataModule, split: str) -> dict[str, Supervision]:
    """What each image brought to training; those of other lists bring strokes where there are any.

    What training has not read must not be in its labels: strokes of images that brought tags only.
    """
    names = data.names(split)
    if split != "train":
        return dict.fromkeys(names, "scribble")
    trained = data.train_kinds()
    return {name: trained.get(name, "tags") for name in names}


def _write(
    cli: TrainingCLI,
    folder: LabelFolder,
    writer: LabelWriter | PseudoLabelWriter,
    names: list[str],
    settings: dict[str, Any],
) -> None:
    """Load the weights, and write the labels of all names that have none yet."""
    checkpoint = cli.run_folder.checkpoint(cli.config.checkpoint)
    load_weights(cli.model, checkpoint)
    settings = {
        "checkpoint": sha256_of(checkpoint),
        **cli.model.label_settings(),
        "data": str(cli.datamodule.root.resolve()),
        "resize": cli.datamodule.resize,
        "mean": cli.datamodule.mean,
        "std": cli.datamodule.std,
        **settings,
    }
    if is_leader():
        folder.check(settings, resume=cli.config.resume)
    done = folder.done(names)
    cli.datamodule.left_out |= done
    cli.datamodule.prediction_dataset()  # whatever is missing is said before the folder is made
    if is_leader():
        folder.begin(settings)
    if len(done) < len(names):
        cli.trainer.callbacks += [cli.interruption, writer]  # type: ignore[attr-defined]
        # With fewer pictures than processes some have nothing to do.
        cli.datamodule.allow_zero_length_dataloader_with_multiple_devices = True
        cli.trainer.predict(cli.model, cli.datamodule, return_predictions=False)
        # Nobody goes on to read the files before every process has written its own.
        cli.trainer.strategy.barrier()


def _unreadable(data: ScribbleDataModule, records: Mapping[str, Record]) -> dict[str, str]:
    """What is wrong with each picture that cannot be read."""

    def reason(record: Record) -> str | None:
        try:
            verify_image(record.image, data.layout.image_mode, record.page)
        except DataError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as pool:
        reasons = zip(records, pool.map(reason, records.values()), strict=True)
        return {name: text for name, text in reasons if text is not None}


def _thresholds(given: float | list[float], class_names: list[str]) -> list[float]:
    values = given if isinstance(given, list) else [given] * len(class_names)
    if len(values) != len(class_names) or not all(0 <= value <= 1 for value in values):
        raise ConfigError(
            f"--threshold: {given}; expected one value in 0..1, or one for each of the "
            f"{len(class_names)} classes"
        )
    return values
