from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests.imported import errors_for_the_user

from scribbleseg.annotation import volume as volume_module
from scribbleseg.annotation.volume import (
    Volume,
    foreign_file,
    grey_slices,
    read_volume,
    slice_drawings,
)
from scribbleseg.errors import ConfigError, DataError

NUMBERS = np.arange(2 * 5 * 6).reshape(2, 5, 6)  # slices, rows, columns


def save_nifti(path: Path, slices: NDArray[Any]) -> Path:
    nibabel.save(nibabel.Nifti1Image(slices.T, np.diag([1.5, 2.0, 10.0, 1])), path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_axes_are_columns_rows_slices(name: str, tmp_path: Path) -> None:
    volume = read_volume(save_nifti(tmp_path / name, NUMBERS.astype(np.int16)))
    np.testing.assert_array_equal(volume.stored, NUMBERS)
    assert volume.spacing == (10, 2, 1.5)
    assert volume.orientation == "RAS"
    assert not volume.is_flat


def test_nifti_values_are_scaled_as_the_header_says(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(NUMBERS.T.astype(np.float64), np.eye(4))
    image.header.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert volume.stored.dtype == np.int16
    assert volume.scale != (1.0, 0.0)
    np.testing.assert_allclose(volume.values(1), NUMBERS[1], atol=1e-3)


def test_flat_and_padded_shapes(tmp_path: Path) -> None:
    flat = read_volume(save_nifti(tmp_path / "a.nii", NUMBERS[0].astype(np.uint8)))
    assert (flat.stored.shape, flat.is_flat) == ((1, 5, 6), True)
    padded = read_volume(save_nifti(tmp_path / "b.nii", NUMBERS[None].astype(np.uint8)))
    assert (padded.stored.shape, padded.is_flat) == ((2, 5, 6), False)
    film = save_nifti(tmp_path / "c.nii", np.stack([NUMBERS] * 2).astype(np.uint8))
    with pytest.raises(DataError, match=r"c\.nii: 6x5x2x2 pixels of type uint8; expected a grey"):
        read_volume(film)


def test_spacing_that_is_none_is_not_known(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", NUMBERS.astype(np.uint8))
    content = bytearray(path.read_bytes())
    content[80:92] = np.array([0, np.nan, 5], "<f4").tobytes()  # pixdim
    path.write_bytes(content)
    assert read_volume(path).spacing is None


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_tiff_stacks(compression: str | None, bigtiff: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NUMBERS.astype(np.uint32), compression=compression, bigtiff=bigtiff)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.stored, NUMBERS)
    assert (volume.is_flat, volume.spacing) == (False, None)
    tifffile.imwrite(path, NUMBERS[:1].astype(np.uint16), compression=compression)
    assert read_volume(path).is_flat


def test_a_tiff_stack_of_three_slices_that_was_written_as_planes_of_colour(tmp_path: Path) -> None:
    stored = np.arange(3 * 5 * 6, dtype=np.uint32).reshape(3, 5, 6)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif").stored, stored)


def test_tiff_pages_of_pillow(tmp_path: Path) -> None:
    pages = [Image.fromarray(page) for page in NUMBERS.astype(np.uint8)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif").stored, NUMBERS)
    Image.fromarray(np.eye(300) > 0).save(tmp_path / "b.tif")  # one bit a pixel
    np.testing.assert_array_equal(read_volume(tmp_path / "b.tif").stored, [np.eye(300)])


def test_tiff_colours_and_other_compressions_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif: colours or several series"):
        read_volume(tmp_path / "a.tif")
    Image.new("L", (40, 30)).save(tmp_path / "b.tif", compression="tiff_lzw")
    with pytest.raises(DataError, match=r"b\.tif: compression .*LZW.*; save it with zlib"):
        read_volume(tmp_path / "b.tif")


def test_an_ome_tiff_reads_no_other_file(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "other.tif", NUMBERS[1].astype(np.uint8))
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels DimensionOrder="XYZCT" Type="uint8" SizeX="6" SizeY="5" '
        'SizeZ="2" SizeC="1" SizeT="1"><TiffData IFD="0" FirstZ="0"/><TiffData IFD="0" FirstZ="1">'
        '<UUID FileName="other.tif">urn:uuid:1</UUID></TiffData></Pixels></Image></OME>'
    )
    tifffile.imwrite(tmp_path / "a.ome.tif", NUMBERS[0].astype(np.uint8), description=xml)
    assert read_volume(tmp_path / "a.ome.tif").is_flat


def test_a_page_that_unpacks_to_more_than_its_pixels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((400, 400), np.uint8), compression="zlib")
    content = path.read_bytes()
    small = content.replace(np.array(400, "<u2").tobytes(), np.array(9, "<u2").tobytes())
    path.write_bytes(small)
    with pytest.raises(DataError, match=r"a\.tif: more compressed data than pixels"):
        read_volume(path)


@pytest.mark.parametrize("packed", [None, "zlib"])
def test_a_tiff_of_more_pixels_than_bytes_is_refused(packed: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NUMBERS[0].astype(np.uint32), compression=packed, metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags["ImageLength"].valueoffset
    content[place : place + 4] = (10**7).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tif: 10000000x6 pixels, more than its bytes"):
        read_volume(path)


def test_what_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_nifti(tmp_path / "a.nii", NUMBERS.astype(np.int16))
    tifffile.imwrite(tmp_path / "a.tif", NUMBERS.astype(np.int16))
    monkeypatch.setattr(volume_module, "MOST_SLICES", 1)
    for name in ("a.nii", "a.tif"):
        with pytest.raises(DataError, match="2 slices; at most 1"):
            read_volume(tmp_path / name)
    monkeypatch.setattr(volume_module, "MOST_BYTES", 119)
    for name in ("a.nii", "a.tif"):
        with pytest.raises(DataError, match="pixels of type int16; at most"):
            read_volume(tmp_path / name)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.nii: no such file"):
        read_volume(tmp_path / "a.nii")
    (tmp_path / "a.nii.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.nii\.gz: cannot be read"):
        read_volume(tmp_path / "a.nii.gz")
    save_nifti(tmp_path / "b.nii.gz", NUMBERS.astype(np.int16))
    (tmp_path / "b.nii.gz").write_bytes((tmp_path / "b.nii.gz").read_bytes()[:60])
    with pytest.raises(DataError, match=r"b\.nii\.gz: cannot be read"):
        read_volume(tmp_path / "b.nii.gz")


def test_errors_of_libraries_become_one_line() -> None:
    message = r"a: cannot be read \(two lines\); export it again"
    with pytest.raises(DataError, match=message), foreign_file(Path("a")):
        raise RecursionError("two\n  lines")
    with pytest.raises(ConfigError, match="mine"), foreign_file(Path("a")):
        raise ConfigError("mine")


FILES: dict[str, bytes] = {}


def valid_file(name: str, tmp_path: Path) -> bytes:
    if name not in FILES:
        path = tmp_path / name
        if name.endswith(".nii"):
            save_nifti(path, NUMBERS.astype(np.int16))
        else:
            packed = "zlib" if name == "packed.tif" else None
            tifffile.imwrite(path, NUMBERS.astype(np.uint32), compression=packed)
        FILES[name] = path.read_bytes()
    return FILES[name]


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["plain.nii", "plain.tif", "packed.tif"]),
    edits=st.lists(
        st.tuples(st.integers(0, 500), st.integers(0, 9), st.binary(max_size=9)),
        min_size=1,
        max_size=3,
    ),
)
def test_damaged_files_cost_a_data_error_at_most(
    name: str, edits: list[tuple[int, int, bytes]], tmp_path: Path
) -> None:
    content = valid_file(name, tmp_path)
    for begin, length, new in edits:
        content = content[:begin] + new + content[begin + length :]
    path = tmp_path / name
    path.write_bytes(content)
    with errors_for_the_user(str(path)):
        volume = read_volume(path)
        assert volume.stored.ndim == 3


