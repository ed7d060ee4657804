import io
from pathlib import Path

import numpy as np
from PIL import Image

from scribbleseg.evaluation.loss_curves import draw_curves


def test_losses_left_and_scores_right(tmp_path: Path) -> None:
    log = tmp_path / "metrics.csv"
    rows = "".join(
        f"{step},0,{2 - step / 50},,\n{step},0,,{step / 100},\n" for step in range(0, 99, 9)
    )
    log.write_text(f"step,epoch,loss/a,val/miou,lr\n{rows}")
    with Image.open(io.BytesIO(draw_curves(log))) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB")).astype(int)
    ink = (pixels.max(axis=2) - pixels.min(axis=2)) > 60
    half = ink.shape[1] // 2
    assert ink[:, :half].sum() > 100
    assert ink[:, half:].sum() > 100
