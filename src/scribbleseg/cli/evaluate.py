"""``evaluate``: score any tool's label images against the truth."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser, Namespace
from jsonargparse.typing import OpenUnitInterval

from scribbleseg import __version__
from scribbleseg.annotation.image_file import IMAGE_SUFFIXES, verify_image
from scribbleseg.cli.console import plain_console, say
from scribbleseg.cli.explain import explain
from scribbleseg.data.layouts import layout_called_like, load_layout
from scribbleseg.errors import ConfigError, DataError
from scribbleseg.evaluation import (
    Example,
    Report,
    compare_label_images,
    read_volumes,
    write_image_csv,
)
from scribbleseg.evaluation.comparison_page import write_comparison_page
from scribbleseg.evaluation.label_pairs import find_pairs, number_of_classes, predicted_names
from scribbleseg.evaluation.published import TruthProtocol, merged_classes
from scribbleseg.evaluation.truth import Truth

__all__ = ["run"]

NONE = "none"


def run(command: str, argv: Sequence[str]) -> int:
    """Compare two folders of index PNGs.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    parser = _parser()
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    predictions, truth = Path(options.predictions), _truth(options)
    page = _page_path(options)
    _free([Path(options.csv) if options.csv else None, page], overwrite=options.overwrite)
    names = truth.listed(options.list) if options.list else predicted_names(predictions)
    pairs = find_pairs(predictions, truth.masks, names)
    scribbles = truth.find_scribbles(names, required=options.scribbles is not None)
    pictures = truth.find_pictures(names) if page else {}
    class_names = truth.class_names
    if not class_names:
        masks = [mask for _, _, mask in pairs]
        count = number_of_classes(
            masks, truth.ignore_index, skip_unreadable=options.skip_unreadable
        )
        class_names = tuple(f"class {index}" for index in range(count))
    merged = merged_classes(options.protocol, class_names) if options.protocol else {}
    report = compare_label_images(
        pairs,
        class_names,
        ignore_index=truth.ignore_index,
        volumes=read_volumes(truth.volumes) if truth.volumes else (),
        scribbles=scribbles,
        dilation_ratio=options.dilation_ratio,
        hd95=options.hd95,
        skip_unreadable=options.skip_unreadable,
        merged=merged,
    )
    for one, other in merged.items():
        _tell(options, f"{options.protocol}: {class_names[one]} counts as {class_names[other]}")
    if options.json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        report.print(plain_console())
        left = sum(1 for _ in truth.masks.rglob("*.png")) - len(pairs)
        if left > 0:
            print(
                f"{left} of {left + len(pairs)} masks have no prediction and were left out "
                "(--list FILE says what must be there)"
            )
    if options.csv:
        write_image_csv(Path(options.csv), report)
        _tell(options, f"scores of every image: {options.csv}")
    if page:
        examples = [
            Example(name, pictures[name], (scribbles or {}).get(name), predicted, mask)
            for name, predicted, mask in pairs
            if name in pictures
        ]
        _write_page(page, options, truth, report, examples)
        _tell(options, f"report: {page}")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="scribbleseg evaluate",
        description=(
            "Score label images (index PNGs) against the truth: IoU, boundary IoU, accuracy and "
            "Dice per class from exact counts."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "predictions", type=str, help="Folder of predicted label images; each is scored."
    )
    parser.add_argument(
        "masks",
        type=str | None,
        nargs="?",
        default=None,
        help="Folder of true label images of the same names (default: that of --dataset).",
    )
    parser.add_argument(
        "--dataset",
        type=str | None,
        default=None,
        help="Folder of the dataset, for masks, classes, scribbles, pictures and volumes; a "
        "relative one is looked for as data.root is.",
    )
    parser.add_argument(
        "--layout",
        type=str | None,
        default=None,
        help="Layout of --dataset, as data.layout; by default 'folder' if there is a "
        "dataset.yaml, else the layout that is called like the folder.",
    )
    parser.add_argument(
        "--classes",
        type=list[str] | None,
        default=None,
        help="Names of the classes in the order of the labels.",
    )
    parser.add_argument(
        "--ignore_index",
        type=int | None,
        default=None,
        help="Label of pixels in the truth that do not count, and of those not drawn in "
        "scribbles (default: 255, or that of --dataset).",
    )
    parser.add_argument(
        "--list",
        type=str | None,
        default=None,
        help="File with the ids to score, one a line, or the name of a list of --dataset.",
    )
    parser.add_argument(
        "--scribbles",
        type=str | None,
        default=None,
        help="Folder of the scribbles: accuracy by distance from the nearest stroke (default: "
        "that of --dataset; 'none' for none).",
    )
    parser.add_argument(
        "--volumes",
        type=str | None,
        default=None,
        help="CSV that says which slices make a volume: 3-D Dice and HD95 (default: that of "
        "--dataset; 'none' for none).",
    )
    parser.add_argument(
        "--hd95",
        action="store_true",
        help="Measure HD95 of each image and class too, in pixels; several times slower.",
    )
    parser.add_argument(
        "--dilation_ratio",
        type=OpenUnitInterval,
        default=0.02,
        help="Width of the strips of the boundary IoU as a share of the image's diagonal.",
    )
    parser.add_argument(
        "--protocol",
        type=TruthProtocol | None,
        default=None,
        help="A published evaluation that judges by another truth. blpseg_context: four classes of "
        "PASCAL-Context count as background or bicycle.",
    )
    parser.add_argument(
        "--skip_unreadable",
        action="store_true",
        help="Leave out images of which a file is damaged or no picture; they are counted and "
        "named.",
    )
    parser.add_argument(
        "--csv", type=str | None, default=None, help="CSV to write: a row an image, worst first."
    )
    parser.add_argument(
        "--report",
        type=str | None,
        default=None,
        help="HTML report to write: a folder (index.html in it), or a file .html.",
    )
    parser.add_argument(
        "--images",
        type=str | None,
        default=None,
        help="Folder of the pictures, for the examples in --report (default: that of --dataset).",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="Replace the files of --csv and --report."
    )
    parser.add_argument("--json", action="store_true", help="Print JSON instead of tables.")
    return parser


