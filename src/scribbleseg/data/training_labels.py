"""Whether label images can be used, and whether a network can learn from them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from scribbleseg.annotation.audit import LabelAudit, audit_labels
from scribbleseg.annotation.id_list import some
from scribbleseg.data.distance_maps import check_stored_maps
from scribbleseg.data.layout import Layout, Record
from scribbleseg.data.tags import TagsFromLabels
from scribbleseg.errors import DataError

__all__ = ["audit_training_labels", "judge_training_labels", "read_labels"]

log = logging.getLogger(__name__)


def audit_training_labels(
    records: Sequence[Record],
    layout: Layout,
    root: Path,
    *,
    tags: Mapping[str, Tensor],
    allow_empty: bool = False,
) -> LabelAudit:
    """Read every file of the training images once; what their masks and scribbles hold.

    Args:
        records: Files of each image.
        layout: Classes and label values.
        root: Folder of the dataset, for messages.
        tags: Tags by image id, with the masks from which they come if there are any.
        allow_empty: Accept label images in which nothing is drawn.

    Raises:
        DataError: As `read_labels`, `check_stored_maps` and `judge_training_labels`.
    """
    audit = read_labels(
        [(r.mask if r.supervision == "mask" else r.scribble, r.image) for r in records],
        layout,
        root,
    )
    tag_masks = tags.paths if isinstance(tags, TagsFromLabels) else {}
    for files in (
        [(record.pseudo_label, record.image) for record in records],
        [(tag_masks.get(record.name), record.image) for record in records],
    ):
        if any(path is not None for path, _ in files):
            read_labels(files, layout, root)
    check_stored_maps(records)
    judge_training_labels(audit, layout.class_names, allow_empty=allow_empty)
    return audit


def read_labels(
    files: Sequence[tuple[Path | None, Path]], layout: Layout, root: Path
) -> LabelAudit:
    """Read label images and their pictures once.

    Args:
        files: Pairs (label image or None, picture).
        layout: Classes and label values.
        root: Folder of the dataset, for the message.

    Raises:
        DataError: One is unreadable, of another size, or has a value out of range.
    """
    audit = audit_labels(
        files,
        num_classes=len(layout.class_names),
        ignore_index=layout.ignore_index,
        image_mode=layout.image_mode,
    )
    if audit.problems:
        others = len(audit.problems) - 1
        more = f" ({others} more: scribbleseg check {root})" if others else ""
        raise DataError(audit.problems[0] + more)
    return audit


def judge_training_labels(
    audit: LabelAudit, class_names: Sequence[str], *, allow_empty: bool = False
) -> None:
    """Refuse labels from which nothing could be learned; log what is worth knowing.

    Args:
        audit: What the label images hold.
        class_names: In the order of the labels.
        allow_empty: Accept label images in which nothing is drawn.

    Raises:
        DataError: Label images are empty without ``allow_empty``, or class 0 is never drawn.
    """
    if audit.empty and not allow_empty:
        empty = [str(path) for path in audit.empty]
        raise DataError(
            f"nothing is drawn in {len(empty)} of {audit.images} label images: {some(empty)}; "
            "draw strokes, declare the images 'tags' only, or set --data.allow_empty true"
        )
    if not audit.images:
        return
    if audit.pixels[0] == 0:
        raise DataError(
            f"class {class_names[0]!r} (index 0) is never drawn in {audit.images} label images, so "
            "that nothing would teach the network what is not an object; draw background strokes "
            "in some images"
        )
    for name, count in zip(class_names, audit.pixels, strict=True):
        if count == 0:
            log.warning("class %r is never drawn in the training set; it cannot be learned", name)
    log.info(
        "%d label images, %.2f %% of the pixels labelled",
        audit.images,
        100 * audit.labelled_fraction,
    )
