r"""Accuracy of configs over seeds: runs what is not done yet, and writes one table.

    python benchmarks/accuracy.py configs/shapes/*.yaml --seeds 0 1 2 \
        --csv docs/benchmarks/shapes.csv

Each cell is an ordinary run folder below ``runs/benchmarks``; a finished one is not run again. The
CSV keeps one row a run.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

COLUMNS = [
    "config",
    "seed",
    "steps",
    "seconds",
    "images",
    "miou",
    "pixel_accuracy",
    "dice_3d",
    "hd95_mm",
    "none_predicted",
]


def main() -> None:
    """Run the grid and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmarks"))
    options = parser.parse_args()
    for seed in options.seeds:
        for config in options.configs:
            run = options.runs / config.parent.name / config.stem / f"seed{seed}"
            if not is_done(run):
                train(config, seed, run)
            add_row(options.csv, row_of(config, seed, run))
    print(table(options.csv))


def is_done(run: Path) -> bool:
    """Whether a run has finished."""
    status = run / "status.json"
    return status.is_file() and json.loads(status.read_text())["state"] == "done"


def train(config: Path, seed: int, run: Path) -> None:
    """One run, its time beside it."""
    started = time.monotonic()
    command = [
        "scribbleseg",
        "fit",
        "--config",
        str(config),
        "--seed_everything",
        str(seed),
        "--run",
        str(run),
    ]
    subprocess.run([*command, "--overwrite"], check=True)
    (run / "seconds.txt").write_text(f"{time.monotonic() - started:.0f}\n")


def row_of(config: Path, seed: int, run: Path) -> dict[str, object]:
    """What a run reports."""
    metrics = json.loads((run / "metrics.json").read_text())["test"]
    row: dict[str, object] = {
        "config": f"{config.parent.name}/{config.stem}",
        "seed": seed,
        "steps": json.loads((run / "status.json").read_text())["steps"],
        "seconds": (run / "seconds.txt").read_text().strip(),
        "images": metrics["images"],
        "miou": round(metrics["miou"], 4),
        "pixel_accuracy": round(metrics["pixel_accuracy"], 4),
    }
    if volumes := metrics.get("volumes"):
        row["dice_3d"] = round(volumes["mean_dice"], 4)
        row["hd95_mm"] = round(volumes["mean_hd95_mm"], 2)
        row["none_predicted"] = sum(c["empty_prediction"] for c in volumes["classes"].values())
    row |= {f"iou {name}": round(scores["iou"], 4) for name, scores in metrics["classes"].items()}
    if volumes:
        row |= {
            f"dice_3d {name}": round(scores["dice"], 4)
            for name, scores in volumes["classes"].items()
        }
    return row


def add_row(path: Path, row: dict[str, object]) -> None:
    """Put a row into the CSV, in place of an earlier one of the same config and seed."""
    rows = read(path)
    rows = [
        old for old in rows if (old["config"], old["seed"]) != (row["config"], str(row["seed"]))
    ]
    rows.append({key: str(value) for key, value in row.items()})
    names = dict.fromkeys([*COLUMNS, *(name for r in rows for name in r)])
    used = [name for name in names if any(r.get(name) for r in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, used, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda r: (r["config"], int(r["seed"]))))


def table(path: Path) -> str:
    """Mean and spread over seeds, as Markdown."""
    rows = read(path)
    scores = [
        name
        for name in ("miou", "pixel_accuracy", "dice_3d", "hd95_mm", "seconds")
        if any(row.get(name) for row in rows)
    ]
    lines = ["| config | seeds | " + " | ".join(scores) + " |", "| --- " * (len(scores) + 2) + "|"]
    for config in sorted({row["config"] for row in rows}):
        mine = [row for row in rows if row["config"] == config]
        cells = []
        for name in scores:
            values = [float(row[name]) for row in mine]
            spread = (
                f" ± {statistics.stdev(values):.3g}"
                if len(values) > 1 and name != "seconds"
                else ""
            )
            cells.append(f"{statistics.mean(values):.4g}{spread}")
        lines.append(f"| {config} | {len(mine)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV; none if it is not there."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    sys.exit(main())
