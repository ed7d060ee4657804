from pathlib import Path

import numpy as np

from scribbleseg.evaluation import Report
from scribbleseg.evaluation.comparison_page import write_comparison_page


def test_it_says_what_was_compared(tmp_path: Path) -> None:
    report = Report(3, ("a", "b"), np.array([[3, 1], [0, 4]]))
    write_comparison_page(
        tmp_path / "x.html",
        report,
        [],
        [(0, 0, 0), (9, 9, 9)],
        predictions=Path("their/labels"),
        masks=Path("our/masks"),
        facts={"dataset": "cells", "scribbles": ""},
    )
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    for words in ("their/labels", "our/masks", "3 images", "cells", "0.775"):
        assert words in text
    assert "<td>scribbles" not in text
    assert "<img" not in text