def _truth(options: Namespace) -> Truth:
    """What the dataset says, and over it what was given by name."""
    masks = Path(options.masks) if options.masks else None
    if options.dataset is not None:
        layout = options.layout or layout_called_like(options.dataset)
        truth = Truth.of_dataset(*load_layout(layout, options.dataset), masks)
    elif options.layout is not None:
        raise ConfigError("--layout describes a --dataset; give both, or neither")
    elif masks is None:
        raise ConfigError(
            "masks are missing; give their folder after the predictions, or --dataset"
        )
    else:
        truth = Truth(masks)
    if options.classes is not None:
        truth = replace(truth, class_names=tuple(options.classes))
    if options.ignore_index is not None:
        truth = replace(truth, ignore_index=options.ignore_index)
    if options.images is not None:
        truth = replace(truth, images=Path(options.images), image_suffixes=IMAGE_SUFFIXES)
    if options.scribbles is not None:
        truth = replace(truth, scribbles=_path_or_none(options.scribbles))
    if options.volumes is not None:
        truth = replace(truth, volumes=_path_or_none(options.volumes))
    return truth


def _path_or_none(text: str) -> Path | None:
    return None if text == NONE else Path(text)


def _page_path(options: Namespace) -> Path | None:
    if options.report is None:
        if options.images is not None:
            raise ConfigError("--images gives --report its examples; add --report DIR")
        return None
    path = Path(options.report)
    return path if path.suffix.lower() in {".html", ".htm"} else path / "index.html"


def _free(paths: Sequence[Path | None], *, overwrite: bool) -> None:
    """Refuse before the work what would be refused after it."""
    for path in paths:
        if path is not None and path.exists() and not overwrite:
            raise ConfigError(f"{path}: exists; choose another name, or --overwrite")


def _write_page(
    page: Path, options: Namespace, truth: Truth, report: Report, examples: Sequence[Example]
) -> None:
    damaged = {}
    if options.skip_unreadable:
        for example in examples:
            try:
                verify_image(example.image)
            except DataError as error:
                damaged[example.name] = str(error)
    write_comparison_page(
        page,
        report,
        [example for example in examples if example.name not in damaged],
        truth.colors(len(report.class_names)),
        predictions=Path(options.predictions),
        masks=truth.masks,
        facts={
            "dataset": truth.layout.name if truth.layout is not None else "",
            "scribbles": str(truth.scribbles) if report.scribble_distance is not None else "",
            "pictures": str(truth.images) if examples else "",
            "pictures that cannot be read": "; ".join(damaged.values()),
            "protocol": options.protocol or "",
            "version": f"scribbleseg {__version__}",
        },
    )


def _tell(options: Namespace, line: str) -> None:
    """Say it, unless a script reads what is printed."""
    if not options.json:
        say(line)
