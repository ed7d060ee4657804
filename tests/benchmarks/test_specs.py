"""The grids as they are: what a spec overrides must fit what its configs say."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from scribbleseg.cli.configs import find_config
from scribbleseg.recipes.benchmark_cells import cells_of
from scribbleseg.recipes.benchmark_spec import read_benchmark

FOLDER = Path(__file__).parents[2] / "configs/benchmarks"
LEAST = {"acdc_full": 20, "acdc_search": 20, "acdc_search_muon": 20, "acdc_small": 20}
LEAST |= {"acdc_long": 7, "acdc_adamw": 20}
"""Stages that cut, of each spec of ACDC; those of CamVid have 14."""
SPECS = [(path, LEAST[path.stem]) for path in sorted(FOLDER.glob("acdc_*.yaml"))]
SPECS += [(path, 14) for path in sorted(FOLDER.glob("camvid_*.yaml"))]


@pytest.mark.parametrize(("spec", "least"), SPECS, ids=[path.stem for path, _ in SPECS])
def test_slices_stay_whole(spec: Path, least: int) -> None:
    """Pictures are scaled at random and cut out at the size that they are brought to before."""
    benchmark, cut = read_benchmark(spec), 0  # stages that cut
    for cell in cells_of(benchmark.runs, benchmark.methods, find_config):
        for stage in cell.recipe.stages:
            if "config" not in stage.options:
                continue
            config = yaml.safe_load(find_config(str(stage.options["config"])).read_text())

            def value(name: str, stage: Any = stage, config: Any = config) -> Any:
                given = stage.options.get(f"data.{name}", config["data"][name])
                return yaml.safe_load(given) if isinstance(given, str) else given

            for transform in value("transforms"):
                if transform["class_path"].endswith(".RandomCrop"):
                    cut += 1
                    where = f"{cell.method.name}, {stage.name}"
                    assert transform["init_args"]["size"] == value("resize"), where
    assert cut >= least
