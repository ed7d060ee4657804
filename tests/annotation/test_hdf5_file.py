import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from scribbleseg.annotation import hdf5_file
from scribbleseg.annotation.hdf5_file import open_hdf5
from scribbleseg.errors import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/item10"] = 1
        file["group/item2"] = 2
        file["text"] = "grün"
        file["texts"] = ["a", "b"]
        file["fixed"] = np.array([b"x", b"yz"])
        file["numbers"] = np.arange(12).reshape(3, 4)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["numbers"] = np.arange(12)
    return tmp_path / "a.h5"


def test_what_is_there_is_read(path: Path) -> None:
    with open_hdf5(path) as file:
        assert file.children("group") == ["item2", "item10"]
        assert file.item("group/item2")[()] == 2
        assert file.item("no/such") is None
        assert file.item("text/below") is None
        assert (file.text("text"), file.text("none")) == ("grün", "")
        assert (file.texts("texts"), file.texts("fixed")) == (["a", "b"], ["x", "yz"])
        assert file.dataset("numbers")[()].sum() == 66


def test_what_is_not_there_is_named(path: Path) -> None:
    for call, message in (
        (lambda file: file.children("numbers"), "no group numbers"),
        (lambda file: file.dataset("group"), "no dataset group"),
        (lambda file: file.texts("numbers"), "numbers holds .* expected texts"),
        (lambda file: file.dataset("numbers", 95), r"numbers of \(3, 4\) values is too large"),
    ):
        with pytest.raises(DataError, match=rf"a\.h5: {message}"), open_hdf5(path) as file:
            call(file)
    path.write_bytes(b"no HDF5")
    with pytest.raises(DataError, match=r"a\.h5: cannot be read"), open_hdf5(path):
        pass


@pytest.mark.parametrize(
    "link", [h5py.ExternalLink("secret.h5", "numbers"), h5py.SoftLink("/numbers")]
)
def test_links_are_not_followed(link: object, path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["group/link"] = link
    with pytest.raises(DataError, match="group/link is a link"), open_hdf5(path) as read:
        read.dataset("group/link")


def test_values_in_other_files_are_not_read(path: Path) -> None:
    secret = path.with_name("secret.h5")
    with h5py.File(path, "a") as file:
        file.create_dataset("external", 3, np.uint8, external=[(str(secret), 0, 3)])
        layout = h5py.VirtualLayout(12, np.int64)
        layout[:] = h5py.VirtualSource(secret, "numbers", 12)
        file.create_virtual_dataset("virtual", layout)
    for name in ("external", "virtual"):
        with pytest.raises(DataError, match=f"{name} lies in another"), open_hdf5(path) as read:
            read.dataset(name)


def test_chunks_unpack_to_their_values(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(path, "a") as file:
        for name in ("packed", "bomb", "lzf"):
            how = {"compression": "lzf" if name == "lzf" else "gzip", "shuffle": True}
            file.create_dataset(name, data=np.arange(100), **how)
        file["bomb"].id.write_direct_chunk((0,), zlib.compress(bytes(10**6)))
    with open_hdf5(path) as read:
        assert read.dataset("packed")[()].sum() == 4950
    for name, message in (("bomb", "bomb is damaged"), ("lzf", "unknown compression")):
        with pytest.raises(DataError, match=message), open_hdf5(path) as read:
            read.dataset(name)
    monkeypatch.setattr(hdf5_file, "MOST_CHUNK", 799)
    with pytest.raises(DataError, match=r"packed of .* is too large"), open_hdf5(path) as read:
        read.dataset("packed")


def test_a_text_of_4_gb_is_refused_before_room_is_made_for_it(path: Path) -> None:
    with h5py.File(path, "r") as file:
        start = file["texts"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[start + 16 : start + 20] = (2**32 - 1).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match="texts is damaged"), open_hdf5(path) as read:
        read.texts("texts")
