import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scribbleseg.data.preparation.cls_labels import cls_labels_file, read_cls_labels
from scribbleseg.errors import DataError

TAGS = {"2007_000032": (0, 1, 15), "2008_000001": (0,), "ü": (0, 20)}


def saved(path: Path, content: Any, protocol: int = 4) -> Path:
    """As `numpy.save` writes it, with the protocol of any version of Python."""
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    pickle.dump(np.array(content, dtype=object), file, protocol=protocol)
    path.write_bytes(file.getvalue())
    return path


def test_what_is_written_is_what_numpy_reads(tmp_path: Path) -> None:
    path = tmp_path / "cls_labels.npy"
    path.write_bytes(cls_labels_file(TAGS, 21))
    content = np.load(path, allow_pickle=True).item()
    assert {name: np.flatnonzero(vector).tolist() for name, vector in content.items()} == {
        "2007_000032": [0, 14],
        "2008_000001": [],
        "ü": [19],
    }
    assert read_cls_labels(path, 21) == TAGS


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool, ">f4"])
def test_vectors_of_any_type_and_protocol_are_read(
    protocol: int, dtype: Any, tmp_path: Path
) -> None:
    content = {}
    for name, present in TAGS.items():
        vector = np.zeros(20, dtype)
        vector[[index - 1 for index in present if index]] = 1
        content[name] = vector
    assert read_cls_labels(saved(tmp_path / "a.npy", content, protocol), 21) == TAGS


class Runs:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("place", ["entry", "key", "whole"])
def test_code_in_a_pickle_does_not_run(place: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    content = {
        "entry": {"a": Runs(trace)},
        "key": {Runs(trace): np.zeros(20)},
        "whole": Runs(trace),
    }[place]
    with pytest.raises(DataError, match=r"which could run code"):
        read_cls_labels(saved(tmp_path / "a.npy", content), 21)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": np.zeros(19)}, r"tags of 'a' are not 20 zeros and ones"),
        ({"a": np.full(20, 0.5)}, r"tags of 'a' are not 20 zeros and ones"),
        ({"a": np.zeros((20, 1))}, r"tags of 'a' are not 20 zeros and ones"),
        ({"a": np.array(["x"] * 20)}, r"tags of 'a' are not 20 zeros and ones"),
        ({"a": np.array([{}] * 20)}, r"tags of 'a' are not 20 zeros and ones"),
        ({"a": [0] * 20}, r"entry 'a' is not an image id with a vector"),
        ({1: np.zeros(20)}, r"entry 1 is not an image id with a vector"),
        ([np.zeros(20)], r"holds no dict"),
        ("text", r"holds no dict"),
    ],
)
def test_other_content_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_cls_labels(saved(tmp_path / "a.npy", content), 21)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with pytest.raises(DataError, match=r"no such file; it should hold image-level tags"):
        read_cls_labels(path, 21)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be read as image-level tags"):
        read_cls_labels(path, 21)
    np.save(path, np.zeros(3))
    with pytest.raises(DataError, match=r"a\.npy: "):
        read_cls_labels(path, 21)
    content = saved(path, {"a": np.zeros(20)}).read_bytes()
    name = content.index(b"f8")  # the name of a type becomes a list
    path.write_bytes(content[: name - 2] + b"]" + content[name + 2 :])
    with pytest.raises(DataError, match=r"tags of 'a' are not|cannot be read"):
        read_cls_labels(path, 21)
    # An object numbered 2**31 makes the interpreter of pickles reserve 16 GB.
    head = saved(path, {}).read_bytes()[:128]
    path.write_bytes(head + b"\x80\x04}r\x00\x00\x00\x80.")
    with pytest.raises(DataError, match=r"numbers an object 2147483648"):
        read_cls_labels(path, 21)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_changed_bytes_cause_nothing_but_an_error(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(cls_labels_file(TAGS, 21))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.npy"
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        tags = read_cls_labels(path, 21)
    except DataError:
        return
    assert all(
        isinstance(name, str) and set(present) <= {*range(21)} for name, present in tags.items()
    )
