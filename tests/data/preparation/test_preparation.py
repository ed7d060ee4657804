import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests import published_datasets as published

from scribbleseg.annotation import audit_labels
from scribbleseg.annotation.raster import Raster
from scribbleseg.data import layout_names, load_layout, read_tags
from scribbleseg.data.preparation import (
    Options,
    load_preparation,
    preparation_names,
    prepare,
)
from scribbleseg.data.preparation.manifest import MANIFEST
from scribbleseg.data.preparation.production import Crew
from scribbleseg.errors import ConfigError, DataError, RunError

BUILDERS = {
    "acdc": published.acdc_nifti,
    "camvid": published.camvid_tutorial,
    "cityscapes": published.cityscapes,
    "coco": published.coco,
    "context": published.context,
    "sbd": published.sbd,
    "scribble_cityscapes": published.cityscapes,
    "voc": published.voc,
}


def content(folder: Path) -> dict[str, bytes]:
    """Everything in a folder but the dates in its manifest."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    lines = [json.loads(line) for line in files.pop(MANIFEST).splitlines()]
    hashes = {line["job"]: line["files"] for line in lines[1:]}
    return files | {MANIFEST: json.dumps(hashes, sort_keys=True).encode()}


def test_every_dataset_has_a_test_here() -> None:
    assert set(preparation_names()) == set(BUILDERS)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_a_prepared_dataset_describes_itself(name: str, tmp_path: Path) -> None:
    source, target = BUILDERS[name](tmp_path / "source"), tmp_path / "target"
    before = content_of_source(source)
    prepared = prepare(load_preparation(name), source, target)
    assert content_of_source(source) == before

    described, root = load_layout("folder", str(target))
    layout = prepared.layout
    assert (described.class_names, described.palette) == (layout.class_names, layout.palette)
    assert (described.images, described.masks) == (layout.images, layout.masks)
    assert (described.image_mode, described.volumes) == (layout.image_mode, layout.volumes)
    supervision = (
        "scribble"
        if prepared.layout.scribbles and any(target.glob(f"{layout.scribbles}/*.png"))
        else "mask"
    )
    train = "fold1_train" if name == "acdc" else "train"
    names = described.names(root, train)
    records = described.records(root, names, supervision)
    audit = audit_labels(
        [(record.scribble or record.mask, record.image) for record in records],
        num_classes=len(described.class_names),
        image_mode=described.image_mode,
    )
    assert (audit.images, audit.empty, audit.problems) == (len(names), (), ())
    assert set(read_tags(root / str(described.tags), described.class_names)) >= set(names)
    if name in layout_names():
        known, root = load_layout(name, str(target))
        assert known.names(root, train) == names
        assert known.records(root, names, supervision) == records

    made = prepared.production.made
    again = prepare(load_preparation(name), source, target)
    assert (again.production.made, again.production.kept) == (0, made)


def content_of_source(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["voc", "acdc"])
def test_two_processes_make_the_same_files_as_one(name: str, tmp_path: Path) -> None:
    source = BUILDERS[name](tmp_path / "source")
    for workers in (1, 2):
        prepare(
            load_preparation(name), source, tmp_path / f"of {workers}", crew=Crew(workers=workers)
        )
    assert content(tmp_path / "of 1") == content(tmp_path / "of 2")


SLOW = """
import sys, time
from pathlib import Path
from scribbleseg.data.preparation import load_preparation, prepare
from scribbleseg.data.preparation import labelled_images

write = labelled_images.write_grey
def slow(path, image):
    time.sleep(0.2)
    write(path, image)
