"""Two folders of label images of the same names: predictions and truth."""

from collections.abc import Sequence
from pathlib import Path

from scribbleseg.annotation.label_image import read_label
from scribbleseg.data.pseudo_labels import is_confidence
from scribbleseg.errors import DataError
from scribbleseg.evaluation.comparison import Pair, in_order, is_unreadable

__all__ = ["find_pairs", "number_of_classes", "predicted_names"]


def predicted_names(predictions: Path) -> list[str]:
    """Ids of the label images below a folder, sorted; confidences of pseudo labels are none.

    Raises:
        DataError: The folder is missing or holds no PNGs.
    """
    if not predictions.is_dir():
        raise DataError(f"{predictions}: no such folder")
    names = sorted(
        path.relative_to(predictions).with_suffix("").as_posix()
        for path in predictions.rglob("*.png")
        if not is_confidence(path)
    )
    if not names:
        raise DataError(f"{predictions}: no PNGs in it")
    return names


def find_pairs(predictions: Path, masks: Path, names: Sequence[str]) -> list[Pair]:
    """The two label images of each id.

    Raises:
        DataError: Some are missing; the first one and their number are given.
    """
    pairs = [(name, predictions / f"{name}.png", masks / f"{name}.png") for name in names]
    for what, paths in (
        ("prediction", [path for _, path, _ in pairs]),
        ("mask", [path for _, _, path in pairs]),
    ):
        missing = [path for path in paths if not path.is_file()]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise DataError(
                f"{missing[0]}: no {what}{more}; every image needs a prediction and a mask of the "
                "same name"
            )
    return pairs


def number_of_classes(
    masks: Sequence[Path], ignore_index: int = 255, *, skip_unreadable: bool = False
) -> int:
    """As many classes as the largest label in the truth asks for.

    Args:
        masks: True label images.
        ignore_index: Label that is no class.
        skip_unreadable: Whether files that are no picture or damaged are passed over.

    Raises:
        DataError: A file cannot be read.
    """

    def largest(path: Path) -> int:
        try:
            label = read_label(path)
        except DataError:
            if skip_unreadable and is_unreadable(path):
                return 0
            raise
        return int(label.max(initial=0, where=label != ignore_index))

    return max(in_order(largest, masks), default=0) + 1