def volume_of(stored: Any, **fields: Any) -> Volume:
    return Volume(Path("a.nii"), np.asarray(stored), **fields)


def test_grey_slices_share_one_scale_that_ends_at_99_percent() -> None:
    # 1000 values: 989 zeros, then 10 of 50, and an outlier of 1000. The share reaches 0.99 in the
    # bin of 50: [46.875, 50.78), the 13th of width 3.90625, with its centre at 48.828125.
    stored = np.zeros((10, 10, 10), np.float32)
    stored[3, 0] = 50
    stored[7, 0, 0] = 1000
    stored[8, 0, 0] = 24.4140625  # half of the centre
    slices = list(grey_slices(volume_of(stored)))
    assert [one.dtype for one in slices] == [np.uint8] * 10
    assert slices[3][0].tolist() == [255] * 10
    assert slices[7][0, 0] == 255
    assert slices[8][0, 0] == 128  # 127.5, half to even
    assert sum(int(one.sum()) for one in slices) == 255 * 11 + 128


def test_grey_slices_are_those_of_the_formula() -> None:
    stored = np.random.default_rng(0).gamma(2, 300, (3, 20, 30)).astype(np.int16)
    counts, edges = np.histogram(stored, 256)
    first = np.flatnonzero(np.cumsum(counts) / counts.sum() >= 0.99)[0]
    clipped = np.clip(stored.astype(float), stored.min(), edges[first : first + 2].mean())
    expected = np.rint(255 * (clipped - clipped.min()) / (clipped.max() - clipped.min()))
    np.testing.assert_array_equal(list(grey_slices(volume_of(stored))), expected)
    scaled = volume_of(stored, scale=(2.0, -7.0))
    np.testing.assert_array_equal(list(grey_slices(scaled)), expected)


