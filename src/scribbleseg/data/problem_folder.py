"""The folder into which an audit draws what it has found."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.data.finding import Audit, Kind, Problem
from scribbleseg.data.problem_picture import draw_problem, heading
from scribbleseg.errors import RunError

__all__ = ["check_new_folder", "visible_problems", "write_problem_pictures"]

MOST_PICTURES = 200

INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>What was found</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem } img { max-width: 100% }</style>
<h1>What was found</h1>
{%- for picture in pictures %}
<h2>{{ picture.heading }}</h2>
<p>{{ picture.caption }}</p>
<img src="{{ picture.file | urlencode }}" alt="{{ picture.heading }}" loading="lazy">
{%- endfor %}
</html>
"""


def check_new_folder(folder: Path) -> None:
    """Refuse a folder in which there is something.

    Raises:
        RunError: It is not empty, or a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: exists and is not empty; choose another folder")


def visible_problems(audit: Audit) -> list[Problem]:
    """What can be seen in pictures; each kind of problem takes its turn.

    Thousands of empty scribbles do not hide the one that has another size.
    """
    counts: Counter[Kind] = Counter()
    turns: dict[Problem, int] = {}
    for finding in audit.findings:
        for problem in finding.problems:
            if problem not in turns:
                turns[problem] = counts[problem.kind]
                counts[problem.kind] += 1
    return sorted(turns, key=turns.__getitem__)


def write_problem_pictures(
    folder: Path, audit: Audit, *, most: int = MOST_PICTURES
) -> dict[Path, Problem]:
    """Draw what an audit has found.

    Args:
        folder: New or empty; holds ``<kind>_<id>.jpg`` and ``index.html`` afterwards. It is not
            made if there is nothing to be seen.
        audit: What was found.
        most: Number of pictures, the first of `visible_problems`.

    Returns:
        What is in which picture. Problems whose files cannot be read have none.

    Raises:
        RunError: There is something in the folder.
        OSError: It could not be written.
    """
    check_new_folder(folder)
    written: dict[Path, Problem] = {}
    taken: set[str] = set()
    for problem, scene in audit.scenes(visible_problems(audit)[:most]):
        path = folder / f"{_new_name(problem, taken)}.jpg"
        image = Image.fromarray(draw_problem(problem, scene))
        with whole_file(path) as unfinished:
            image.save(unfinished, format="JPEG", quality=90, subsampling=0)
        written[path] = problem
    if written:
        _write_index(folder / "index.html", written)
    return written


def _new_name(problem: Problem, taken: set[str]) -> str:
    """A file name for any id that no other problem has, also where cases are not told apart.

    >>> _new_name(Problem("empty", "a/b c", ""), {"empty_a-b c"})
    'empty_a-b c-2'
    """
    name = re.sub(r"[^\w. ()+-]+", "-", problem.name)
    name = name.encode()[-180:].decode(errors="ignore")  # file names have at most 255 bytes
    stem = new = f"{problem.kind}_{name}"
    number = 1
    while new.casefold() in taken:
        number += 1
        new = f"{stem}-{number}"
    taken.add(new.casefold())
    return new


def _write_index(path: Path, written: Mapping[Path, Problem]) -> None:
    # Imported here: few audits draw anything.
    from jinja2 import Environment, StrictUndefined

    pictures = [
        {"file": picture.name, "heading": heading(problem), "caption": problem.caption}
        for picture, problem in written.items()
    ]
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(INDEX)
    with whole_file(path) as unfinished:
        text = page.render(pictures=pictures)
        unfinished.write_text(text, encoding="utf-8", errors="replace")
