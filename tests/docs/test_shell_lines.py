"""Every shell line of README and manual is run, with a budget of a few steps.

Blocks marked ``bash`` instead of ``sh`` need several devices, a cluster, or data and runs that are
not there; what can be tried of the first two is in tests/e2e/test_distributed.
"""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from PIL import Image
from tests.drawn import draw_dataset

from scribbleseg.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHORT = ["--trainer.max_steps", "2", "--trainer.val_check_interval", "2", "--data.num_workers", "0"]
# stands for weights that cannot be downloaded here, and for a network that takes minutes
SMALL = {
    "folder/partial_ce.yaml": [
        "--model.network.weights=none",
        "--model.network.encoder=tu-test_resnet",
    ]
}
REAL = ("acdc/", "camvid/", "check acdc")
# scoring 40 volumes takes most of a minute, and e2e/test_real_data.py does it
UNSCORED = ["--data.val", "null", "--data.test", "null"]


def lines(page: Path) -> list[str]:
    """The commands of a page's shell blocks in order, continuation lines joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    text = "\n".join(blocks).replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pages(*, real: bool) -> list[object]:
    """Pages with lines that do, or do not, need real data."""
    return [
        pytest.param(page, id=page.relative_to(ROOT).as_posix())
        for page in PAGES
        if any(is_real(line) == real for line in lines(page))
    ]


def is_real(line: str) -> bool:
    return any(name in line for name in REAL)


def run(line: str) -> None:
    program, *words = shlex.split(line, comments=True)
    if program == "make":
        subprocess.run(["make", "--dry-run", *words], cwd=ROOT, check=True, capture_output=True)
        return
    if program == "python":
        assert (ROOT / words[0]).is_file(), line
        return
    if program == "awk":  # makes a file that the next line reads
        subprocess.run(line, shell=True, check=True)
        return
    assert program == "scribbleseg", f"{line}: teach this test how to run it"
    command = words[0]
    budget = [*SHORT, "--trainer.accelerator", "cpu"] if command in {"fit", "demo"} else []
    if budget and is_real(line):
        budget += UNSCORED
    if command == "run":  # the budget is one of each stage that trains
        stages = yaml.safe_load((ROOT / "configs" / words[1]).read_text())["stages"]
        training = [name for name, stage in stages.items() if stage["command"] == "fit"]
        budget = [word.replace("--", f"--{stage}.") for stage in training for word in SHORT]
    small = next((options for name, options in SMALL.items() if name in words), [])
    assert main([*words, *budget, *small]) == 0, line


@pytest.fixture
def desk(workplace: Path) -> Path:
    """The working directory that the pages speak of: some photos, and a dataset of one's own."""
    draw_dataset(workplace / "mydata")
    for name in ("train.txt", "test.txt"):  # as the page asks for
        assert (workplace / "mydata" / name).is_file()
    kinds = ["mask"] * 3 + ["scribble"] * 3 + ["tags"] * 2
    lines_of = {"kinds.txt": kinds, "tags.txt": ["disc"] * 8}
    for name, fields in lines_of.items():
        text = "".join(f"cell {index}\t{field}\n" for index, field in enumerate(fields))
        (workplace / "mydata" / name).write_text(text)
    with (workplace / "mydata/dataset.yaml").open("a") as file:
        file.write("tags: tags.txt\n")
    (workplace / "photos").mkdir()
    picture = Image.new("RGB", (120, 80), (90, 120, 60))
    for name in ("photos/one.jpg", "picture.jpg", "one.jpg", "two.jpg"):
        picture.save(workplace / name)
    fewer_shapes(workplace / "runs/data/shapes")
    return workplace


def fewer_shapes(root: Path) -> None:
    """The embedded example with shorter lists."""
    whole = root.resolve()
    root.unlink()
    (root / "ImageSets").mkdir(parents=True)
    for folder in ("images", "masks", "scribbles"):
        (root / folder).symlink_to(whole / folder)
    for path in (whole / "ImageSets").iterdir():
        first = path.read_text().splitlines()[:24]
        (root / "ImageSets" / path.name).write_text("\n".join(first) + "\n")


def test_the_pages_have_lines() -> None:
    assert "make demo" in lines(ROOT / "README.md")
    assert sum(len(lines(page)) for page in PAGES) > 15


@pytest.mark.parametrize("page", pages(real=False))
def test_lines_run(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scribbleseg.cli.run.run_in_child", main)  # e2e/test_recipe has real ones
    for line in lines(page):
        if not is_real(line):
            run(line)
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.data
@pytest.mark.parametrize("page", pages(real=True))
def test_lines_on_real_data_run(
    page: Path, desk: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acdc", "camvid"):  # of links, so that a line may put a file beside the lists
        (desk / name).mkdir()
        for path in (data_root / name).iterdir():
            (desk / name / path.name).symlink_to(path)
    monkeypatch.setenv("SCRIBBLESEG_DATA", str(desk))
    for line in lines(page):
        if is_real(line):
            run(line)
