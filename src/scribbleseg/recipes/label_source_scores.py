"""Which pseudo labels are better: those of several sources scored, with the runs they led to."""

import csv
import math
import shlex
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.data.layout import Layout
from scribbleseg.data.pseudo_labels import label_path
from scribbleseg.errors import ConfigError, DataError
from scribbleseg.evaluation.confusion import Scores
from scribbleseg.recipes.json_file import read_json
from scribbleseg.recipes.label_sources import LabelSources, SourceVariant
from scribbleseg.recipes.pseudo_label_scores import PseudoLabelScores, score_pseudo_labels
from scribbleseg.recipes.run_folder import RunFolder

__all__ = ["SourceScore", "SourceScores", "score_sources", "table_of", "write_source_scores"]

ABSENT = "\N{EN DASH}"


@dataclass(frozen=True)
class SourceScore:
    """What is known of one source and variant.

    Args:
        item: Source, variant and folders.
        miou: Of the labels, 0..1, over the classes present and the pixels that have a label; None
            if they could not be scored.
        labelled: Share of all pixels that have a label, 0..1; None as ``miou``.
        test_miou: Of the run on its test images, 0..1; None if there is no finished run.
    """

    item: SourceVariant
    miou: float | None
    labelled: float | None
    test_miou: float | None


@dataclass(frozen=True)
class SourceScores:
    """Everything that was scored, and what was not.

    Args:
        sources: What was compared.
        scores: One for each of its items, in their order.
        images: Number of images of the split.
        compared: Those with a mask.
        gaps: A line for each folder that is missing or could not be scored, and why.
    """

    sources: LabelSources
    scores: tuple[SourceScore, ...]
    images: int
    compared: int
    gaps: tuple[str, ...]


def score_sources(
    sources: LabelSources, layout: Layout, root: Path, say: Callable[[str], None]
) -> SourceScores:
    """Score every folder of labels once, and look up what the runs have scored.

    A folder that is not there, lacks images or holds anything but labels is left out and named.

    Args:
        sources: What is compared.
        layout: Layout of the dataset.
        root: Its folder.
        say: Prints a line before a folder is scored.

    Raises:
        ConfigError: There is nothing to compare.
        DataError: The list is wrong, or its images have no masks.
    """
    items = sources.items
    tests = {item: miou for item in items if (miou := _test_miou(item)) is not None}
    folders, gaps = _find_folders(items, root)
    if not folders and not tests:
        wanted = ", ".join(dict.fromkeys(item.labels for item in items))
        raise ConfigError(
            f"{sources.path}: none of its folders of labels is here or below {root}: {wanted}; "
            "make them, or name others in 'labels'"
        )
    if layout.generate is not None and not root.is_dir():
        layout.generate(root)
    names = layout.names(root, sources.split)
    masks = _find_masks(layout, root, names, sources.split)
    labels: dict[str, PseudoLabelScores] = {}
    for written, folder in folders.items():
        absent = [name for name in names if not label_path(folder, name).is_file()]
        if absent:
            gaps.append(
                f"incomplete: {folder}: no label for {some(absent)} ({len(absent)} of "
                f"{len(names)} images); not scored"
            )
            continue
        say(f"scoring {folder}")
        try:
            labels[written] = score_pseudo_labels(
                [(label_path(folder, name), masks.get(name)) for name in names],
                layout.class_names,
                ignore_index=layout.ignore_index,
            )
        except DataError as error:
            gaps.append(f"wrong: {error}; {folder} is not scored")
    if not labels and not tests:
        raise ConfigError(f"{sources.path}: nothing can be compared; {'; '.join(gaps)}")
    gaps += [
        _run_gap(item, item.run, can_train=item.labels in labels)
        for item in items
        if item.run is not None and item not in tests
    ]
    scores = tuple(_score(item, labels.get(item.labels), tests.get(item)) for item in items)
    return SourceScores(sources, scores, len(names), len(masks), tuple(gaps))


def _find_folders(items: Sequence[SourceVariant], root: Path) -> tuple[dict[str, Path], list[str]]:
    """Where the folders of the labels are, and a line for each that is not there."""
    folders: dict[str, Path] = {}
    gaps = []
    for item in {item.labels: item for item in items}.values():
        places = [Path(item.labels), root / item.labels]  # as data.pseudo_labels is looked for
        found = [path for path in places if path.is_dir()]
        if found:
            folders[item.labels] = found[0]
        else:
            gaps.append(f"missing: labels of {item.source}: {places[0]} or {places[1]}")
    return folders, gaps


