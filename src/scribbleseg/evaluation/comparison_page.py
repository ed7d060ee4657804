"""The HTML report of label images that anybody's tool has made."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from scribbleseg.annotation.label_image import Color
from scribbleseg.evaluation.page import write_page
from scribbleseg.evaluation.picture import Example
from scribbleseg.evaluation.report import Report

__all__ = ["write_comparison_page"]


def write_comparison_page(
    path: Path,
    report: Report,
    examples: Sequence[Example],
    palette: Sequence[Color],
    *,
    predictions: Path,
    masks: Path,
    facts: Mapping[str, str],
) -> None:
    """Write the report.

    Args:
        path: The HTML file.
        report: Scores, with those of each image.
        examples: Files of the images that may be drawn; none where there are no pictures.
        palette: RGB of each class.
        predictions: Folder of the predicted label images.
        masks: Folder of the true ones.
        facts: What else is known about them; empty values are left out.
    """
    every = {
        "predictions": str(predictions),
        "masks": str(masks),
        "images": str(report.images),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        **facts,
    }
    write_page(
        path,
        report,
        examples,
        palette,
        title="Predictions compared with the truth",
        subtitle=f"{predictions}, scored {every['date']}",
        summary=(
            f"The predicted label images of {report.images} images in {predictions} were compared "
            f"with the full masks in {masks}: every number here is a comparison with those masks."
        ),
        facts={name: value for name, value in every.items() if value},
    )
