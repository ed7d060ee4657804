"""Everything that can be said about a dataset before anybody trains on it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from scribbleseg.annotation.audit import LabelAudit, audit_labels
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import image_size, read_image
from scribbleseg.annotation.label_image import read_label
from scribbleseg.data.finding import (
    Finding,
    Problem,
    Scene,
    exit_code,
    findings_as_list,
    print_findings,
)
from scribbleseg.data.image_folder import images_in
from scribbleseg.data.label_table import label_counts, label_table
from scribbleseg.data.layout import Layout, Record
from scribbleseg.errors import DataError

__all__ = ["DatasetAudit", "Finding", "SplitAudit", "audit_dataset"]

CONTRADICTION = 0.05
"""Share of an image's strokes on another class of the mask from which on it is reported; people
draw a little over the edge."""

VERDICT = {
    0: "nothing to mend",
    1: "can be trained on; see the warnings",
    2: "training would be refused; mend the errors",
}


@dataclass(frozen=True)
class SplitAudit:
    """One list of images.

    Args:
        name: Name of the list.
        images: Number of images.
        scribbles: What the scribbles hold; None if the dataset has none.
        masks: What the masks hold; None if there are none.
        contradicting: Share of the strokes' pixels that lie on another class of the mask, 0..1;
            None where there are not both.
    """

    name: str
    images: int
    scribbles: LabelAudit | None
    masks: LabelAudit | None
    contradicting: float | None


@dataclass(frozen=True)
class DatasetAudit:
    """What was found.

    Args:
        root: Folder of the dataset.
        layout: Its layout.
        splits: Its lists.
        findings: What is wrong or worth knowing.
    """

    root: Path
    layout: Layout
    splits: list[SplitAudit] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: nothing found; 1: warnings; 2: training would be refused."""
        return exit_code(self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "root": str(self.root),
            "layout": self.layout.name,
            "classes": list(self.layout.class_names),
            "splits": {
                split.name: {
                    "images": split.images,
                    "scribbles": self._label_dict(split.scribbles),
                    "masks": self._label_dict(split.masks),
                    "contradicting": split.contradicting,
                }
                for split in self.splits
            },
            "findings": findings_as_list(self.findings),
            "exit_code": self.exit_code,
        }

    def print(self, console: Console) -> None:
        """Print a table of each list, and the findings."""
        for split in self.splits:
            kinds = {"scribbles": split.scribbles, "masks": split.masks}
            caption = None
            if split.contradicting is not None:
                caption = f"{split.contradicting:.2%} of the strokes' pixels contradict the mask"
            table = label_table(
                f"{split.name}: {split.images} images",
                self.layout.class_names,
                {kind: audit for kind, audit in kinds.items() if audit is not None},
                caption,
            )
            console.print(table)
        print_findings(console, self.root, self.findings, VERDICT)

    def scenes(self, problems: Sequence[Problem]) -> Iterator[tuple[Problem, Scene]]:
        """Picture, label and mask of each problem; without those that cannot be read."""
        layout = self.layout
        for problem in problems:
            assert problem.picture is not None
            assert problem.label is not None
            try:
                scene = Scene(
                    read_image(problem.picture, layout.image_mode),
                    read_label(problem.label),
                    layout.class_names,
                    layout.palette,
                    layout.ignore_index,
                    mask=read_label(problem.mask) if problem.mask is not None else None,
                )
            except DataError:  # already reported
                continue
            yield problem, scene

    def _label_dict(self, audit: LabelAudit | None) -> dict[str, Any] | None:
        if audit is None:
            return None
        empty = [str(path) for path in audit.empty]
        return label_counts(audit, self.layout.class_names) | {"empty": empty}