def _find_masks(layout: Layout, root: Path, names: Sequence[str], split: str) -> dict[str, Path]:
    folder = root / (layout.masks or "")
    masks = {name: folder / f"{name}.png" for name in names} if layout.masks else {}
    found = {name: path for name, path in masks.items() if path.is_file()}
    if not found:
        raise DataError(
            f"{folder}: no mask of the {len(names)} images of {split!r}, so that their labels "
            "cannot be scored; choose another 'split'"
        )
    return found


def _test_miou(item: SourceVariant) -> float | None:
    """Mean IoU of a finished run on its test images."""
    if item.run is None or RunFolder(item.run).status().get("state") != "done":
        return None
    miou: float | None = read_json(item.run / "metrics.json").get("test", {}).get("miou")
    return miou


def _run_gap(item: SourceVariant, run: Path, *, can_train: bool) -> str:
    """Why a run has no score, and the command line that mends it."""
    folder = RunFolder(run)
    what = f"run on the labels of {item.source}, {item.variant}: {run}"
    state = folder.status().get("state", "not started")
    if not folder.config.is_file():
        command = shlex.join(["scribbleseg", *item.training])
        return f"missing: {what}" + (f"; {command}" if item.training and can_train else "")
    if state != "done":
        return (
            f"unfinished: {what} ({state}); scribbleseg fit --run {shlex.quote(str(run))} --resume"
        )
    return f"not tested: {what}; scribbleseg test --run {shlex.quote(str(run))}"


def _score(
    item: SourceVariant, labels: PseudoLabelScores | None, test_miou: float | None
) -> SourceScore:
    if labels is None:
        return SourceScore(item, None, None, test_miou)
    miou = Scores.from_counts(labels.counts).miou
    return SourceScore(item, None if math.isnan(miou) else miou, labels.labelled, test_miou)


def table_of(scores: SourceScores) -> str:
    """What was compared, a row a source, and what is missing, as Markdown."""
    sources = scores.sources
    rows: dict[str, list[SourceScore]] = {}
    for score in scores.scores:
        rows.setdefault(score.item.source, []).append(score)
    shares = any(score.labelled is not None and score.labelled < 1 for score in scores.scores)
    runs = any(score.item.run is not None for score in scores.scores)
    header = ["source", *(f"labels {name}" for name in sources.variants), "labels, mean ± std"]
    header += ["labelled"] if shares else []
    header += [*(f"test {name}" for name in sources.variants), "test, mean ± std"] if runs else []
    lines = [header, ["---"] * len(header)]
    for source, row in rows.items():
        # What does not depend on the variant was measured once, and has no spread.
        once = list({score.item.labels: score for score in row}.values())
        line = [source, *(_shown(score.miou) for score in row)]
        line.append(_mean_and_spread([score.miou for score in once]))
        if shares:
            known = [score.labelled for score in once if score.labelled is not None]
            line.append(f"{statistics.mean(known):.1%}" if known else ABSENT)
        if runs:
            tests = [score.test_miou for score in row]
            line += [*map(_shown, tests), _mean_and_spread(tests)]
        lines.append(line)
    masks = f", {scores.compared} of them with a mask" if scores.compared < scores.images else ""
    return "\n".join(
        [
            f"Mean IoU over the classes present. Labels: {sources.layout}, {sources.split} "
            f"({scores.images} images{masks}), pixels without a label left out. "
            + ("Test: the run that learned from them." if runs else ""),
            "",
            *("| " + " | ".join(line) + " |" for line in lines),
            "",
            *(f"- {gap}" for gap in scores.gaps),
        ]
    ).rstrip()


def _shown(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.4f}"


def _mean_and_spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ABSENT
    spread = f" ± {statistics.stdev(known):.4f}" if len(known) > 1 else ""
    part = f" ({len(known)} of {len(values)})" if len(known) < len(values) else ""
    return f"{statistics.mean(known):.4f}{spread}{part}"


def write_source_scores(folder: Path, scores: SourceScores) -> None:
    """Write ``label_sources.csv``, a row a source and variant, and the table as Markdown.

    Args:
        folder: Where they go.
        scores: Of `score_sources`.
    """
    columns = ("source", "variant", "labels", "miou", "labelled", "run", "test_miou")
    with (
        whole_file(folder / "label_sources.csv") as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for score in scores.scores:
            item = score.item
            facts = (item.labels, score.miou, score.labelled, item.run, score.test_miou)
            writer.writerow((item.source, item.variant, *facts))  # None is an empty field
    with whole_file(folder / "label_sources.md") as unfinished:
        unfinished.write_text(table_of(scores) + "\n", encoding="utf-8")
