"""The loss log of a run: one CSV that a resumed run continues."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from scribbleseg.recipes.run_folder import write_text

__all__ = ["MetricsLog"]

STEP = "step"


class MetricsLog(Logger):
    """Writes ``metrics.csv``: a row for each time something is logged, a column a metric.

    Rows already in the file that lie before the first step logged here stay; later ones (of a run
    that was killed some time after its last checkpoint) are dropped. Every row is on disk as soon
    as it is logged.

    Args:
        path: The CSV.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.columns: list[str] = []

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "metrics"

    @property
    def version(self) -> str:
        """There is one version only."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run folder's config has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row."""
        row = {STEP: step or 0, **metrics}
        first = not self.columns
        new = [name for name in sorted(row) if name not in self.columns and name != STEP]
        if first or new:
            kept = [old for old in self._read() if not first or int(old[STEP]) < row[STEP]]
            old_columns = [name for name in (kept[0] if kept else {}) if name != STEP]
            self.columns = [STEP, *old_columns, *(name for name in new if name not in old_columns)]
            write_text(self.path, _as_csv([*kept, row], self.columns, header=True))
        else:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_as_csv([row], self.columns))

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.is_file():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        # A process that was killed while it wrote leaves part of a row.
        return list(csv.DictReader(line for line in lines if line.endswith("\n")))


def _as_csv(rows: Iterable[Mapping[str, Any]], columns: list[str], *, header: bool = False) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
