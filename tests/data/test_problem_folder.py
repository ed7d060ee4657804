from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scribbleseg.data.finding import Finding, Kind, Problem, Scene
from scribbleseg.data.problem_folder import visible_problems, write_problem_pictures
from scribbleseg.errors import RunError


class Found:
    """An audit whose images are all grey; those called ``gone`` cannot be read."""

    def __init__(self, *problems: Problem) -> None:
        self.findings = [Finding("error", "first", problems[:1]), Finding("error", "b", problems)]

    def scenes(self, problems: Sequence[Problem]) -> Iterator[tuple[Problem, Scene]]:
        for problem in problems:
            label = np.full((8, 9), 255, np.uint8)
            shown = Scene(np.full((8, 9), 90, np.uint8), label, ("a", "b"), ((0, 0, 0), (9, 9, 9)))
            if problem.name != "gone":
                yield problem, shown


def problem(name: str, kind: Kind = "empty", caption: str = "nothing") -> Problem:
    return Problem(kind, name, caption)


def test_one_picture_a_problem_and_a_page_of_all(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    found = Found(problem("a/b"), problem("gone"), problem("c", "values", "5 < 6 & 7"))
    written = write_problem_pictures(folder, found)
    assert {path.name: p.name for path, p in written.items()} == {
        "empty_a-b.jpg": "a/b",
        "values_c.jpg": "c",
    }
    assert sorted(path.name for path in folder.iterdir()) == [
        "empty_a-b.jpg",
        "index.html",
        "values_c.jpg",
    ]
    for path in written:
        with Image.open(path) as image:
            assert image.format == "JPEG"
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "5 &lt; 6 &amp; 7" in page
    assert page.index('src="empty_a-b.jpg"') < page.index('src="values_c.jpg"')


def test_names_of_files_are_safe_and_all_different(tmp_path: Path) -> None:
    ids = ["a/b", "a-b", "A:b", "../../x", "a-b-2", "é" * 300, "\udcff", "ß b"]
    written = write_problem_pictures(tmp_path / "out", Found(*map(problem, ids)))
    assert [p.name for p in written.values()] == ids
    assert len({path.name.lower() for path in written}) == len(ids)
    assert {path.parent for path in written} == {tmp_path / "out"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_no_more_pictures_than_asked_for_and_each_kind_in_turn(tmp_path: Path) -> None:
    found = Found(*(problem(f"e{index}") for index in range(9)), problem("s", "outside"))
    assert [p.name for p in visible_problems(found)[:3]] == ["e0", "s", "e1"]
    assert len(visible_problems(found)) == 10
    written = write_problem_pictures(tmp_path / "out", found, most=3)
    assert [p.name for p in written.values()] == ["e0", "s", "e1"]


def test_nothing_to_be_seen_leaves_no_folder(tmp_path: Path) -> None:
    assert write_problem_pictures(tmp_path / "out", Found()) == {}
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(RunError, match="exists and is not empty; choose another folder"):
            write_problem_pictures(folder, Found(problem("a")))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