labelled_images.write_grey = slow
prepare(load_preparation(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
"""


def test_a_killed_preparation_goes_on_where_it_was(tmp_path: Path) -> None:
    source, target = published.voc(tmp_path / "source"), tmp_path / "target"
    process = subprocess.Popen([sys.executable, "-c", SLOW, "voc", str(source), str(target)])
    try:
        deadline = time.monotonic() + 60
        while len(list(target.glob("SegmentationClassAug/*.png"))) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (target / "dataset.yaml").exists()
    continued = prepare(load_preparation("voc"), source, target)
    assert continued.production.kept >= 2
    assert continued.production.made >= 1
    prepare(load_preparation("voc"), source, tmp_path / "clean")
    assert content(target) == content(tmp_path / "clean")


def test_a_full_disk_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = published.camvid_tutorial(tmp_path / "source"), tmp_path / "target"
    replace, room = Path.replace, 4

    def replace_while_there_is_room(self: Path, other: Path) -> Path:
        nonlocal room
        if target in Path(other).parents and Path(other).name != MANIFEST:
            room -= 1
            if room < 0:
                raise OSError(errno.ENOSPC, "No space left on device", str(other))
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", replace_while_there_is_room)
    with pytest.raises(OSError, match="No space left"):
        prepare(load_preparation("camvid"), source, target)
    monkeypatch.undo()
    assert not list(target.rglob("*.tmp"))
    assert prepare(load_preparation("camvid"), source, target).production.kept == 2
    prepare(load_preparation("camvid"), source, tmp_path / "clean")
    assert content(target) == content(tmp_path / "clean")


def test_a_bad_file_costs_only_its_image(tmp_path: Path) -> None:
    source, target = published.voc(tmp_path / "source"), tmp_path / "target"
    bad = source / "SegmentationClassAug/2010_000001.png"
    good = bad.read_bytes()
    bad.write_bytes(good[:60])
    with pytest.raises(DataError, match=r"1 of 7 could not be made: .*2010_000001\.png.*damaged"):
        prepare(load_preparation("voc"), source, target)
    assert not (target / "JPEGImages/2010_000001.jpg").exists()
    bad.write_bytes(good)
    assert prepare(load_preparation("voc"), source, target).production.made == 1


def test_pictures_are_linked_and_labels_are_grey(tmp_path: Path) -> None:
    from PIL import Image

    source, target = published.voc(tmp_path / "source"), tmp_path / "target"
    prepare(load_preparation("voc"), source, target)
    name = "JPEGImages/2007_000032.jpg"
    assert (source / name).samefile(target / name)
    for folder in ("SegmentationClassAug", "pascal_2012_scribble"):
        with Image.open(target / folder / "2007_000032.png") as label:
            assert label.mode == "L"


def test_another_options_are_another_dataset(tmp_path: Path) -> None:
    source, target = published.voc(tmp_path / "source"), tmp_path / "target"
    prepare(load_preparation("voc"), source, target)
    thin = Options(raster=Raster("reference-1px"))
    with pytest.raises(RunError, match=r"made with other settings: raster.*line-3px"):
        prepare(load_preparation("voc"), source, target, options=thin)
    prepare(load_preparation("voc"), source, target, options=thin, overwrite=True)
    assert "reference-1px" in (target / "dataset.yaml").read_text()


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_options_of_other_datasets_are_refused(name: str, tmp_path: Path) -> None:
    values = {
        "scribbles": tmp_path,
        "raster": Raster("line-3px"),
        "form": "pfa",
        "sbd": tmp_path,
        "variant": "r2",
        "crowd": "ignore",
        "context_table": "reference",
    }
    assert values.keys() == {field.name for field in fields(Options)}
    preparation = load_preparation(name)
    for option, value in values.items():
        if option not in preparation.takes:
            flag = "--rule" if option == "raster" else f"--{option}"
            with pytest.raises(ConfigError, match=f"^{flag} means nothing for {name!r}; it takes"):
                prepare(
                    preparation, tmp_path, tmp_path / "target", options=Options(**{option: value})
                )
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_an_empty_source_names_what_is_expected(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"looked for|no patientPPP") as error:
        prepare(load_preparation(name), tmp_path / "empty", tmp_path / "target")
    assert "\n" not in str(error.value)
    assert "get " in str(error.value) or "unpack" in str(error.value)
    with pytest.raises(DataError, match=r"no such folder; it should hold"):
        prepare(load_preparation(name), tmp_path / "nowhere", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_folders_of_options_must_exist(tmp_path: Path) -> None:
    for option in ("scribbles", "sbd"):
        with pytest.raises(DataError, match=f"--{option}: no folder"):
            prepare(
                load_preparation("voc"),
                tmp_path,
                tmp_path / "target",
                options=Options(**{option: tmp_path / "nowhere"}),
            )


def test_a_dataset_is_not_made_of_itself(tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source")
    with pytest.raises(ConfigError, match="is the source itself; choose another folder"):
        prepare(load_preparation("voc"), source, source / "../VOC2012")
    assert not (source / MANIFEST).exists()


@pytest.mark.parametrize(
    ("name", "build", "package"),
    [
        ("coco", published.coco, "pycocotools.mask"),
        ("acdc", published.acdc_nifti, "nibabel"),
        ("acdc", published.acdc_hdf5, "h5py"),
    ],
)
def test_a_missing_package_is_named_at_once(
    name: str, build: Any, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = build(tmp_path / "source")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"pip install 'scribbleseg\[formats\]'"):
        prepare(load_preparation(name), source, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_unknown_datasets_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no dataset 'cityscape'; did you mean 'cityscapes'\?"):
        load_preparation("cityscape")
    with pytest.raises(ConfigError, match=r"cannot import 'no\.such\.module'"):
        load_preparation("no.such.module")
    with pytest.raises(ConfigError, match="defines no PREPARATION"):
        load_preparation("scribbleseg.data.layouts.voc")
