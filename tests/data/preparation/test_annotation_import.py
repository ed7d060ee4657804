from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from scribbleseg.annotation import read_label
from scribbleseg.annotation.formats import Classes, Entry, Format, Found, Options
from scribbleseg.annotation.raster import Raster
from scribbleseg.annotation.stroke import Drawing, Patch, Stroke
from scribbleseg.data.dataset_audit import audit_dataset
from scribbleseg.data.layouts import load_layout
from scribbleseg.data.preparation.annotation_import import import_annotations
from scribbleseg.data.preparation.production import Crew
from scribbleseg.errors import ConfigError, DataError, RunError
from scribbleseg.evaluation import read_volumes

SIZE = (20, 30)


def find(source: Path, options: Options) -> Found:
    """Text files: a line a stroke, ``class x0 y0 x1 y1``."""
    entries = [Entry(p.stem, p, p.with_suffix(".png")) for p in sorted(source.glob("*.txt"))]
    return Found(entries, Classes(("background", "cat"), ((0, 0, 0), (250, 10, 10))), ("old tool",))


def read(entry: Entry, options: Options) -> Iterator[Drawing]:
    strokes = []
    for line in entry.source.read_text().splitlines():
        name, *numbers = line.split()
        points = np.array(numbers, float).reshape(-1, 2)
        if not np.isfinite(points).all():
            raise DataError(f"{entry.source}: bad point in {line!r}")
        strokes.append(Stroke(name, points))
    remarks = () if strokes else ("nothing drawn",)
    yield Drawing(entry.name, SIZE, tuple(strokes), remarks=remarks)


def read_volume(entry: Entry, options: Options) -> Iterator[Drawing]:
    for z in range(3):
        yield Drawing(
            f"{entry.name}_slice_{z}",
            SIZE,
            (Patch("background", np.ones((2, 2), bool), z), Patch("cat", np.ones((3, 3), bool), 9)),
            picture=np.full(SIZE, 40 * z, np.uint8),
            volume=entry.name,
            spacing=(10.0, 1.5, 1.25),
        )


