from pathlib import Path
from typing import Any

import pytest
import yaml

from scribbleseg.data.layouts.folder import read_layout
from scribbleseg.errors import ConfigError, DataError


def write(root: Path, **changes: Any) -> None:
    description = {"classes": ["background", {"name": "cell", "color": [1, 2, 3]}], **changes}
    (root / "dataset.yaml").write_text(yaml.safe_dump(description))


def test_defaults_and_everything_stated(tmp_path: Path) -> None:
    write(tmp_path)
    layout = read_layout(tmp_path)
    assert layout.class_names == ("background", "cell")
    assert layout.palette[1] == (1, 2, 3)
    assert (layout.images, layout.scribbles, layout.masks) == ("images", "scribbles", "masks")
    assert (layout.ignore_index, layout.background_drawn, layout.image_mode) == (255, False, "RGB")
    write(
        tmp_path,
        ignore_index=65535,
        background_drawn=True,
        image_mode="L",
        dirs={"images": "raw"},
        splits={"train": "lists/a.txt"},
        raster={"rule": "opencv", "width": 3},
        volumes="v.csv",
        tags="t.txt",
    )
    layout = read_layout(tmp_path)
    assert (layout.images, layout.masks, layout.lists["train"]) == ("raw", "masks", "lists/a.txt")
    assert (layout.ignore_index, layout.background_drawn, layout.image_mode) == (65535, True, "L")
    assert (layout.volumes, layout.tags) == ("v.csv", "t.txt")
    assert "opencv" in layout.raster


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clases": []}, "'clases' is unknown; did you mean 'classes'?"),
        ({"dirs": {"mask": "m"}}, "'dirs.mask' is unknown; did you mean 'dirs.masks'?"),
        ({"classes": ["one"]}, "'classes' is ['one']; list two or more"),
        ({"classes": ["a", {"colour": 1}]}, "classes[1] is {'colour': 1}"),
        (
            {"classes": ["a", {"name": "b", "color": [0, 0, 300]}]},
            "expected three values in 0..255",
        ),
        ({"classes": ["a", "a"]}, "names a class twice"),
        ({"ignore_index": 0}, "'ignore_index' is 0; allowed: 255, 65535"),
        ({"classes": [str(i) for i in range(300)]}, "300 classes need 16-bit labels"),
        ({"image_mode": "grey"}, "'image_mode' is 'grey'; allowed: RGB, L"),
        ({"splits": ["train"]}, "'splits' is ['train']; expected {name: path}"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, **changes)
    with pytest.raises(ConfigError) as error:
        read_layout(tmp_path)
    assert message in str(error.value)
    assert str(tmp_path / "dataset.yaml") in str(error.value)


def test_no_description(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset\.yaml: no such file"):
        read_layout(tmp_path)
    (tmp_path / "dataset.yaml").write_text("a: [")
    with pytest.raises(DataError, match=r"dataset\.yaml: not valid YAML"):
        read_layout(tmp_path)
    (tmp_path / "dataset.yaml").write_text("just text")
    with pytest.raises(DataError, match=r"expected 'key: value' lines, found str"):
        read_layout(tmp_path)