def audit_dataset(
    layout: Layout, root: Path, lists: Mapping[str, str | None], *, supervision: str = "scribble"
) -> DatasetAudit:
    """Look at every file of a dataset.

    Args:
        layout: Where the files are, classes and label values.
        root: Folder of the dataset.
        lists: List of each split (``train``, ``val``, ``test``); None to leave one out. ``all`` is
            every picture.
        supervision: What training images bring: ``scribble``, ``mask`` or ``tags``.
    """
    report = DatasetAudit(root, layout)
    known: set[str] = set()
    of_split: dict[str, Sequence[str]] = {}
    for split, name in lists.items():
        if name is None:
            continue
        try:
            names = layout.names(root, name)
        except DataError as error:
            _add(report, Finding("error", str(error)))
            continue
        if not names:
            where = f"no pictures in {root / layout.images}" if name == "all" else "it is empty"
            _add(report, Finding("error", f"{root}: list {name!r} names no image: {where}"))
            continue
        known |= set(names)
        of_split[split] = names
        _audit_split(report, name, names, supervision if split == "train" else None)
    trained_on = set(of_split.get("train", ()))
    for split in ("val", "test"):
        both = sorted(trained_on.intersection(of_split.get(split, ())))
        if both:
            message = (
                f"lists {lists['train']!r} and {lists[split]!r} share {len(both)} images: "
                f"{some(both)}; a score on images that were trained on says little"
            )
            _add(report, Finding("warning", message))
    _find_strays(report, known)
    return report


def _audit_split(
    report: DatasetAudit, name: str, names: Sequence[str], supervision: str | None
) -> None:
    """Look at the files of one list; ``supervision`` is what training needs, None for evaluation.

    A problem in a file that nobody needs is a warning.
    """
    layout, root = report.layout, report.root
    needs = {"scribble": "scribbles", "tags": "tags"}.get(supervision or "", "masks")
    try:
        records = layout.evaluation_records(root, names)
        if needs == "tags":
            # Imported here: tags are tensors, and everything else does without torch.
            from scribbleseg.data.tags import tags_of

            tags_of(layout, root, names)
    except DataError as error:
        _add(report, Finding("error", str(error)))
        return
    audits: dict[str, LabelAudit | None] = {}
    for kind, folder in (("scribbles", layout.scribbles), ("masks", layout.masks)):
        if folder is None or not (root / folder).is_dir():
            audits[kind] = None
            if kind == needs:
                _add(report, Finding("error", f"{root / (folder or kind)}: no such folder"))
            continue
        paths = {record.name: root / folder / f"{record.name}.png" for record in records}
        missing = [str(path) for path in paths.values() if not path.is_file()]
        share = f"{len(missing)} of {len(paths)}"
        if missing and kind == needs:
            _add(report, Finding("error", f"{some(missing)} missing ({share})"))
        elif missing and kind == "scribbles" and len(missing) < len(paths):
            _add(report, Finding("warning", f"{name}: no scribble for {share}"))
        audit = _audit_files(
            report,
            [(r, paths[r.name] if paths[r.name].is_file() else None) for r in records],
            needed=kind == needs,
        )
        audits[kind] = audit if audit.images else None
        if kind == needs and audit.images:
            owner = {paths[record.name]: record for record in records}
            _judge(report, name, kind, audit, owner, training=supervision is not None)
    if not any(audits.values()):
        _audit_files(report, [(record, None) for record in records], needed=False)
    contradicting = None
    if audits["scribbles"] is not None and audits["masks"] is not None:
        contradicting = _contradictions(report, records)
    report.splits.append(
        SplitAudit(name, len(names), audits["scribbles"], audits["masks"], contradicting)
    )


def _audit_files(
    report: DatasetAudit, files: Sequence[tuple[Record, Path | None]], *, needed: bool
) -> LabelAudit:
    layout = report.layout
    audit = audit_labels(
        [(path, record.image) for record, path in files],
        num_classes=len(layout.class_names),
        ignore_index=layout.ignore_index,
        image_mode=layout.image_mode,
    )
    rest = iter(files)
    unusable = []
    for message in audit.label_problems:  # in the order of the files, each begins with its path
        record, path = next((r, p) for r, p in rest if message.startswith(f"{p}: "))
        problems = _label_problems(message, record, path) if path is not None else ()
        unusable.append(Finding("error" if needed else "warning", message, problems))
    _add(report, *(Finding("error", message) for message in audit.picture_problems), *unusable)
    return audit


def _label_problems(message: str, record: Record, label: Path) -> tuple[Problem, ...]:
    """How a label image that cannot be used can be seen; not at all if it cannot be opened."""
    try:
        same = image_size(label) == image_size(record.image)
    except DataError:
        return ()
    return (Problem("values" if same else "size", record.name, message, record.image, label),)


