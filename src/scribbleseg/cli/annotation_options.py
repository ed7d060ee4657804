"""Options of the commands that read an annotation tool's files."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from scribbleseg.annotation.formats import Classes, Format, Options
from scribbleseg.annotation.label_image import voc_palette
from scribbleseg.annotation.raster import Raster, Rule
from scribbleseg.data.layouts.folder import read_classes
from scribbleseg.errors import ConfigError

if TYPE_CHECKING:
    from jsonargparse._core import ActionsContainer  # parsers and their groups

__all__ = [
    "ANNOTATION_OPTIONS",
    "add_annotation_options",
    "annotation_options",
    "classes_option",
    "raster_option",
]

ANNOTATION_OPTIONS = ("images", "classes", "unlabelled", "unknown", "rule", "width")


def add_annotation_options(parser: "ActionsContainer") -> None:
    """Add `ANNOTATION_OPTIONS`: what the user says about the files, and the raster rule."""
    parser.add_argument(
        "--images",
        type=str | None,
        default=None,
        help="Folder of the pictures, if they do not lie beside the annotations.",
    )
    parser.add_argument(
        "--classes",
        type=str | None,
        default=None,
        help="Classes in the order of the label values, the background first: background,cat,dog, "
        "or a YAML file with 'classes: [...]' as in dataset.yaml (there with colours).",
    )
    parser.add_argument(
        "--unlabelled",
        type=int | None,
        default=None,
        help="Value of unlabelled pixels, for formats of pixels.",
    )
    parser.add_argument(
        "--unknown",
        type=Literal["error", "skip"],
        default="error",
        help="What to do with strokes of a class that is not in --classes.",
    )
    parser.add_argument(
        "--rule",
        type=Rule | None,
        default=None,
        help="Which pixels belong to a stroke (default: what the format says, see 'scribbleseg "
        "import --list').",
    )
    parser.add_argument(
        "--width", type=PositiveInt | None, default=None, help="Width of strokes in pixels."
    )


def annotation_options(options: Namespace) -> Options:
    """What the user says about the files.

    Raises:
        ConfigError: ``--classes`` names fewer than two classes, or one twice.
        DataError: The file that it names cannot be read.
    """
    return Options(
        classes=classes_option(options.classes),
        images=Path(options.images) if options.images else None,
        unlabelled=options.unlabelled,
        unknown=options.unknown,
    )


def classes_option(text: str | None) -> Classes | None:
    """The classes that an option names: ``a,b,c``, or the path of a YAML file.

    Raises:
        ConfigError: They are fewer than two, or a name is there twice.
        DataError: The file cannot be read.
    """
    if text is None:
        return None
    path = Path(text)
    if path.suffix in {".yaml", ".yml"}:
        return Classes(*read_classes(path))
    names = tuple(name.strip() for name in text.strip("[]").split(",") if name.strip())
    return Classes(names, tuple(voc_palette(len(names))))


def raster_option(options: Namespace, form: Format) -> Raster | None:
    """The rule that ``--rule`` and ``--width`` describe; None for the format's own.

    Raises:
        ConfigError: The rule has another width, or the files hold pixels.
    """
    if options.rule is None and options.width is None:
        return None
    if not form.strokes:
        raise ConfigError(
            f"--rule and --width mean nothing for {form.name}: its files hold pixels, not strokes"
        )
    rule = options.rule or ("opencv" if options.width else form.raster.rule)
    return Raster(rule, options.width or 0)
