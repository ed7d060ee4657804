"""The results of a run's test: scores of its predictions, a picture, the report."""

from collections.abc import Callable
from pathlib import Path

from scribbleseg.data.datamodule import ScribbleDataModule
from scribbleseg.evaluation import (
    Example,
    Report,
    compare_label_images,
    draw_examples,
    read_volumes,
    write_image_csv,
)
from scribbleseg.methods.base import SegmentationTask
from scribbleseg.recipes.run_folder import RunFolder
from scribbleseg.recipes.run_page import write_run_page

__all__ = ["score_run"]

PICTURE_ROWS = 6


def score_run(
    folder: RunFolder,
    data: ScribbleDataModule,
    task: SegmentationTask,
    publish: Callable[[Report], None],
    *,
    checkpoint: str,
    steps: int,
    config: str,
) -> tuple[Path, Path]:
    """Score the label images that a test has left in ``predictions/``, and draw some.

    Args:
        folder: The run.
        data: Its data.
        task: Its method.
        publish: Prints and stores the scores.
        checkpoint: Name or path of what was tested.
        steps: Optimiser steps that it was trained for.
        config: The run's config, for the page.

    Returns:
        The picture of examples, and the page.

    Raises:
        DataError: A mask or a prediction cannot be read.
    """
    layout = data.layout
    records = data.evaluation_dataset("test").records
    predictions = {
        record.name: folder.path / "predictions" / f"{record.name}.png" for record in records
    }
    scribbles = {r.name: layout.scribble_path(data.root, r.name) for r in records}
    report = compare_label_images(
        [(r.name, predictions[r.name], r.mask) for r in records if r.mask is not None],
        layout.class_names,
        ignore_index=layout.ignore_index,
        volumes=read_volumes(data.root / layout.volumes) if layout.volumes else (),
        scribbles={name: path for name, path in scribbles.items() if path is not None},
    )
    examples = [
        Example(
            name=r.name,
            image=r.image,
            scribble=scribbles[r.name],
            prediction=predictions[r.name],
            mask=r.mask,
        )
        for r in records
    ]
    picture = folder.path / "report" / "test.png"
    draw_examples(
        picture,
        examples[:: max(1, len(examples) // PICTURE_ROWS)][:PICTURE_ROWS],
        layout.class_names,
        layout.palette,
        title=(
            f"{layout.name}, {type(task).__name__}: mean IoU {report.scores.miou:.3f} on "
            f"{report.images} images"
        ),
    )
    publish(report)
    write_image_csv(folder.path / "per_image.csv", report)
    page = write_run_page(
        folder, report, examples, layout, task, checkpoint=checkpoint, steps=steps, config=config
    )
    return picture, page
