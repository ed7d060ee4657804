"""``evaluate``: score any tool's label images against the truth."""

import json
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser

from scribbleseg.annotation import read_label, read_list
from scribbleseg.cli.console import plain_console
from scribbleseg.cli.explain import explain
from scribbleseg.errors import ConfigError, DataError
from scribbleseg.evaluation import compare_label_images, read_volumes

__all__ = ["run"]


def run(command: str, argv: Sequence[str]) -> int:
    """Compare two folders of index PNGs.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    parser = ArgumentParser(
        prog="scribbleseg evaluate",
        description=(
            "Score label images (index PNGs) against the truth: IoU, accuracy and Dice per class "
            "from exact counts."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "predictions", type=str, help="Folder of predicted label images; each is scored."
    )
    parser.add_argument("masks", type=str, help="Folder of true label images of the same names.")
    parser.add_argument(
        "--classes",
        type=list[str] | None,
        default=None,
        help="Names of the classes in the order of the labels.",
    )
    parser.add_argument(
        "--ignore_index",
        type=int,
        default=255,
        help="Label of pixels in the truth that do not count.",
    )
    parser.add_argument(
        "--list", type=str | None, default=None, help="File with the ids to score, one a line."
    )
    parser.add_argument(
        "--volumes",
        type=str | None,
        default=None,
        help="CSV that says which slices make a volume: 3-D Dice and HD95.",
    )
    parser.add_argument("--json", action="store_true", help="Print JSON instead of tables.")
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None

    predictions, masks = Path(options.predictions), Path(options.masks)
    names = _names(predictions, Path(options.list) if options.list else None)
    pairs = [(name, predictions / f"{name}.png", masks / f"{name}.png") for name in names]
    _require([pair[1] for pair in pairs], "prediction")
    _require([pair[2] for pair in pairs], "mask")
    classes = options.classes or _class_numbers([pair[2] for pair in pairs], options.ignore_index)
    volumes = read_volumes(Path(options.volumes)) if options.volumes else ()
    report = compare_label_images(
        pairs, classes, ignore_index=options.ignore_index, volumes=volumes
    )
    if options.json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        report.print(plain_console())
        left = sum(1 for _ in masks.rglob("*.png")) - len(pairs)
        if left > 0:
            print(
                f"{left} of {left + len(pairs)} masks have no prediction and were left out "
                "(--list FILE says what must be there)"
            )
    return 0


def _names(predictions: Path, listed: Path | None) -> list[str]:
    if not predictions.is_dir():
        raise DataError(f"{predictions}: no such folder")
    if listed is not None:
        return read_list(listed)
    names = sorted(
        path.relative_to(predictions).with_suffix("").as_posix()
        for path in predictions.rglob("*.png")
    )
    if not names:
        raise DataError(f"{predictions}: no PNGs in it")
    return names


def _require(paths: list[Path], what: str) -> None:
    missing = [path for path in paths if not path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(
            f"{missing[0]}: no {what}{more}; every image needs a prediction and a mask of the "
            "same name"
        )


def _class_numbers(masks: list[Path], ignore_index: int) -> list[str]:
    """Names for unnamed classes: as many as the largest label in the truth asks for."""
    largest = 0
    for path in masks:
        label = read_label(path)
        counted = label[label != ignore_index]
        largest = max(largest, int(counted.max(initial=0)))
    return [f"class {index}" for index in range(largest + 1)]
