"""What an audit finds: lines of text, and what is needed to see each problem in a picture."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from scribbleseg.annotation.label_image import Color, LabelImage
from scribbleseg.annotation.stroke import Stroke

__all__ = [
    "Audit",
    "Finding",
    "Kind",
    "Level",
    "Problem",
    "Scene",
    "exit_code",
    "findings_as_list",
    "print_findings",
]

Level = Literal["error", "warning"]
Kind = Literal["contradiction", "dots", "empty", "outside", "size", "values"]

MOST_SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """Something wrong in one image that can be seen.

    Args:
        kind: Strokes on another class of the mask, strokes of one point, nothing drawn, points
            outside the picture, sizes that differ, or label values that are no class.
        name: Id of the image.
        caption: What is wrong, in which file, with numbers.
        picture: File of the picture; None if the annotation file holds it, or there is none.
        label: File of the label image; None if the strokes are in an annotation tool's file.
        mask: File of the mask that the strokes contradict.
        entry: Name of the entry of the annotation tool's files that holds the image.
    """

    kind: Kind
    name: str
    caption: str
    picture: Path | None = None
    label: Path | None = None
    mask: Path | None = None
    entry: str | None = None


@dataclass(frozen=True)
class Finding:
    """Something to mend (error: training is refused) or to know (warning).

    Args:
        level: Which of them.
        message: What it is, and what to do.
        problems: The images in which it can be seen.
    """

    level: Level
    message: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, eq=False)
class Scene:
    """The pixels of an image with a problem.

    Args:
        picture: ``(H, W)`` or ``(H, W, 3)`` uint8; None if there is none.
        label: ``(h, w)``, what was drawn or written; of the picture's size unless that is the
            problem.
        class_names: Names of the classes.
        palette: RGB of each, 0..255.
        ignore_index: Value of unlabelled pixels.
        mask: ``(H, W)``, the truth.
        strokes: As they were drawn, where a file says so.
        marked: ``(N, 2)``, x and y of the points of which the problem speaks.
    """

    picture: NDArray[np.uint8] | None
    label: LabelImage
    class_names: tuple[str, ...]
    palette: tuple[Color, ...]
    ignore_index: int = 255
    mask: LabelImage | None = None
    strokes: tuple[Stroke, ...] = ()
    marked: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))


class Audit(Protocol):
    """What was found, and a way to look at it."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What is wrong or worth knowing."""

    def scenes(self, problems: Sequence[Problem]) -> Iterator[tuple[Problem, Scene]]:
        """The scene of each problem, one in memory at a time; those that cannot be read lack."""


def exit_code(findings: Sequence[Finding]) -> int:
    """0: nothing found; 1: warnings; 2: errors.

    >>> exit_code([Finding("warning", "one class is never drawn")])
    1
    """
    levels = {finding.level for finding in findings}
    return 2 if "error" in levels else 1 if levels else 0


def findings_as_list(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Levels and messages as plain values for JSON."""
    return [{"level": finding.level, "message": finding.message} for finding in findings]


def print_findings(
    console: Console, subject: Path, findings: Sequence[Finding], verdict: Mapping[int, str]
) -> None:
    """Print the errors, the warnings, and what follows from them.

    Args:
        console: Where to.
        subject: What was looked at.
        findings: What was found.
        verdict: What each exit code means.
    """
    for level in ("error", "warning"):
        messages = [finding.message for finding in findings if finding.level == level]
        for message in messages[:MOST_SHOWN]:
            console.print(f"{level}: {message}", soft_wrap=True, highlight=False, markup=False)
        if len(messages) > MOST_SHOWN:
            console.print(f"{len(messages) - MOST_SHOWN} more {level}s: see --json")
    console.print(f"{subject}: {verdict[exit_code(findings)]}", soft_wrap=True)
