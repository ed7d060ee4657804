"""Everything that can be said about a dataset before anybody trains on it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from scribbleseg.annotation.audit import LabelAudit, audit_labels
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.label_image import read_label
from scribbleseg.data.layout import Layout, Record
from scribbleseg.errors import DataError

__all__ = ["DatasetAudit", "Finding", "SplitAudit", "audit_dataset"]

CONTRADICTION = 0.05
"""Share of an image's strokes on another class of the mask from which on it is reported; people
draw a little over the edge."""

MOST_SHOWN = 20


@dataclass(frozen=True)
class Finding:
    """Something to mend (error: training is refused) or to know (warning)."""

    level: Literal["error", "warning"]
    message: str


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
        levels = {finding.level for finding in self.findings}
        return 2 if "error" in levels else 1 if levels else 0

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
            "findings": [
                {"level": finding.level, "message": finding.message} for finding in self.findings
            ],
            "exit_code": self.exit_code,
        }

    def print(self, console: Console) -> None:
        """Print a table of each list, and the findings."""
        for split in self.splits:
            console.print(self._table(split))
        for level in ("error", "warning"):
            messages = [f.message for f in self.findings if f.level == level]
            for message in messages[:MOST_SHOWN]:
                console.print(f"{level}: {message}", soft_wrap=True, highlight=False, markup=False)
            if len(messages) > MOST_SHOWN:
                console.print(f"{len(messages) - MOST_SHOWN} more {level}s: see --json")
        verdict = {
            0: "nothing to mend",
            1: "can be trained on; see the warnings",
            2: "training would be refused; mend the errors",
        }
        console.print(f"{self.root}: {verdict[self.exit_code]}", soft_wrap=True)

    def _label_dict(self, audit: LabelAudit | None) -> dict[str, Any] | None:
        if audit is None:
            return None
        names = self.layout.class_names
        return {
            "images": audit.images,
            "labelled_fraction": audit.labelled_fraction,
            "pixels": dict(zip(names, audit.pixels.tolist(), strict=True)),
            "images_with": dict(zip(names, audit.images_with.tolist(), strict=True)),
            "sizes": {f"{width}x{height}": n for (height, width), n in audit.sizes.items()},
            "empty": [str(path) for path in audit.empty],
        }

    def _table(self, split: SplitAudit) -> Table:
        kinds = [
            (name, audit)
            for name, audit in (("scribbles", split.scribbles), ("masks", split.masks))
            if audit is not None
        ]
        table = Table(title=f"{split.name}: {split.images} images, {_sizes(kinds)}")
        table.add_column("class", no_wrap=True)
        for name, _ in kinds:
            for column in (f"{name}\nimages", "\npixels", "\nshare"):
                table.add_column(column, justify="right", no_wrap=True)
        for index, class_name in enumerate(self.layout.class_names):
            cells = []
            for _, audit in kinds:
                pixels = int(audit.pixels[index])
                share = pixels / max(int(audit.pixels.sum()), 1)
                cells += [str(audit.images_with[index]), _short(pixels), f"{share:.1%}"]
            table.add_row(class_name, *cells)
        table.add_section()
        totals = []
        for _, audit in kinds:
            labelled = int(audit.pixels.sum())
            totals += [str(audit.images), _short(labelled), f"{audit.labelled_fraction:.1%}"]
        table.add_row("labelled", *totals)
        if split.contradicting is not None:
            table.caption = f"{split.contradicting:.2%} of the strokes' pixels contradict the mask"
        return table


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
    for split, name in lists.items():
        if name is None:
            continue
        try:
            names = layout.names(root, name)
        except DataError as error:
            _add(report, "error", [str(error)])
            continue
        if not names:
            where = f"no pictures in {root / layout.images}" if name == "all" else "it is empty"
            _add(report, "error", [f"{root}: list {name!r} names no image: {where}"])
            continue
        known |= set(names)
        _audit_split(report, name, names, supervision if split == "train" else None)
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
        _add(report, "error", [str(error)])
        return
    audits: dict[str, LabelAudit | None] = {}
    for kind, folder in (("scribbles", layout.scribbles), ("masks", layout.masks)):
        if folder is None or not (root / folder).is_dir():
            audits[kind] = None
            if kind == needs:
                _add(report, "error", [f"{root / (folder or kind)}: no such folder"])
            continue
        paths = {record.name: root / folder / f"{record.name}.png" for record in records}
        missing = [str(path) for path in paths.values() if not path.is_file()]
        if missing and kind == needs:
            _add(report, "error", [f"{some(missing)} missing ({len(missing)} of {len(paths)})"])
        elif missing and kind == "scribbles" and len(missing) < len(paths):
            _add(report, "warning", [f"{name}: no scribble for {len(missing)} of {len(paths)}"])
        audit = _audit_files(
            report,
            [(paths[r.name] if paths[r.name].is_file() else None, r.image) for r in records],
            needed=kind == needs,
        )
        audits[kind] = audit if audit.images else None
        if kind == needs and audit.images:
            _judge(report, name, kind, audit, training=supervision is not None)
    if not any(audits.values()):
        _audit_files(report, [(None, record.image) for record in records], needed=False)
    contradicting = None
    if audits["scribbles"] is not None and audits["masks"] is not None:
        contradicting = _contradictions(report, records)
    report.splits.append(
        SplitAudit(name, len(names), audits["scribbles"], audits["masks"], contradicting)
    )


def _audit_files(
    report: DatasetAudit, files: Sequence[tuple[Path | None, Path]], *, needed: bool
) -> LabelAudit:
    layout = report.layout
    audit = audit_labels(
        files,
        num_classes=len(layout.class_names),
        ignore_index=layout.ignore_index,
        image_mode=layout.image_mode,
    )
    _add(report, "error", audit.picture_problems)
    _add(report, "error" if needed else "warning", audit.label_problems)
    return audit


def _judge(
    report: DatasetAudit, name: str, kind: str, audit: LabelAudit, *, training: bool
) -> None:
    """Empty labels, and classes that nobody drew."""
    what = "scribble" if kind == "scribbles" else "mask"
    if audit.empty:
        paths = [str(path) for path in audit.empty]
        mend = "draw something, take the images off the list"
        if training:
            mend += ", or train with --data.allow_empty true"
        _add(
            report,
            "error" if training else "warning",
            [
                f"{name}: nothing is drawn in {len(paths)} of {audit.images} {kind}: "
                f"{some(paths)}; {mend}"
            ],
        )
    names = report.layout.class_names
    absent = [class_name for index, class_name in enumerate(names) if not audit.pixels[index]]
    if training and names[0] in absent:
        _add(
            report,
            "error",
            [
                f"{name}: class {names[0]!r} (index 0) is never drawn, so that nothing would teach "
                "the network what is not an object; draw it in some images"
            ],
        )
        absent.remove(names[0])
    if absent:
        _add(
            report,
            "warning",
            [f"{name}: {len(absent)} of {len(names)} classes are in no {what}: {some(absent)}"],
        )


def _contradictions(report: DatasetAudit, records: Sequence[Record]) -> float:
    """Share of the strokes' pixels on another class of the mask; the worst images are named."""
    layout, root = report.layout, report.root
    assert layout.scribbles is not None
    wrong_pixels = pixels = 0
    bad = []
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
    if bad:
        _add(
            report,
            "warning",
            [
                f"strokes lie on another class of the mask in {len(bad)} images: {some(bad)}; "
                "check the class numbers of both"
            ],
        )
    return wrong_pixels / max(pixels, 1)


