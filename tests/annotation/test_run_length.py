import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pycocotools import mask as reference

from scribbleseg.annotation.run_length import (
    brush_bytes,
    brush_runs,
    coco_text,
    coco_text_runs,
    listed_runs,
    mask_runs,
    painted_rows,
)
from scribbleseg.errors import DataError

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30))


def whole(runs: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    row, pixels = painted_rows("a", runs, *shape)
    mask[row : row + len(pixels)] = pixels
    return mask


def bits_of(stream: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in stream)


def unpacked(stream: bytes) -> list[int]:
    """All values of an rle-pack stream, bit by bit as its description says."""
    bits, at, values = bits_of(stream), 0, []

    def read(size: int) -> int:
        nonlocal at
        at += size
        return int(bits[at - size : at], 2)

    count, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    while len(values) < count:
        repeated, size = read(1), sizes[read(2)]
        number = read(size) + 1
        values += [read(word)] * number if repeated else [read(word) for _ in range(number)]
    return values


def packed(blocks: list[tuple[bool, int, list[int]]], sizes: list[int]) -> bytes:
    """An rle-pack stream from its blocks: repeated or not, which size, the values."""
    count = sum(len(values) for _, _, values in blocks)
    bits = f"{count:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    for repeated, index, values in blocks:
        bits += f"{repeated:b}{index:02b}" + f"{len(values) - 1:0{sizes[index]}b}"
        bits += "".join(f"{value:08b}" for value in (values[:1] if repeated else values))
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


@given(masks)
def test_a_mask_is_what_its_runs_say(mask: NDArray[np.bool_]) -> None:
    runs = mask_runs(mask)
    assert runs.sum() == mask.size
    assert (runs[1:] > 0).all()
    np.testing.assert_array_equal(whole(runs, mask.shape), mask)


def test_only_rows_with_paint_are_made() -> None:
    row, pixels = painted_rows("a", np.array([178_000_000 - 5, 2, 3]), 1_000_000, 178)
    assert (row, pixels.shape, pixels.sum()) == (999_999, (1, 178), 2)
    row, pixels = painted_rows("a", np.array([178_000_000]), 1_000_000, 178)
    assert pixels.shape == (0, 178)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([3, 2], r"the runs are 5 pixels, the mask of 3x2 has 6"),
        ([3, 4], r"the runs are 7 pixels, the mask of 3x2 has 6"),
        ([], r"the runs are 0 pixels"),
        ([8, -2], r"run of 8 pixels in a mask of 3x2"),
        ([6, -2, 2], r"run of -2 pixels in a mask of 3x2"),
        ([2**62, 2**62, 2**62, 2**62, 6], r"run of 4611686018427387904 pixels"),
    ],
)
def test_runs_that_do_not_fill_the_mask_are_refused(runs: list[int], message: str) -> None:
    with pytest.raises(DataError, match="^a: " + message):
        painted_rows("a", np.array(runs, np.int64), 2, 3)


@pytest.mark.parametrize("counts", [["1"], [1.5], [None], [[1], [2]], [[1], 2], [1, 10**30], "12"])
def test_runs_that_are_no_whole_numbers_are_refused(counts: list[object]) -> None:
    with pytest.raises(DataError, match=r"^a: runs are .*; expected whole numbers"):
        listed_runs("a", counts)


@given(masks)
@settings(max_examples=50)
def test_coco_packs_as_its_own_library_does(mask: NDArray[np.bool_]) -> None:
    theirs = reference.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    runs = mask_runs(mask.T)
    assert coco_text(runs) == theirs
    np.testing.assert_array_equal(coco_text_runs("a", theirs), runs)


def test_long_runs_of_coco() -> None:
    runs = np.array([0, 178_000_000, 1, 70_000, 178_000_000, 3, 1], np.int64)
    np.testing.assert_array_equal(coco_text_runs("a", coco_text(runs)), runs)


