"""Reading predicted and true label images, and scoring them."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.audit import check_label
from scribbleseg.annotation.image_file import image_size, open_image
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.errors import DataError
from scribbleseg.evaluation.boundary import BoundaryCounts, boundary_counts
from scribbleseg.evaluation.confusion import Counts, confusion_matrix
from scribbleseg.evaluation.image_scores import ImageScores, image_hd95
from scribbleseg.evaluation.report import Report
from scribbleseg.evaluation.scribble_distance import DistanceProfile, distance_profile
from scribbleseg.evaluation.volumes import Volume, score_volumes

__all__ = ["compare_label_images", "in_order", "is_unreadable"]

Pair = tuple[str, Path, Path]
Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 8
"""At most; each holds a few label images in memory."""

LARGE = 1 << 24
"""Pixels above which images are scored one at a time, whatever the number of threads."""


def compare_label_images(
    pairs: Sequence[Pair],
    class_names: Sequence[str],
    *,
    ignore_index: int = 255,
    volumes: Sequence[Volume] = (),
    scribbles: Mapping[str, Path] | None = None,
    dilation_ratio: float = 0.02,
    hd95: bool = False,
    skip_unreadable: bool = False,
    merged: Mapping[int, int] | None = None,
) -> Report:
    """Scores of predicted label images.

    Args:
        pairs: (id, predicted label image, true label image).
        class_names: Names of the classes.
        ignore_index: Label value in the truth that does not count.
        volumes: Volumes to score in 3-D; those of which no slice is among the ids are left out.
        scribbles: Scribbles of the images that have one, by id; accuracy is then given by the
            distance from the nearest stroke.
        dilation_ratio: Width of the boundary regions as a share of the image's diagonal.
        hd95: Whether to measure HD95 of each image and class, which takes about ten times as long
            as all the rest.
        skip_unreadable: Whether images of which a file is no picture or damaged are left out, and
            named in the report; so are the volumes they belong to. Anything else that is wrong
            with a file is an error all the same.
        merged: Labels of the truth that count as others, as a published evaluation has it.

    Raises:
        DataError: A file cannot be read, sizes differ, a value is out of range, a predicted pixel
            is unlabelled, only some slices of a volume are there, or every image was skipped.
    """
    num_classes = len(class_names)
    present = _present(volumes, pairs)
    needed = {name for volume in present for name in volume.slices}
    job = _Job(
        num_classes,
        ignore_index,
        scribbles,
        dilation_ratio,
        hd95,
        skip_unreadable,
        merged or {},
        needed,
        Lock(),
    )
    counts: Counts = np.zeros((num_classes, num_classes), np.int64)
    image_scores: dict[str, ImageScores] = {}
    boundary: BoundaryCounts | None = None
    distance: DistanceProfile | None = None
    # Volumes need all their slices at once; only those that belong to one are kept.
    kept: dict[str, tuple[LabelImage, LabelImage]] = {}
    skipped: dict[str, str] = {}
    for (name, _, _), one in zip(pairs, in_order(job.score, pairs), strict=True):
        if isinstance(one, str):
            skipped[name] = one
            continue
        counts += one.counts
        image_scores[name] = ImageScores.from_counts(one.counts, one.hd95)
        boundary = one.boundary if boundary is None else boundary + one.boundary
        if one.distance is not None:
            distance = one.distance if distance is None else distance + one.distance
        if one.labels is not None:
            kept[name] = one.labels
    if skipped and len(skipped) == len(pairs):
        raise DataError(
            f"none of the {len(pairs)} images can be read; first: {next(iter(skipped.values()))}"
        )
    whole = [volume for volume in present if skipped.keys().isdisjoint(volume.slices)]
    volume_scores = None
    if whole:
        volume_scores = score_volumes(
            whole,
            lambda name: kept[name][0],
            lambda name: kept[name][1],
            class_names,
            ignore_index=ignore_index,
        )
    return Report(
        images=len(image_scores),
        class_names=tuple(class_names),
        counts=counts,
        volumes=volume_scores,
        image_scores=image_scores,
        boundary=boundary,
        scribble_distance=distance,
        skipped=skipped,
        volumes_left_out=tuple(volume.name for volume in present if volume not in whole),
    )


@dataclass(frozen=True)
class _Scored:
    """One image: counts, and its label images where a volume needs them."""

    counts: Counts
    boundary: BoundaryCounts
    distance: DistanceProfile | None
    hd95: NDArray[np.float64] | None
    labels: tuple[LabelImage, LabelImage] | None


@dataclass(frozen=True)
class _Job:
    """What is done with every image, by several threads at a time."""

    num_classes: int
    ignore_index: int
    scribbles: Mapping[str, Path] | None
    dilation_ratio: float
    hd95: bool
    skip_unreadable: bool
    merged: Mapping[int, int]
    needed: set[str]
    one_large: Lock

    def score(self, pair: Pair) -> _Scored | str:
        """Scores of one image, or why it was skipped."""
        name, predicted_path, true_path = pair
        scribble = self.scribbles.get(name) if self.scribbles is not None else None
        try:
            height, width = image_size(true_path)
            with self.one_large if height * width > LARGE else nullcontext():
                return self._score(name, predicted_path, true_path, scribble)
        except DataError as error:
            paths = [path for path in (predicted_path, true_path, scribble) if path is not None]
            if self.skip_unreadable and any(is_unreadable(path) for path in paths):
                return str(error)
            raise

    def _score(
        self, name: str, predicted_path: Path, true_path: Path, drawn: Path | None
    ) -> _Scored:
        predicted, true = read_label(predicted_path), read_label(true_path)
        _same_size(predicted_path, predicted, true_path, true)
        self._check(true_path, true, holes=True)
        self._check(predicted_path, predicted, holes=False)
        if self.merged:
            whole = true.copy()
            for label, other in self.merged.items():
                true[whole == label] = other
        what = {"num_classes": self.num_classes, "ignore_index": self.ignore_index}
        distance = None
        if self.scribbles is not None:
            scribble = read_label(drawn) if drawn is not None else None
            if scribble is not None and drawn is not None:
                _same_size(drawn, scribble, true_path, true)
                self._check(drawn, scribble, holes=True)
            distance = distance_profile(predicted, true, scribble, **what)
        return _Scored(
            confusion_matrix(predicted, true, **what),
            boundary_counts(predicted, true, dilation_ratio=self.dilation_ratio, **what),
            distance,
            image_hd95(predicted, true, **what) if self.hd95 else None,
            (predicted, true) if name in self.needed else None,
        )

    def _check(self, path: Path, label: LabelImage, *, holes: bool) -> None:
        """Refuse labels that are no class; ``ignore_index`` is allowed where there may be holes."""
        beyond = label >= self.num_classes
        if holes:
            beyond &= label != self.ignore_index
        if not beyond.any():
            return
        labelled = check_label(
            path, label, num_classes=self.num_classes, ignore_index=self.ignore_index
        )
        raise DataError(
            f"{path}: {label.size - labelled.sum()} pixels have value {self.ignore_index} "
            f"(unlabelled); a prediction is one of 0..{self.num_classes - 1} everywhere"
        )


def in_order(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Results of a function that reads files, in the order of the items, with all cores.

    Decoding and counting release the interpreter lock, so threads do: two took 0.6 of the time of
    one on two cores. Only a few results wait at a time, and after an error nothing new is started.
    """
    workers = min(THREADS, os.cpu_count() or 1)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def is_unreadable(path: Path) -> bool:
    """Whether a file that is there is no picture, damaged, or too large to be decoded."""
    try:
        with open_image(path) as image:
            image.load()
    except DataError:
        return path.is_file()
    return False


def _present(volumes: Sequence[Volume], pairs: Sequence[Pair]) -> list[Volume]:
    """The volumes with slices among the images, all of whose slices must then be there."""
    names = {name for name, _, _ in pairs}
    present = [volume for volume in volumes if not names.isdisjoint(volume.slices)]
    for volume in present:
        missing = [name for name in volume.slices if name not in names]
        if missing:
            raise DataError(
                f"volume {volume.name}: {len(missing)} of its {len(volume.slices)} slices are not "
                f"among the images, e.g. {missing[0]}; add them, or leave the volumes out"
            )
    return present


def _same_size(path: Path, label: LabelImage, true_path: Path, true: LabelImage) -> None:
    if label.shape != true.shape:
        (height, width), (true_height, true_width) = label.shape, true.shape
        raise DataError(
            f"{path}: {width}x{height} pixels, but {true_path} has {true_width}x{true_height}; "
            "predictions and scribbles must have their image's size"
        )
