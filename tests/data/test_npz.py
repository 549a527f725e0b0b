"""NumPy archives: round trips, pickles, and every kind of damage."""

import io
import random
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data_files import GOOD, attempt, mutant, some_images, some_labels, thorough, written

from digits.data.formats.npz import read_npz
from digits.errors import DataError


def npz(**members: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **members)  # type: ignore[arg-type]  # the stub takes ** for allow_pickle
    return file.getvalue()


PAIR = {"x": some_images(), "y": some_labels()}


@given(
    train=st.integers(0, 5),
    test=st.integers(0, 5),
    pixels=st.sampled_from(["u1", "<i2", ">i4", "<u4", "<i8", ">u8", "<f2", "<f4", ">f8"]),
    unit=st.booleans(),
    classes=st.sampled_from(["u1", "i1", "<i4", "<i8", "<f4"]),
    shape=st.sampled_from([(28, 28), (784,), (28, 28, 1), (1, 28, 28)]),
    fortran=st.booleans(),
    compressed=st.booleans(),
    names=st.sampled_from(
        [("x_train", "y_train", "x_test", "y_test"), ("X_train", "y_train", "X_test", "y_test")]
    ),
)
@thorough
def test_npz_round_trip(
    folder: Path,
    train: int,
    test: int,
    pixels: str,
    unit: bool,
    classes: str,
    shape: tuple[int, ...],
    fortran: bool,
    compressed: bool,
    names: tuple[str, ...],
) -> None:
    """Every number type, shape, memory order and compression gives back the bytes they were made of."""
    counts = {part: count for part, count in (("train", train), ("test", test)) if count}
    members: dict[str, npt.NDArray[Any]] = {"writer": np.array(["other", "members"])}
    for part, count in counts.items():
        images = some_images(count).reshape(count, *shape)
        whole = not unit or np.dtype(pixels).kind != "f"
        images = (images if whole else images / 255).astype(pixels)
        members |= {
            names[2 * (part == "test")]: np.asfortranarray(images) if fortran else images,
            names[2 * (part == "test") + 1]: some_labels(count).astype(classes),
        }
    path = folder / "digits.npz"
    (np.savez_compressed if compressed else np.savez)(path, **members)  # type: ignore[arg-type]
    if not counts:
        with pytest.raises(DataError, match=r"digits\.npz: contains writer; expected x_train"):
            read_npz(path)
        return
    read = read_npz(path)
    assert list(read) == list(counts)
    for part, count in counts.items():
        np.testing.assert_array_equal(read[part].images, some_images(count), strict=True)
        np.testing.assert_array_equal(read[part].labels, some_labels(count), strict=True)
        assert read[part].images.flags.writeable
        assert read[part].images.flags.c_contiguous


@pytest.mark.parametrize("names", [("x", "y"), ("X", "Y"), ("images", "labels")])
def test_npz_with_one_undivided_set(tmp_path: Path, names: tuple[str, str]) -> None:
    """An archive without names for training and test gives one set called all."""
    content = npz(**dict(zip(names, PAIR.values(), strict=True)))
    read = read_npz(written(tmp_path, content))
    assert list(read) == ["all"]
    np.testing.assert_array_equal(read["all"].images, PAIR["x"], strict=True)


@pytest.mark.parametrize(
    "names", ["train_images val_images test_images", "x_train x_valid x_test", "x_train X_validation x_test"]
)
def test_npz_with_validation_images(tmp_path: Path, names: str) -> None:
    """Validation images are a part of their own, as MedMNIST and others call them."""
    members = {}
    for count, name in enumerate(names.split(), 5):
        members[name] = some_images(count)
        members[name.replace("images", "labels").replace("x_", "y_").replace("X_", "Y_")] = some_labels(
            count
        )[:, None]
    read = read_npz(written(tmp_path, npz(**members)))
    assert {part: len(found.labels) for part, found in read.items()} == {"train": 5, "val": 6, "test": 7}
    assert all(found.notes == () for found in read.values())


def test_npz_arrays_that_are_not_used_are_named(tmp_path: Path) -> None:
    """A note lists the arrays that are neither images nor labels."""
    read = read_npz(written(tmp_path, npz(**PAIR, writers=some_labels(), extra=np.zeros(3)), "a.npz"))
    assert read["all"].notes == (f"{tmp_path / 'a.npz'}: extra, writers are not used.",)


def test_npy_headers_of_other_writers(tmp_path: Path) -> None:
    """Format 2.0, Python 2's long numbers, another order of keys and no padding read the same."""
    header = b"{'shape':(20L,28L,28L),'fortran_order':False,'descr':'|u1'}"
    images = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header + PAIR["x"].tobytes()
    content = io.BytesIO(npz(y=PAIR["y"]))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("x.npy", images)
    read = read_npz(written(tmp_path, content.getvalue()))
    np.testing.assert_array_equal(read["all"].images, PAIR["x"], strict=True)