LINES = Format("lines", "a test's text files", "*.txt", "off the lines", "a stroke", find, read)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        Image.fromarray(rng.integers(0, 255, (*SIZE, 3), np.uint8)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("background 1 1 25 1\ncat 5 5 20 15\n")
    (folder / "c.txt").write_text("cat 5 5 20 15\n")
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_the_folder_can_be_trained_on(source: Path, tmp_path: Path, workers: int) -> None:
    target = tmp_path / "out"
    imported = import_annotations(LINES, source, target, options=Options(), crew=Crew(workers))
    assert imported.pictures == 3
    assert imported.drawn_in == {"background": 2, "cat": 3}
    assert imported.remarks == ("old tool",)
    layout, root = load_layout("folder", str(target))
    assert layout.class_names == ("background", "cat")
    assert layout.palette[1] == (250, 10, 10)
    assert layout.image_mode == "RGB"
    assert "opencv" in layout.raster
    audit = audit_dataset(layout, root, {"train": "all"})
    assert audit.exit_code == 0, audit.findings
    label = read_label(target / "scribbles/a.png")
    assert set(np.unique(label)) == {0, 1, 255}
    assert imported.pixels["cat"] == 3 * int((label == 1).sum())
    # The picture costs no room.
    assert (target / "images/a.png").samefile(source / "a.png")


def test_rule_and_width_are_kept(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    import_annotations(LINES, source, target, options=Options(), raster=Raster("line-3px"))
    description = yaml.safe_load((target / "dataset.yaml").read_text())
    assert description["raster"] == {"rule": "line-3px", "width": 3}


def test_nobody_drew_the_background(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in "abc":
        (source / f"{name}.txt").write_text("cat 5 5 20 15\n")
    with pytest.raises(DataError, match="'background' is drawn in none of 3 pictures"):
        import_annotations(LINES, source, target, options=Options())
    assert not (target / "dataset.yaml").exists()
    imported = import_annotations(LINES, source, target, options=Options(), without_background=True)
    assert (imported.production.made, imported.production.kept) == (0, 3)
    assert (target / "dataset.yaml").exists()


def test_a_picture_of_another_size(source: Path, tmp_path: Path) -> None:
    Image.new("RGB", (31, 20)).save(source / "b.png")
    with pytest.raises(DataError, match=r"b\.txt: drawn on 30x20 pixels, but .*b\.png is 31x20"):
        import_annotations(LINES, source, tmp_path / "out", options=Options())


def test_bad_files_are_named_and_the_others_kept(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    (source / "b.txt").write_text("cat 1 nan 3 3\n")
    with pytest.raises(DataError, match=r"1 of 3 could not be made: .*b\.txt: bad point"):
        import_annotations(LINES, source, target, options=Options())
    assert sorted(path.name for path in (target / "scribbles").iterdir()) == ["a.png", "c.png"]
    assert not (target / "dataset.yaml").exists()


def test_no_picture(source: Path, tmp_path: Path) -> None:
    no_pictures = replace(
        LINES, find=lambda source, options: Found([Entry("a", source / "a.txt")], CAT)
    )
    with pytest.raises(DataError, match=r"no picture for 'a'; .*--images"):
        import_annotations(no_pictures, source, tmp_path / "out", options=Options())


CAT = Classes(("background", "cat"), ((0, 0, 0), (1, 1, 1)))


@pytest.mark.parametrize(
    ("found", "error", "message"),
    [
        (Found([]), DataError, "nothing to import"),
        (Found([Entry("a", Path("a"))]), ConfigError, "give them in the order"),
        (Found([Entry("a", Path("a")), Entry("A", Path("A"))], CAT), DataError, "one id"),
        (Found([Entry("a", Path("a"))], Classes(("x",), ((0, 0, 0),))), ConfigError, "only one"),
        (
            Found([Entry("a", Path("a"))], Classes(("x", "x"), ((0, 0, 0),) * 2)),
            ConfigError,
            "twice",
        ),
    ],
)
def test_nothing_is_written_for(
    tmp_path: Path, found: Found, error: type[Exception], message: str
) -> None:
    form = replace(LINES, find=lambda source, options: found)
    with pytest.raises(error, match=message):
        import_annotations(form, tmp_path / "src", tmp_path / "out", options=Options())
    assert not (tmp_path / "out").exists()


def test_slices_of_volumes(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    form = replace(LINES, read=read_volume)
    imported = import_annotations(form, source, target, options=Options())
    assert imported.pictures == 9
    layout, root = load_layout("folder", str(target))
    assert layout.image_mode == "L"
    volumes = read_volumes(root / (layout.volumes or ""))
    assert [len(volume.slices) for volume in volumes] == [3, 3, 3]
    assert volumes[0].spacing == (10.0, 1.5, 1.25)
    assert audit_dataset(layout, root, {"train": "all"}).exit_code == 0


def test_slices_that_are_gone_are_removed(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    form = replace(LINES, read=read_volume)
    import_annotations(form, source, target, options=Options())
    (source / "b.txt").write_text("now a picture alone")
    one = replace(LINES, read=lambda entry, options: [next(read_volume(entry, options))])
    import_annotations(one, source, target, options=Options())
    assert len(list((target / "scribbles").iterdir())) == 3 + 1 + 3


def test_other_colours_are_other_settings(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    import_annotations(LINES, source, target, options=Options(classes=CAT))
    other = replace(CAT, palette=((0, 0, 0), (9, 9, 9)))
    with pytest.raises(RunError, match="made with other settings: palette"):
        import_annotations(LINES, source, target, options=Options(classes=other))


def test_what_an_entry_carries_is_part_of_its_signature(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"

    def form(payload: object) -> Format:
        entry = Entry("a", source / "a.txt", source / "a.png", payload)
        return replace(LINES, find=lambda source, options: Found([entry], CAT))

    for payload, made in (({"cat": 1}, 1), ({"cat": 1}, 0), ({"cat": 2}, 1)):
        imported = import_annotations(form(payload), source, target, options=Options())
        assert imported.production.made == made


def test_a_picture_edited_in_the_source_is_imported_again(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    import_annotations(LINES, source, target, options=Options())
    pixels = np.asarray(Image.open(source / "a.png"))
    with (source / "a.png").open("r+b") as file:  # in place: the link of the dataset changes too
        Image.fromarray(255 - pixels).save(file, format="PNG")
    imported = import_annotations(LINES, source, target, options=Options())
    assert (imported.production.made, imported.production.kept) == (1, 2)


@pytest.mark.parametrize("target", ["src/out", ".", "src"])
def test_source_and_target_lie_apart(source: Path, tmp_path: Path, target: str) -> None:
    with pytest.raises(ConfigError, match="lie in one another"):
        import_annotations(LINES, source, tmp_path / target, options=Options())


def test_a_description_that_somebody_wrote_is_kept(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in "abc":
        (source / f"{name}.txt").write_text("cat 5 5 20 15\n")
    with pytest.raises(DataError, match="drawn in none"):
        import_annotations(LINES, source, target, options=Options())
    (target / "dataset.yaml").write_text("classes: [background, cat]\nsplits: {}\n")
    imported = import_annotations(LINES, source, target, options=Options(), without_background=True)
    assert "splits" in (target / "dataset.yaml").read_text()
    assert any("kept as you have changed it" in remark for remark in imported.remarks)


def test_a_failed_run_forgets_nothing(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    import_annotations(LINES, source, target, options=Options())
    good = (source / "b.txt").read_text()
    (source / "b.txt").write_text("cat 1 nan 3 3\n")
    with pytest.raises(DataError, match="bad point"):
        import_annotations(LINES, source, target, options=Options())
    # What was drawn by hand meanwhile is not replaced.
    label = target / "scribbles/b.png"
    ours = label.read_bytes()
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(label)
    (source / "b.txt").write_text(good)
    with pytest.raises(DataError, match=r"b\.png changed since it was made"):
        import_annotations(LINES, source, target, options=Options())
    label.write_bytes(ours)
    # What is gone from the source goes from the dataset.
    for suffix in ("txt", "png"):
        (source / f"b.{suffix}").unlink()
    import_annotations(LINES, source, target, options=Options())
    assert not label.exists()
    assert not (target / "images/b.png").exists()
