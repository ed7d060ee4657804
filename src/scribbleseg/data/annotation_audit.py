"""Everything that can be said about an annotation tool's files before a dataset is made of them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from scribbleseg.annotation.audit import LabelAudit
from scribbleseg.annotation.formats.format import Classes, Entry, Format, Options
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.raster import Raster, Rule
from scribbleseg.annotation.untrusted import without_twins
from scribbleseg.data.annotation_reading import Reading
from scribbleseg.data.entry_audit import EntryAudit, PictureAudit, audit_entry, entry_scenes
from scribbleseg.data.finding import (
    Finding,
    Kind,
    Level,
    Problem,
    Scene,
    exit_code,
    findings_as_list,
    print_findings,
)
from scribbleseg.data.label_table import label_counts, label_table
from scribbleseg.data.preparation.annotation_import import (
    background_missing,
    find_entries,
    known_classes,
)
from scribbleseg.data.preparation.production import Progress
from scribbleseg.errors import DataError

__all__ = ["AnnotationAudit", "audit_annotations"]

VERDICT = {
    0: "nothing to mend",
    1: "can be imported; see the warnings",
    2: "import or training would be refused; mend the errors",
}

FATE: Mapping[Rule, str] = {
    "reference-1px": "they are moved to its border",
    "line-3px": "they are moved to its border",
    "opencv": "what lies outside is not drawn",
}
"""What a raster rule does with points outside the picture."""

SAID: Mapping[Kind, str] = {
    "dots": "less than two points",
    "empty": "nothing (is )?drawn|no strokes",
    "outside": "outside the picture",
}
"""Remarks of readers on what is found here too."""


@dataclass(frozen=True)
class AnnotationAudit:
    """What was found.

    Args:
        source: The files.
        form: Their format.
        findings: What is wrong or worth knowing.
        reading: How they were read; None if they could not be listed.
        entries: What is in them.
        labels: What is drawn.
        empty: Ids of the pictures in which nothing is.
    """

    source: Path
    form: Format
    findings: tuple[Finding, ...]
    reading: Reading | None = None
    entries: Sequence[Entry] = ()
    labels: LabelAudit | None = None
    empty: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: nothing found; 1: warnings; 2: import or training would be refused."""
        return exit_code(self.findings)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of their labels; empty if they are not known."""
        return self.reading.classes.names if self.reading is not None else ()

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        labels = None
        if self.labels is not None:
            labels = label_counts(self.labels, self.class_names) | {"empty": list(self.empty)}
        return {
            "source": str(self.source),
            "format": self.form.name,
            "raster": self.reading.raster.as_dict() if self.reading is not None else None,
            "classes": list(self.class_names),
            "labels": labels,
            "findings": findings_as_list(self.findings),
            "exit_code": self.exit_code,
        }

    def print(self, console: Console) -> None:
        """Print a table of the classes, and the findings."""
        if self.labels is not None:
            title = f"{self.form.name}: {self.labels.images} pictures"
            console.print(label_table(title, self.class_names, {"drawn": self.labels}))
            console.print(f"unlabelled: {self.form.unlabelled}", soft_wrap=True)
        print_findings(console, self.source, self.findings, VERDICT)

    def scenes(self, problems: Sequence[Problem]) -> Iterator[tuple[Problem, Scene]]:
        """Picture and strokes of each problem; without those that cannot be read again."""
        if self.reading is None:
            return
        groups: dict[tuple[str | None, Kind], list[Problem]] = defaultdict(list)
        for problem in problems:
            groups[problem.entry, problem.kind].append(problem)
        entries = {entry.name: entry for entry in self.entries}
        for (name, _), group in groups.items():
            with suppress(DataError):
                yield from entry_scenes(self.reading, entries[name or ""], group)


def audit_annotations(
    form: Format,
    source: Path,
    *,
    options: Options,
    raster: Raster | None = None,
    workers: int = 1,
    progress: Progress = lambda done, total: None,
) -> AnnotationAudit:
    """Read every file of an annotation tool; nothing is written.

    Args:
        form: Their format.
        source: The files.
        options: What the user says about them.
        raster: Rule by which strokes become pixels; None for the format's own.
        workers: Processes that read, each one picture at a time.
        progress: Told how many of how many entries are read.

    Raises:
        ConfigError: The classes are not known, or a library is missing.
    """
    try:
        found = find_entries(form, source, options)
    except DataError as error:
        return AnnotationAudit(source, form, (Finding("error", str(error)),))
    classes = known_classes(form, found, options)
    reading = Reading(form, options, classes, raster or form.raster)
    findings: list[Finding] = []
    pictures: list[PictureAudit] = []
    for done, audit in enumerate(_audits(reading, found.entries, workers), start=1):
        pictures += audit.pictures
        findings += audit.errors
        progress(done, len(found.entries))
    for names in ([entry.name for entry in found.entries], [one.name for one in pictures]):
        try:
            without_twins(source, names)
        except DataError as error:
            findings.append(Finding("error", str(error)))
    labels = _label_audit(pictures, classes)
    if pictures:
        findings += _absent(source, classes, labels)
        findings += _judgements(pictures, reading.raster.rule)
    findings += [Finding("warning", remark) for remark in found.remarks]
    findings += _remarks(pictures)
    return AnnotationAudit(
        source,
        form,
        tuple(dict.fromkeys(findings)),
        reading,
        found.entries,
        labels,
        tuple(one.name for one in pictures if not one.pixels),
    )


def _audits(reading: Reading, entries: Sequence[Entry], workers: int) -> Iterator[EntryAudit]:
    """What is in each entry, in their order."""
    if workers == 1 or len(entries) < 2:
        yield from (audit_entry(reading, entry) for entry in entries)
        return
    import joblib

    with joblib.parallel_config("loky"):
        parallel = joblib.Parallel(n_jobs=min(workers, len(entries)), return_as="generator")
        audits = parallel(joblib.delayed(_audit_in_process)(reading, entry) for entry in entries)
        try:
            yield from audits
        finally:
            audits.close()


def _audit_in_process(reading: Reading, entry: Entry) -> EntryAudit:
    import cv2

    cv2.setNumThreads(1)  # the processes are the parallelism
    return audit_entry(reading, entry)


def _label_audit(pictures: Sequence[PictureAudit], classes: Classes) -> LabelAudit:
    pixels, images_with = np.zeros((2, len(classes.names)), np.int64)
    for one in pictures:
        for value, count in one.pixels.items():
            pixels[value] += count
            images_with[value] += 1
    return LabelAudit(
        images=len(pictures),
        pixels=pixels,
        images_with=images_with,
        total_pixels=sum(height * width for height, width in (one.size for one in pictures)),
        sizes=dict(sorted(Counter(one.size for one in pictures).items())),
        empty=(),
        picture_problems=(),
        label_problems=(),
    )


def _absent(source: Path, classes: Classes, labels: LabelAudit) -> Iterator[Finding]:
    """Classes that nobody drew."""
    names = classes.names
    absent = [name for name, drawn in zip(names, labels.images_with, strict=True) if not drawn]
    if names[0] in absent:
        yield Finding("error", background_missing(source, names[0], labels.images))
        absent.remove(names[0])
    if absent:
        message = f"{len(absent)} of {len(names)} classes are drawn in no picture: {some(absent)}"
        yield Finding("warning", message)


def _judgements(pictures: Sequence[PictureAudit], rule: Rule) -> Iterator[Finding]:
    """What is wrong in some of the pictures, all of them in one line."""
    texts: Mapping[Kind, tuple[Level, str, str]] = {
        "empty": (
            "error",
            "nothing is drawn",
            "draw something, remove the pictures, or train with --data.allow_empty true",
        ),
        "outside": ("warning", "points lie outside the picture", FATE[rule]),
        "dots": (
            "warning",
            "strokes of one point draw nothing",
            "choose another --rule, or a point more",
        ),
    }
    for kind, (level, text, advice) in texts.items():
        counts = {
            problem: count
            for one in pictures
            for problem, count in one.problems.items()
            if problem.kind == kind
        }
        if counts:
            names = [problem.name for problem in counts]
            total = f" ({sum(counts.values())} in all)" if kind != "empty" else ""
            where = f"in {len(names)} of {len(pictures)} pictures{total}: {some(names)}"
            yield Finding(level, f"{text} {where}; {advice}", tuple(counts))


def _remarks(pictures: Sequence[PictureAudit]) -> Iterator[Finding]:
    """What the readers have to say; remarks that differ in their first number count together."""
    names: dict[str, list[str]] = defaultdict(list)
    totals: Counter[str] = Counter()
    for one in pictures:
        # Dots are drawn by every rule but the one for which they are found here.
        kinds = {"dots", *(problem.kind for problem in one.problems)}
        for remark in one.remarks:
            if any(re.search(SAID[kind], remark) for kind in kinds):
                continue
            number = re.match(r"\d+ ", remark)
            text = remark[number.end() :] if number else remark
            names[text].append(one.name)
            totals[text] += int(number.group()) if number else 0
    for text, ids in names.items():
        total = f"{totals[text]} " if totals[text] else ""
        where = f"in {len(ids)} of {len(pictures)} pictures: {some(ids)}"
        yield Finding("warning", f"{total}{text} ({where})")