class Malicious:
    """Creates a file when unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.canary,)


@pytest.mark.parametrize("member", ["x", "y", "another"])
def test_npz_with_a_pickle_runs_nothing(tmp_path: Path, member: str) -> None:
    """An archive of pickled objects is refused, or its other members read, and no code of it runs."""
    canary = tmp_path / "canary"
    evil = np.array([Malicious(canary)], dtype=object)
    path = written(tmp_path, npz(**{**PAIR, member: evil}), "evil.npz")
    with np.load(path, allow_pickle=True) as loaded:
        loaded[member]
    assert canary.exists(), "the archive is not even dangerous"
    canary.unlink()
    if member == "another":
        np.testing.assert_array_equal(read_npz(path)["all"].images, PAIR["x"])
    else:
        with pytest.raises(
            DataError, match=rf"evil.npz: {member}: its header is .*'\|O'.*expected an array of integers"
        ):
            read_npz(path)
    assert not canary.exists()


def with_member(name: str, content: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """A good archive's labels and one member of any content."""
    file = io.BytesIO(npz(y=PAIR["y"]))
    with zipfile.ZipFile(file, "a", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def npy(header: str, content: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content


def twice(content: bytes) -> bytes:
    """The archive with the name of its second member made that of the first."""
    return content.replace(b"y.npy", b"x.npy")


def encrypted(content: bytes) -> bytes:
    """The archive with the flag of encryption on each local and central header."""
    content = re.sub(rb"(?s)(?<=PK\x03\x04..).", b"\x01", content)
    return re.sub(rb"(?s)(?<=PK\x01\x02....).", b"\x01", content)


NPZ_REFUSED: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "not an .npz archive but empty; fetch it again"),
    "a web page": (b"<html>", "not an .npz archive but a web page; fetch it again"),
    "an IDX file": (GOOD, "File is not a zip file"),
    "no member": (npz(), "contains no arrays; expected x_train"),
    "cut": (npz(**PAIR)[:-30], "cannot be read"),
    "unknown names": (npz(a=PAIR["x"], b=PAIR["y"]), "contains a, b; expected x_train, y_train"),
    "two layouts": (
        npz(**PAIR, images=PAIR["x"], labels=PAIR["y"]),
        "contains images, labels, x, y; expected",
    ),
    "half a pair": (npz(x_train=PAIR["x"]), "y_train is missing; expected images and labels in pairs"),
    "a name twice": (twice(npz(**PAIR)), "contains 'x' twice"),
    "encrypted": (encrypted(npz(**PAIR)), "'x.npy' is encrypted, expected a file that np.savez wrote"),
    "LZMA": (with_member("x.npy", bytes(99), zipfile.ZIP_LZMA), "compressed by method 14"),
    "bzip2": (with_member("x.npy", bytes(99), zipfile.ZIP_BZIP2), "compressed by method 12"),
    "no array": (with_member("x.npy", b"hello"), "x: not an array; it starts with b'hello'"),
    "no header": (with_member("x.npy", b"\x93NUMPY"), "x: its header is ''"),
    "text": (npz(x=PAIR["x"], y=np.array(["seven"])), "y: its header is .*U5.*expected an array of integers"),
    "complex": (npz(x=PAIR["x"].astype(complex), y=PAIR["y"]), "c16"),
    "records": (npz(x=np.zeros(3, [("a", "u1")]), y=PAIR["y"]), "its header is"),
    "no data": (
        with_member("x.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9, 28, 28), }", b"")),
        r"x: 74 bytes, expected 7,130 for the shape \(9, 28, 28\)",
    ),
    "data too long": (
        with_member("x.npy", npy("{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }", bytes(13))),
        r"82 bytes, expected 81 for the shape \(2, 3\)",
    ),
    "hundred dimensions": (
        with_member(
            "x.npy", npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({'1,' * 100})}}", b"1")
        ),
        "at most 4 dimensions",
    ),
    "header of 20,000 bytes": (
        with_member(
            "x.npy", npy(" " * 20_000 + "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }", b"1")
        ),
        "its header is",
    ),
}


@pytest.mark.parametrize("kind", NPZ_REFUSED)
def test_damaged_npz_is_refused(tmp_path: Path, kind: str) -> None:
    """Each kind of damage is a DataError that names the file and what is wrong with it."""
    content, message = NPZ_REFUSED[kind]
    path = written(tmp_path, content, "digits.npz")
    with pytest.raises(DataError, match=message) as error:
        read_npz(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("count", [100, pytest.param(2_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_mutants_of_npz_files(tmp_path: Path, write: Callable[..., None], count: int) -> None:
    """Each damaged copy is a DataError or read with the values of the original."""
    write(tmp_path / "good.npz", **PAIR)
    good = (tmp_path / "good.npz").read_bytes()
    chance, path, refused = random.Random(1), tmp_path / "mutant.npz", 0
    for _ in range(count):
        path.write_bytes(mutant(good, chance))
        read = attempt(read_npz, path)
        if isinstance(read, DataError):
            refused += 1
            continue
        assert np.array_equal(read["all"].images, PAIR["x"])
        assert np.array_equal(read["all"].labels, PAIR["y"])
    assert refused > count / 2
