import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.imported import errors_for_the_user

from scribbleseg.annotation import voc_palette
from scribbleseg.annotation.formats import Classes, Entry, Options
from scribbleseg.annotation.formats import ilastik as ilastik_module
from scribbleseg.annotation.formats.ilastik import FORMAT
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.errors import DataError

pytestmark = pytest.mark.usefixtures("in_this_process")

CLASSES = Classes(("background", "cell"), tuple(voc_palette(2)))
RED, GREEN = (255, 0, 0), (0, 255, 0)
Block = tuple[str, Sequence[tuple[int, int]], Any]


def axistags(keys: str) -> str:
    axes = [{"key": key, "typeFlags": 2, "resolution": 0, "description": ""} for key in keys]
    return json.dumps({"axes": axes})


def lane(
    file: str, keys: str, shape: Sequence[int] | None, *blocks: Block, **fields: str
) -> dict[str, Any]:
    return {"file": file, "keys": keys, "shape": shape, "blocks": blocks, "fields": fields}


def project(
    path: Path,
    *lanes: dict[str, Any],
    names: Sequence[str] = ("cell", "background"),
    colors: Sequence[Sequence[int]] = (RED, GREEN),
    say_axes: bool = True,
    **storage: Any,
) -> Path:
    """A project of pixel classification as ilastik 1.4 saves it."""
    with h5py.File(path, "w") as file:
        file["ilastikVersion"] = b"1.4.1"
        file["workflowName"] = b"Pixel Classification"
        file["Input Data/StorageVersion"] = b"0.2"
        group = file.create_group("PixelClassification")
        for key, data in (
            ("LabelNames", [name.encode() for name in names]),
            ("LabelColors", np.array(colors, np.int64)),
        ):
            group.create_dataset(key, data=data).attrs["isEmpty"] = False
        sets = group.create_group("LabelSets")
        for number, one in enumerate(lanes):
            info = file.create_group(f"Input Data/infos/lane{number:04}/Raw Data")
            for key, text in {
                "filePath": one["file"],
                "nickname": "nickname",
                "axistags": axistags(one["keys"]),
                "location": "FileSystem",
                "__class__": "RelativeFilesystemDatasetInfo",
                **one["fields"],
            }.items():
                info[key] = text.encode()
            if one["shape"] is not None:
                info["shape"] = one["shape"]
            labels = sets.create_group(f"labels{number:03}")
            for index, (keys, spans, values) in enumerate(one["blocks"]):
                block = labels.create_dataset(
                    f"block{index:04}", data=np.array(values, np.uint8), **storage
                )
                slicing = ",".join(f"{start}:{stop}" for start, stop in spans)
                block.attrs["blockSlice"] = f"[{slicing}]".encode()
                if say_axes:
                    block.attrs["axistags"] = axistags(keys)
    return path


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process for each project would take most of the time."""
    monkeypatch.setattr(ilastik_module, "isolated", lambda path, function: function(path))


def read_all(source: Path, **options: Any) -> list[Drawing]:
    found = FORMAT.find(source, Options(**options))
    options.setdefault("classes", found.classes)
    return [one for entry in found.entries for one in FORMAT.read(entry, Options(**options))]


FLAT = lane(
    "C:\\data\\a.png", "yxc", (4, 5, 3),
    ("yxc", [(0, 1), (1, 4), (0, 1)], [[[1], [0], [2]]]),
    ("yxc", [(2, 4), (4, 5), (0, 1)], [[[2]], [[1]]]),
)  # fmt: skip
FLAT_LABEL = [
    [255, 1, 255, 0, 255],
    [255, 255, 255, 255, 255],
    [255, 255, 255, 255, 0],
    [255, 255, 255, 255, 1],
]


@pytest.mark.parametrize("say_axes", [True, False])
@pytest.mark.parametrize("storage", [{}, {"compression": "gzip", "shuffle": True}])
def test_blocks_are_put_in_their_places(
    say_axes: bool, storage: dict[str, Any], tmp_path: Path
) -> None:
    path = project(tmp_path / "p.ilp", FLAT, say_axes=say_axes, **storage)
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    found = FORMAT.find(path, Options())
    assert found.classes == Classes(("background", "cell"), (GREEN, RED))
    assert found.remarks == ()
    drawing, = read_all(path)  # fmt: skip
    assert drawing.label is not None
    assert drawing.label.tolist() == FLAT_LABEL
    assert (drawing.name, drawing.size, drawing.picture) == ("a", (4, 5), tmp_path / "a.png")


@pytest.mark.parametrize("keys", ["zyxc", "tzyx", "xyz", "czyx", "yxz", "xtyc"])
def test_axes_in_any_order(keys: str, tmp_path: Path) -> None:
    """Each pixel painted with a label of its own place."""
    length = {"t": 1, "z": 2, "y": 3, "x": 4, "c": 1}
    grid = np.indices([length[axis] for axis in "tzyx"])
    whole = (grid[0] + 2 * grid[1] + 3 * grid[2] + 5 * grid[3]) % 3
    axes = keys.replace("c", "") + "c"
    present = tuple(slice(None) if axis in keys else 0 for axis in "tzyx")
    kept = [axis for axis in "tzyx" if axis in keys]
    values = whole[present].transpose([kept.index(axis) for axis in axes[:-1]])[..., None]
    spans = [(0, length[axis]) for axis in axes]
    for say_axes in (True, False):
        path = project(
            tmp_path / "p.ilp",
            lane("a.h5/volume/data", keys, [length[axis] for axis in keys], (axes, spans, values)),
            say_axes=say_axes,
        )
        drawings = read_all(path, classes=CLASSES)
        expected = np.array([255, 1, 0])[whole[present].reshape(-1, 3, 4)]
        np.testing.assert_array_equal([one.label for one in drawings], expected)


def test_blocks_of_old_projects(tmp_path: Path) -> None:
    first = ("cyx", [(0, 1), (1, 2), (2, 4)], [[[1, 2]]])
    five = ("txyzc", [(0, 1), (2, 4), (1, 2), (0, 1), (0, 1)], [[[[[1]]], [[[2]]]]])
    for keys, shape, block in (("cyx", (3, 3, 5), first), ("yx", (3, 5), five)):
        path = project(tmp_path / "p.ilp", lane("a.png", keys, shape, block), say_axes=False)
        drawing, = read_all(path)  # fmt: skip
        assert drawing.label is not None
        assert drawing.label[1].tolist() == [255, 255, 1, 0, 255]


def test_slices_are_named_and_films_refused(tmp_path: Path) -> None:
    stack = np.arange(2 * 5 * 6, dtype=np.uint8).reshape(2, 5, 6)
    tifffile.imwrite(tmp_path / "v.tif", stack)
    block = ("zyxc", [(1, 2), (0, 1), (0, 1), (0, 1)], [[[[1]]]])
    path = project(tmp_path / "p.ilp", lane("../x/v.tif", "zyx", (2, 5, 6), block))
    first, second = read_all(path)
    assert (first.name, second.name, second.volume) == ("v_slice_0", "v_slice_1", "v")
    np.testing.assert_array_equal(second.picture, stack[1])
    assert second.label is not None
    assert np.argwhere(second.label != 255).tolist() == [[0, 0]]
    path = project(tmp_path / "p.ilp", lane("v.tif", "tyx", (2, 5, 6)))
    with pytest.raises(DataError, match=r"p\.ilp: v: a film of 2 frames; only pictures and stacks"):
        read_all(path)


def test_images_are_named_by_their_file(tmp_path: Path) -> None:
    path = project(
        tmp_path / "p.ilp",
        lane("/far/b.tif", "yx", (3, 3)),
        lane("/far/c.h5/volume/data", "yx", (3, 3)),
        lane("/far/d_1.png:/far/d_2.png", "zyx", (2, 3, 3), nickname="d"),
    )
    found = FORMAT.find(path, Options())
    assert [entry.name for entry in found.entries] == ["b", "c", "d"]
    assert found.remarks == (
        "pictures not found: /far/b.tif, /far/c.h5/volume/data, /far/d_1.png:/far/d_2.png; give "
        "their folder",
    )
    project(path, lane("x/b.tif", "yx", (3, 3)), lane("y/b.png", "yx", (3, 3)))
    with pytest.raises(DataError, match="two pictures would have one id: 'b'"):
        FORMAT.find(path, Options())
    project(path, lane("", "yx", (3, 3)))
    with pytest.raises(DataError, match=r"p\.ilp: an image has no filePath"):
        FORMAT.find(path, Options())


def test_a_project_without_shapes_takes_that_of_the_picture(tmp_path: Path) -> None:
    path = project(tmp_path / "p.ilp", {**FLAT, "shape": None})
    with pytest.raises(DataError, match=r"p\.ilp: a: its size is not stored; give the folder"):
        read_all(path)
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    drawing, = read_all(path)  # fmt: skip
    assert drawing.label is not None
    assert drawing.label.tolist() == FLAT_LABEL
    Image.new("RGB", (5, 5)).save(tmp_path / "a.png")
    path = project(tmp_path / "p.ilp", FLAT)
    with pytest.raises(DataError, match=r"5x4 pixels, but .* has 5x5"):
        read_all(path)


def test_labels_that_are_no_classes(tmp_path: Path) -> None:
    path = project(tmp_path / "p.ilp", FLAT, names=("cell", "mud"))
    with pytest.raises(DataError, match=r"p\.ilp: label 2: class 'mud' is unknown"):
        read_all(path, classes=CLASSES)
    drawing, = read_all(path, classes=CLASSES, unknown="skip")  # fmt: skip
    assert drawing.label is not None
    assert drawing.label[0].tolist() == [255, 1, 255, 255, 255]
    assert drawing.remarks == ("label 'mud' left out: it is not one of the classes",)
    found = FORMAT.find(path, Options())
    assert found.classes is not None
    assert found.classes.names == ("background", "cell", "mud")
    path = project(tmp_path / "p.ilp", FLAT, names=("cell",), colors=(RED,))
    with pytest.raises(DataError, match=r"a: value 2 on 2 pixels; known values are 0\.\.1"):
        read_all(path)
    path = project(tmp_path / "p.ilp", FLAT, names=("cell", "cell"))
    with pytest.raises(DataError, match="not all different"):
        read_all(path)


def span(*spans: tuple[int, int], shape: Sequence[int] | None = None, keys: str = "yxc") -> Block:
    lengths = [max(stop - start, 0) for start, stop in spans]
    return keys, spans, np.ones(lengths if shape is None else shape, np.uint8)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (span((0, 1), (4, 6), (0, 1)), "lies outside the image"),
        (span((0, 1), (0, 1), (0, 1), shape=(9, 9, 1)), "and [9, 9, 1] values; expected as many"),
        (span((2, 1), (0, 1), (0, 1), shape=(1, 1, 1)), "expected as many"),
        (span((0, 0), (0, 1), (0, 1)), "holds (0, 1, 1) of uint8, no labels"),
        (span((0, 1), (0, 1), (0, 2)), "several channels"),
        (span((0, 1), (0, 1)), "expected as many"),
        (span((0, 1), (0, 1), (0, 1), keys="yyc"), "expected some of tzyxc"),
        (span((0, 10**12), (0, 1), (0, 1), shape=(1, 1, 1)), "expected [0:1,...]"),
    ],
)
def test_blocks_are_checked(block: Block, message: str, tmp_path: Path) -> None:
    path = project(tmp_path / "p.ilp", lane("a.png", "yxc", (4, 5, 3), block))
    with pytest.raises(DataError, match=r"p\.ilp: ") as caught:
        read_all(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("shape", [(10**6, 10**4, 10**4), (70_000, 1, 1), (1, -3, 3), (3, 3), "x"])
def test_an_absurd_size_is_refused_before_anything_is_allocated(shape: Any, tmp_path: Path) -> None:
    path = project(tmp_path / "p.ilp", lane("a.png", "zyx", shape))
    with pytest.raises(
        DataError, match=r"too large|does not belong to the axes 'zyx'|expected whole numbers"
    ):
        read_all(path)


def test_a_block_in_another_file_is_not_read(tmp_path: Path) -> None:
    path = project(tmp_path / "p.ilp", FLAT)
    block = "PixelClassification/LabelSets/labels000/block0000"
    with h5py.File(path, "a") as file:
        del file[block]
        file[block] = h5py.ExternalLink("secret.h5", "labels")
    with pytest.raises(DataError, match="block0000 is a link"):
        read_all(path)


def test_other_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "p.ilp").write_bytes(b"")
    with pytest.raises(DataError, match=r"p\.ilp: cannot be read"):
        FORMAT.find(tmp_path, Options())
    with h5py.File(tmp_path / "p.ilp", "w") as file:
        file["x"] = 1
    with pytest.raises(
        DataError, match=r"p\.ilp: no dataset PixelClassification/LabelNames; is it"
    ):
        FORMAT.find(tmp_path, Options())


def test_the_project_is_read_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    path = project(tmp_path / "p.ilp", FLAT)
    drawing, = read_all(path)  # fmt: skip
    assert drawing.label is not None
    assert drawing.label.tolist() == FLAT_LABEL
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"p\.ilp: cannot be read"):
        read_all(path)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_project_costs_a_data_error_at_most(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # some of this crashes HDF5
    path = project(tmp_path / "p.ilp", FLAT)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(len(content), size=1 + 9 * seed):
        content[place] ^= 1 << rng.integers(8)
    path.write_bytes(content)
    with errors_for_the_user("p.ilp"):
        assert read_all(path)[0].size


TEXT = st.sampled_from(["", "a.png", "x/b.tif", "../c", "[0:1,0:1,0:1]", "[5:2]", axistags("yxc")])
VALUE = st.none() | st.integers(-2, 9) | TEXT | st.lists(st.integers(-1, 9), max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from(["filePath", "nickname", "axisorder"]), TEXT),
    shape=VALUE,
    tags=TEXT,
    slicing=TEXT,
    block_tags=st.none() | TEXT,
)
def test_any_texts_cost_a_data_error_at_most(
    changes: dict[str, str], shape: Any, tags: str, slicing: str, block_tags: str | None
) -> None:
    values = np.ones((1, 1, 1), np.uint16)
    block = {
        "name": "block0000",
        "blockSlice": slicing,
        "axistags": block_tags,
        "shape": [1, 1, 1],
        "values": base64.b64encode(zlib.compress(values.tobytes())).decode(),
    }
    image = {"filePath": "a", "nickname": "n", "axisorder": "", "axistags": tags, "shape": shape}
    image |= {**changes, "blocks": [block], "labels": ["cell"]}
    with errors_for_the_user("p.ilp"):
        ilastik_module._image_place(Path("p.ilp"), image["filePath"], image["nickname"])
        drawings = FORMAT.read(Entry("a", Path("p.ilp"), None, image), Options(CLASSES))
        assert all(drawing.label is not None for drawing in drawings)
