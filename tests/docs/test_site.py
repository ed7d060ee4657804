"""The manual builds without a broken link, and says of the code what the code says."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import scribbleseg.methods as methods
from scribbleseg.cli.main import COMMANDS
from scribbleseg.data import layout_names
from scribbleseg.data.layouts.folder import KEYS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_it_builds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [*command, "--site-dir", str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "reference/python/index.html").read_text(encoding="utf-8")
    assert "partial_cross_entropy" in page
    assert "PartialCrossEntropy" in page


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text)
    assert len(targets) > 8
    for target in targets:
        assert target.startswith("http") or (ROOT / target).exists(), target


@pytest.mark.parametrize("page", ["README.md", "docs/reference/commands.md"])
def test_every_command_is_explained(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for command in COMMANDS:
        assert (
            f"scribbleseg {command}" in text or f"`{command}`" in text or f"make {command}" in text
        )


def test_every_method_has_a_page_and_a_row_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files = [path.stem for path in (ROOT / "src/scribbleseg/methods").glob("*.py")]
    for stem in set(files) - {"__init__", "base", "optimization"}:
        page = DOCS / "methods" / f"{stem}.md"
        name = next(n for n in methods.__all__ if n.lower() == stem.replace("_", ""))
        assert name in page.read_text(encoding="utf-8") or name in readme
        assert f"[`{name}`](docs/methods/{stem}.md)" in readme


def test_the_table_of_mixed_supervision_is_right() -> None:
    text = (DOCS / "guide/mixed-supervision.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1:-1] for row in re.findall(r"^\| `.*$", text, re.M)]
    assert len(rows) > 9
    for names, *cells in rows:
        for name in re.findall(r"`(\w+)`", names):
            method = getattr(methods, name)
            uses = method.uses | ({"mask"} if "scribble" in method.uses else set())
            for kind, cell in zip(("mask", "scribble", "tags"), cells, strict=True):
                assert (cell.strip() == "no") == (kind not in uses), (name, kind)
                assert cell.startswith(" added") == (kind == "mask" and "mask" not in method.uses)


def test_every_layout_and_key_is_in_the_manual() -> None:
    datasets = (DOCS / "guide/datasets.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in datasets for name in layout_names())
    files = (DOCS / "reference/files.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in files for key in KEYS)


def test_python_of_the_guides_runs() -> None:
    for page in sorted((DOCS / "guide").glob("*.md")):
        if re.search(r"^```sh\n", page.read_text(), re.M):
            continue  # these need what the shell lines make: test_shell_lines runs them
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
            exec(compile(block, str(page), "exec"), {"__name__": f"guide_{page.stem}"})


def test_conda_users_get_the_same_packages() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    python = next(d for d in environment["dependencies"] if str(d).startswith("python "))
    assert project["requires-python"] in python.replace(" ", "")
    assert {"pip": ["--editable .[dev]"]} in environment["dependencies"]