def _find_strays(report: DatasetAudit, known: set[str]) -> None:
    """Labels that belong to no picture, most often because a name differs a little."""
    layout, root = report.layout, report.root
    stems = Counter(
        path.stem
        for path in (root / layout.images).glob("*")
        if path.suffix in layout.image_suffixes
    )
    pictures = set(stems)
    twice = sorted(name for name, count in stems.items() if count > 1)
    if twice:
        first = " before ".join(layout.image_suffixes)
        _add(
            report,
            "warning",
            [f"{root / layout.images}: several pictures called {some(twice)}; {first} is used"],
        )
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
            _add(report, "warning", [f"no picture for {some(hints)} ({len(hints)} in all)"])


def _add(report: DatasetAudit, level: Literal["error", "warning"], messages: Sequence[str]) -> None:
    known = {finding.message for finding in report.findings}
    report.findings.extend(Finding(level, message) for message in messages if message not in known)


def _short(count: int) -> str:
    """A count in three digits.

    >>> _short(20_076_812)
    '20.1 M'
    """
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def _sizes(kinds: Sequence[tuple[str, LabelAudit]]) -> str:
    sizes = kinds[0][1].sizes if kinds else {}
    if not sizes:
        return "no labels"
    if len(sizes) == 1:
        ((height, width),) = sizes
        return f"{width} x {height}"
    heights, widths = zip(*sizes, strict=True)
    return (
        f"{len(sizes)} sizes, {min(widths)} to {max(widths)} wide, {min(heights)} to "
        f"{max(heights)} high"
    )