def _judge(
    report: DatasetAudit,
    name: str,
    kind: str,
    audit: LabelAudit,
    owner: Mapping[Path, Record],
    *,
    training: bool,
) -> None:
    """Empty labels, and classes that nobody drew."""
    what = "scribble" if kind == "scribbles" else "mask"
    if audit.empty:
        paths = [str(path) for path in audit.empty]
        mend = "draw something, take the images off the list"
        if training:
            mend += ", or train with --data.allow_empty true"
        message = (
            f"{name}: nothing is drawn in {len(paths)} of {audit.images} {kind}: {some(paths)}; "
            f"{mend}"
        )
        problems = [
            Problem(
                "empty", owner[path].name, f"{path}: no pixel is labelled", owner[path].image, path
            )
            for path in audit.empty
        ]
        _add(report, Finding("error" if training else "warning", message, tuple(problems)))
    names = report.layout.class_names
    absent = [class_name for index, class_name in enumerate(names) if not audit.pixels[index]]
    if training and names[0] in absent:
        message = (
            f"{name}: class {names[0]!r} (index 0) is never drawn, so that nothing would teach "
            "the network what is not an object; draw it in some images"
        )
        _add(report, Finding("error", message))
        absent.remove(names[0])
    if absent:
        message = f"{name}: {len(absent)} of {len(names)} classes are in no {what}: {some(absent)}"
        _add(report, Finding("warning", message))


def _contradictions(report: DatasetAudit, records: Sequence[Record]) -> float:
    """Share of the strokes' pixels on another class of the mask; the worst images are named."""
    layout, root = report.layout, report.root
    assert layout.scribbles is not None
    wrong_pixels = pixels = 0
    bad, problems = [], []
    for record in records:
        path = root / layout.scribbles / f"{record.name}.png"
        try:
            scribble = read_label(path)
            mask = read_label(record.mask) if record.mask else None
        except DataError:  # already reported
            continue
        if mask is None or scribble.shape != mask.shape:
            continue
        both = (scribble != layout.ignore_index) & (mask != layout.ignore_index)
        count = int(both.sum())
        wrong = int(np.count_nonzero(scribble[both] != mask[both]))
        wrong_pixels, pixels = wrong_pixels + wrong, pixels + count
        if wrong > CONTRADICTION * count:
            bad.append(f"{path} ({wrong / count:.0%})")
            caption = f"{path}: {wrong} of {count} pixels are drawn on another class of the mask"
            files = record.image, path, record.mask
            problems.append(Problem("contradiction", record.name, caption, *files))
    if bad:
        message = (
            f"strokes lie on another class of the mask in {len(bad)} images: {some(bad)}; check "
            "the class numbers of both"
        )
        _add(report, Finding("warning", message, tuple(problems)))
    return wrong_pixels / max(pixels, 1)


def _find_strays(report: DatasetAudit, known: set[str]) -> None:
    """Labels that belong to no picture, most often because a name differs a little."""
    layout, root = report.layout, report.root
    stems = Counter(path.stem for path in images_in(root / layout.images, layout.image_suffixes))
    pictures = set(stems)
    twice = sorted(name for name, count in stems.items() if count > 1)
    if twice:
        first = " before ".join(layout.image_suffixes)
        images = root / layout.images
        message = f"{images}: several pictures called {some(twice)}; {first} is used"
        _add(report, Finding("warning", message))
    lower = {name.lower(): name for name in sorted(pictures)}
    expected = pictures | known
    for folder in (layout.scribbles, layout.masks):
        labels = sorted((root / folder).glob("*.png")) if folder else []
        strays = [path for path in labels if path.stem not in expected]
        hints = [
            f"{path} (picture {lower[path.stem.lower()]!r}?)"
            if path.stem.lower() in lower
            else str(path)
            for path in strays
        ]
        if hints:
            _add(report, Finding("warning", f"no picture for {some(hints)} ({len(hints)} in all)"))


def _add(report: DatasetAudit, *findings: Finding) -> None:
    """Add those that are new; an image may be on two lists."""
    known = {finding.message for finding in report.findings}
    report.findings.extend(finding for finding in findings if finding.message not in known)
