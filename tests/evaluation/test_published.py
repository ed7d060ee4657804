import json
from pathlib import Path

import numpy as np
import pytest
from tests.golden_cases import Case, golden

from scribbleseg.annotation import write_label
from scribbleseg.cli.main import main
from scribbleseg.data.layouts import context
from scribbleseg.data.preparation.datasets.context import class_of_id
from scribbleseg.errors import ConfigError
from scribbleseg.evaluation.published import merged_classes

NAMES = context.LAYOUT.class_names


def test_merging_the_right_table_gives_the_published_one() -> None:
    right = class_of_id()
    counted_as = np.arange(60)
    merged = merged_classes("blpseg_context", NAMES)
    counted_as[list(merged)] = list(merged.values())
    assert (counted_as[right] == class_of_id("reference")).all()


@golden("blpseg", "context", holding="raw_labelmap")
@pytest.mark.parametrize(
    ("options", "table"), [([], "correct"), (["--protocol", "blpseg_context"], "reference")]
)
def test_golden(
    case: Case,
    options: list[str],
    table: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Masks of the right table, as ``prepare context`` makes them, judged in both ways."""
    for index, (ids, predicted) in enumerate(zip(case["raw_labelmap"], case["pred"], strict=True)):
        write_label(tmp_path / f"p/{index}.png", predicted)
        write_label(tmp_path / f"m/{index}.png", class_of_id()[ids])
    command = ["evaluate", str(tmp_path / "p"), str(tmp_path / "m"), "--json"]
    assert main([*command, "--classes", f"[{','.join(NAMES)}]", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    iou = [100 * (report["classes"][name]["iou"] or 0) for name in NAMES]
    np.testing.assert_allclose(iou, case[f"iou_percent_{table}"], rtol=1e-9, atol=1e-9)
    assert 100 * report["miou_all"] == pytest.approx(case[f"miou_percent_{table}"], rel=1e-9)


def test_what_is_merged_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_label(tmp_path / "p/a.png", np.array([[0, 2, 21]], np.uint8))
    write_label(tmp_path / "m/a.png", np.array([[21, 22, 255]], np.uint8))
    command = ["evaluate", str(tmp_path / "p"), str(tmp_path / "m")]
    classes = ["--classes", f"[{','.join(NAMES)}]"]
    assert main([*command, *classes, "--protocol", "blpseg_context"]) == 0
    out = capsys.readouterr().out
    assert "blpseg_context: bag counts as background" in out
    assert main([*command, *classes]) == 0
    assert "counts as" not in capsys.readouterr().out


def test_other_datasets_are_refused() -> None:
    with pytest.raises(ConfigError, match="no class 'bag'; give the dataset it was made for"):
        merged_classes("blpseg_context", ["background", "bicycle"])
