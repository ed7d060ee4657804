from pathlib import Path

import pytest
from tests.golden_cases import Case, golden

from scribbleseg.data.supervision import read_supervision, split_labelled
from scribbleseg.errors import ConfigError, DataError

NAMES = ["a", "b", "c", "d"]


@golden("lpl", "order_")
def test_the_split_is_the_published_one(case: Case) -> None:
    """Training images are those of trainaug, all of train among them; the first n have masks."""
    kinds = split_labelled(
        list(case["trainaug_list"]), list(case["train_list"]), "mask", case["split"]
    )
    assert list(kinds) == list(case["ordered"])
    assert [name for name, kind in kinds.items() if kind == "mask"] == list(case["strong"])


def test_the_others_bring_tags_or_take_no_part() -> None:
    assert split_labelled(NAMES, ["d", "b"], "scribble") == {
        "d": "scribble",
        "b": "scribble",
        "a": "tags",
        "c": "tags",
    }
    assert split_labelled(NAMES, NAMES, "mask", 2, "leave_out") == {"a": "mask", "b": "mask"}


def test_a_file_as_windows_editors_write_it(tmp_path: Path) -> None:
    (tmp_path / "kinds.txt").write_text("a\tscribble\nb\ttags\n", encoding="utf-8-sig")
    assert read_supervision(tmp_path / "kinds.txt") == {"a": "scribble", "b": "tags"}


def test_lists_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"data\.labelled_first: 5; expected 1 to 4"):
        split_labelled(NAMES, NAMES, "mask", 5)
    with pytest.raises(ConfigError, match=r"data\.labelled_first: 0; expected 1 to 4"):
        split_labelled(NAMES, NAMES, "mask", 0)
    with pytest.raises(DataError, match=r"data\.labelled: x, y \(2 of 3 images\) not in the list"):
        split_labelled(NAMES, ["x", "a", "y"], "mask")
    for other in ("tags", {"a": "mask"}):
        with pytest.raises(ConfigError, match=r"must be mask or scribble then"):
            split_labelled(NAMES, NAMES, other, 2)  # type: ignore[arg-type]