def test_grey_slices_of_8_bits_and_of_one_value() -> None:
    stored = np.array([[[3, 9]]], np.uint8)
    assert [one.tolist() for one in grey_slices(volume_of(stored))] == [[[3, 9]]]
    constant = np.full((2, 1, 2), 7, np.int16)
    assert [one.tolist() for one in grey_slices(volume_of(constant))] == [[[0, 0]]] * 2
    with pytest.raises(DataError, match=r"a\.nii: values nan"):
        list(grey_slices(volume_of([[[np.nan, 1.0]]])))


def as_it_is(where: str, values: NDArray[Any]) -> NDArray[np.uint8]:
    return values.astype(np.uint8)


def test_slices_are_numbered_and_know_their_volume() -> None:
    labels = volume_of(NUMBERS, spacing=(10, 2, 1.5), orientation="RAS")
    picture = volume_of(NUMBERS.astype(np.uint8), orientation="LPS")
    asked = []

    def label_of(where: str, values: NDArray[Any]) -> NDArray[np.uint8]:
        asked.append(where)
        return values.astype(np.uint8)

    drawings = list(slice_drawings("case", labels, picture, label_of, ("mine",)))
    assert asked == ["a.nii: case_slice_0", "a.nii: case_slice_1"]
    assert [one.name for one in drawings] == ["case_slice_0", "case_slice_1"]
    assert {(one.volume, one.spacing, one.size) for one in drawings} == {
        ("case", (10, 2, 1.5), (5, 6))
    }
    assert drawings[0].remarks == ("mine", "axes RAS, those of the picture LPS; neither was turned")
    assert drawings[1].remarks == ()
    np.testing.assert_array_equal(drawings[1].label, NUMBERS[1])
    np.testing.assert_array_equal(drawings[1].picture, NUMBERS[1])


def test_pictures_that_do_not_belong_to_the_labels_are_refused(tmp_path: Path) -> None:
    labels = volume_of(NUMBERS)
    with pytest.raises(DataError, match=r"2x5x6 slices, rows and columns, but .* has 2x6x5"):
        list(slice_drawings("a", labels, volume_of(NUMBERS.reshape(2, 6, 5)), as_it_is))
    Image.new("L", (6, 5)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"2 slices, but .*a\.png is a single picture"):
        list(slice_drawings("a", labels, tmp_path / "a.png", as_it_is))
    flat = volume_of(NUMBERS[:1], is_flat=True)
    one, = slice_drawings("my scan", flat, tmp_path / "a.png", as_it_is)  # fmt: skip
    assert (one.name, one.volume, one.picture) == ("my scan", None, tmp_path / "a.png")
    Image.new("L", (5, 6)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"6x5 pixels, but .* 5x6"):
        list(slice_drawings("a", flat, tmp_path / "b.png", as_it_is))
