"""A benchmark of two configs and a recipe, and commands that leave what training leaves."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from scribbleseg.recipes.benchmark_cells import Cell
from scribbleseg.recipes.benchmark_spec import Benchmark, read_benchmark

SPEC: dict[str, Any] = {
    "title": "Two and a recipe",
    "runs": "runs",
    "csv": "kept/two.csv",
    "seeds": [0, 1],
    "baseline": "plain",
    "reference": "d/full",
    "options": {"data.num_workers": 0},
    "methods": {
        "plain": {"config": "plain.yaml", "title": "plain one"},
        "d/full": {"config": "full.yaml", "options": {"trainer.max_steps": 8}},
        "staged": {
            "recipe": "recipe.yaml",
            "seeds": [0],
            "options": {"second.trainer.max_steps": 6},
            "prior": "hull",
        },
    },
}
RECIPE = {
    "run": "elsewhere",
    "variables": {"seed": 5},
    "stages": {
        "first": {
            "command": "fit",
            "options": {"config": "plain.yaml", "seed_everything": "{seed}"},
        },
        "labels": {"command": "pseudolabel", "options": {"run": "{first}"}},
        "second": {
            "command": "fit",
            "options": {"config": "full.yaml", "data.pseudo_labels": "{labels}"},
        },
    },
}


def write_spec(**changes: Any) -> Path:
    """The benchmark and its configs in the working directory."""
    for name in ("plain", "full"):
        Path(f"{name}.yaml").write_text(f"trainer: {{max_steps: 4}}  # {name}")
    Path("recipe.yaml").write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    path = Path("two.yaml")
    path.write_text(yaml.safe_dump({**SPEC, **changes}, sort_keys=False))
    return path


def benchmark(**changes: Any) -> Benchmark:
    """The benchmark."""
    return read_benchmark(write_spec(**changes))


class Commands:
    """Stands for the commands: notes what is run, and leaves what each leaves."""

    def __init__(self, **codes: int) -> None:
        self.lines: list[str] = []
        self.codes = codes

    def __call__(self, cell: Cell, arguments: Sequence[str]) -> int:
        """Run one; those of the methods named in ``codes`` stop half way with that code."""
        self.lines.append(" ".join(arguments))
        folder = Path(arguments[arguments.index("--run" if arguments[0] == "fit" else "--out") + 1])
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        if arguments[0] != "fit":
            (folder / "manifest.json").write_text("labels")
            return 0
        (folder / "config.yaml").write_text("begun")
        if cell.method.name in self.codes:
            cell.log.write_text("a line\nscribbleseg: error: no luck\n")
            return self.codes[cell.method.name]
        (folder / "checkpoints/last.ckpt").write_text("weights")
        score = {"plain": 0.5, "d/full": 0.8, "staged": 0.6}[cell.method.name] + cell.seed / 10
        scores = {"iou": score, "accuracy": score, "dice": score}
        volumes = {
            "mean_dice": score,
            "mean_hd95_mm": 10 * score,
            "classes": {"disc": {"dice": score, "hd95_mm": 1, "empty_prediction": 1}},
        }
        test = {"images": 3, "miou": score, "pixel_accuracy": 0.9, "classes": {"disc": scores}}
        facts = {
            "metrics.json": {"test": {"checkpoint": "last", **test, "volumes": volumes}},
            "cost.json": {
                "steps": 4, "seconds": 20.2, "images_per_second": 1.5, "peak_memory_mb": 300,
                "labelled_share": 0.0125,
            },
            "environment.json": {"device": "cpu", "git_revision": "0123456789abcdef-dirty"},
        }  # fmt: skip
        for name, content in facts.items():
            (folder / name).write_text(json.dumps(content))
        return 0
