"""How much of what runs get wrong lies where no stroke ever is, beyond the hull of the strokes.

    python benchmarks/far_field.py LAYOUT ROOT RUN...

A RUN is what was scored, of a recipe the folder of its last training (``.../seed0/student``). For
each: the share of the pixels wrongly predicted as objects that lie outside the convex hull of their
own image's strokes, and its volumes' scores as they are and with everything outside that hull set
to background. The strokes of *test* images are used, so the second pair is an oracle's: it says
what a method can do near the objects, not what it would give a user.
"""

import sys
import tempfile
from pathlib import Path

from scribbleseg.annotation import read_label, write_label
from scribbleseg.annotation.hull import far_background
from scribbleseg.data.layouts import load_layout
from scribbleseg.evaluation import compare_label_images, read_volumes


def main(layout_name: str, root_name: str, *runs: str) -> None:
    """Print a Markdown table, one line a run."""
    layout, root = load_layout(layout_name, root_name)
    assert layout.volumes is not None
    volumes = read_volumes(root / layout.volumes)
    print("| run | false objects far away | Dice / HD95, mm | without them (oracle) |")
    print("| --- | --- | --- | --- |")
    for run in runs:
        predictions = sorted((Path(run) / "predictions").glob("*.png"))
        if not predictions:
            sys.exit(f"{run}/predictions: no label images; of a recipe, give its last training")
        records = layout.evaluation_records(root, [path.stem for path in predictions])
        false = false_far = 0
        with tempfile.TemporaryDirectory() as folder:
            pairs, near_pairs = [], []
            for path, record in zip(predictions, records, strict=True):
                scribble = layout.scribble_path(root, record.name)
                assert scribble is not None
                assert record.mask is not None
                label = read_label(path).copy()
                far = far_background(read_label(scribble), ignore_index=layout.ignore_index)
                wrong = (label > 0) & (read_label(record.mask) == 0)
                false, false_far = false + int(wrong.sum()), false_far + int((wrong & far).sum())
                label[far] = 0
                near = Path(folder) / path.name
                write_label(near, label)
                pairs.append((record.name, path, record.mask))
                near_pairs.append((record.name, near, record.mask))
            cells = []
            for some in (pairs, near_pairs):
                report = compare_label_images(some, layout.class_names, volumes=volumes)
                assert report.volumes is not None
                scores = report.volumes.as_dict()
                cells.append(f"{scores['mean_dice']:.3f} / {scores['mean_hd95_mm']:.1f}")
        print(f"| {run} | {false_far / false:.1%} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