@given(st.text(max_size=12) | st.text(st.characters(min_codepoint=48, max_codepoint=112)))
@settings(max_examples=150)
def test_any_text_is_runs_of_coco_or_refused(text: str) -> None:
    try:
        runs = coco_text_runs("a", text)
    except DataError:
        return
    assert len(runs) <= len(text)
    if (runs >= 0).all() and len(runs) > 1 and (runs[1:] > 0).all():
        np.testing.assert_array_equal(coco_text_runs("a", coco_text(runs)), runs)


@pytest.mark.parametrize("text", ["é", "\x00", "p", "P", "PPPPPPPPPPPPPP0"])
def test_texts_that_are_no_runs_of_coco_are_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"^a: counts .* are not run lengths of COCO"):
        coco_text_runs("a", text)


@given(masks)
@settings(max_examples=50)
def test_a_brush_stroke_is_packed_value_by_value(mask: NDArray[np.bool_]) -> None:
    stream = brush_bytes(mask_runs(mask))
    assert unpacked(stream) == np.repeat(255 * mask.ravel(), 4).tolist()
    np.testing.assert_array_equal(brush_runs("a", stream, mask.size), mask_runs(mask))


def test_a_long_brush_stroke_takes_several_blocks() -> None:
    mask = np.zeros((300, 400), bool)
    mask[50:, 7:] = True
    mask[60, 9] = False
    runs = mask_runs(mask)
    np.testing.assert_array_equal(brush_runs("a", brush_bytes(runs), mask.size), runs)
    assert len(brush_bytes(np.array([0, 120_000]))) < 40


@given(st.data())
@settings(max_examples=40)
def test_blocks_of_any_size_and_kind_are_unpacked(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 16), min_size=4, max_size=4))
    pixels = data.draw(st.integers(1, 40))
    values = data.draw(
        st.lists(st.sampled_from([0, 0, 1, 128, 255]), min_size=4 * pixels, max_size=4 * pixels)
    )
    blocks, rest = [], values
    while rest:
        index = data.draw(st.integers(0, 3))
        number = data.draw(st.integers(1, min(1 << sizes[index], len(rest))))
        piece, rest = rest[:number], rest[number:]
        blocks.append((len(set(piece)) == 1 and data.draw(st.booleans()), index, piece))
    stream = packed(blocks, sizes)
    assert unpacked(stream) == values
    runs = brush_runs("a", stream, pixels)
    opaque = np.array(values[3::4]).reshape(1, -1) > 0
    np.testing.assert_array_equal(runs, mask_runs(opaque))


@given(masks, st.data())
@settings(max_examples=70)
def test_a_damaged_brush_stroke_is_other_runs_or_refused(
    mask: NDArray[np.bool_], data: st.DataObject
) -> None:
    stream = bytearray(brush_bytes(mask_runs(mask)))
    at = data.draw(st.integers(0, len(stream) - 1))
    if data.draw(st.booleans()):
        stream[at] = data.draw(st.integers(0, 255))
    else:
        del stream[at:]
    try:
        runs = brush_runs("a", bytes(stream), mask.size)
    except DataError:
        return
    assert runs.sum() == mask.size


def test_brush_strokes_of_other_pictures_are_refused() -> None:
    stream = brush_bytes(np.array([4, 2]))
    with pytest.raises(DataError, match=r"^a: rle holds 24 values of 8 bits; expected 28 of 8"):
        brush_runs("a", stream, 7)
    with pytest.raises(DataError, match=r"^a: rle ends after \d+ of 24 values"):
        brush_runs("a", stream[:-2], 6)
    with pytest.raises(DataError, match=r"^a: rle holds 0 values of 1 bits"):
        brush_runs("a", b"", 6)
    with pytest.raises(DataError, match=r"^a: rle ends after 0 of 4 values"):
        brush_runs("a", packed([(True, 0, [0] * 5)], [3, 4, 8, 16]).replace(b"\x05", b"\x04", 1), 1)
