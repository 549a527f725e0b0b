"""Files of images and labels: round trips, real MNIST, and every kind of damage."""

import csv
import gzip
import hashlib
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import digits
from digits.data.formats import content as content_module
from digits.data.formats.arrays import check_pair
from digits.data.formats.content import CHUNK
from digits.data.formats.csv import read_csv
from digits.data.formats.idx import idx_sha256, read_idx
from digits.data.formats.npz import read_npz
from digits.errors import DataError

PUBLISHED = {  # SHA-256 of the decompressed files
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
T = TypeVar("T")
thorough = settings(max_examples=60, deadline=None)


def some_images(count: int = 20, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Images like MNIST's in what matters here: a black border and every grey inside it."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 4:24, 4:24] = np.random.default_rng(seed).integers(0, 256, (count, 20, 20))
    return images


def some_labels(count: int = 20) -> npt.NDArray[np.uint8]:
    return (np.arange(count) * 7 % 10).astype(np.uint8)


def idx(array: npt.NDArray[Any]) -> bytes:
    """An IDX file by the letter of its description, written without looking at the reader."""
    code = {"uint8": 0x08, "int32": 0x0C}[array.dtype.name]
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def written(folder: Path, content: bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all the examples of a property: hypothesis makes a file and replaces it."""
    return tmp_path_factory.mktemp("formats")


# IDX


@given(
    array=st.sampled_from([np.uint8, np.int32]).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=1, max_dims=4))
    ),
    level=st.sampled_from([None, 0, 1, 9]),
    chunk=st.sampled_from([2, 7, CHUNK]),
)
@thorough
def test_idx_round_trip(folder: Path, array: npt.NDArray[Any], level: int | None, chunk: int) -> None:
    """What is written as IDX, raw or gzip, comes back equal, writable, with the content's SHA-256."""
    content = idx(array)
    path = written(folder, content if level is None else gzip.compress(content, level))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_module, "CHUNK", chunk)
        read = read_idx(path)
    np.testing.assert_array_equal(read.array, array)
    assert read.array.dtype == array.dtype
    assert read.array.flags.writeable
    assert read.sha256 == idx_sha256(array) == hashlib.sha256(content).hexdigest()


def test_idx_sha256_does_not_depend_on_memory_layout() -> None:
    """The checksum is that of the values in C order, whatever order memory has them in."""
    images = some_images()
    assert idx_sha256(np.asfortranarray(images)) == hashlib.sha256(idx(images)).hexdigest()


GOOD = idx(some_labels(3))

IDX_REFUSED = {
    "empty": (b"", r"starts with b''"),
    "a web page": (b"<!DOCTYPE html>", r"starts with b'<!DO', expected two zero bytes"),
    "short magic": (GOOD[:3], r"starts with b'\\x00\\x00\\x08'"),
    "float": (b"\0\0\x0d\x01" + GOOD[4:], r"type 0x0D \(float\), expected 0x08 \(unsigned byte\) or 0x0C"),
    "unknown type": (b"\0\0\x07\x01" + GOOD[4:], r"type 0x07 \(unknown\)"),
    "no dimension": (b"\0\0\x08\0" + GOOD[4:], "0 dimensions, expected 1 to 4"),
    "five dimensions": (b"\0\0\x08\x05" + bytes(99), "5 dimensions, expected 1 to 4"),
    "short header": (GOOD[:6], "ends after 6 bytes, inside its header"),
    "zero dimension": (GOOD[:4] + bytes(4), r"holds nothing, its dimensions are \(0,\)"),
    "one byte short": (GOOD[:-1], r"header \(3,\) promises 11 bytes, there are only 10"),
    "one byte long": (GOOD + b"\0", r"header \(3,\) promises 11 bytes, there are more"),
    "16 EB": (
        b"\0\0\x08\x02" + b"\xff" * 8,
        "claims to hold 18,446,744,065,119,617,037 bytes; a file of its",
    ),
    "gzip cut": (gzip.compress(GOOD)[:-9], r"cannot be read \(its gzip data end early\); fetch or copy"),
    "gzip without checksum": (gzip.compress(GOOD)[:-8], "its gzip data end early"),
    "gzip with wrong checksum": (gzip.compress(GOOD)[:-8] + bytes(8), "incorrect data check"),
    "gzip with wrong length": (gzip.compress(GOOD)[:-4] + bytes(4), "incorrect length check"),
    "gzip and zeros": (gzip.compress(GOOD) + bytes(512), "something follows its gzip data"),
    "gzip and rubbish": (gzip.compress(GOOD) + b"rubbish", "something follows its gzip data"),
    "two gzip members": (
        gzip.compress(GOOD[:8]) + gzip.compress(GOOD[8:]),
        "something follows its gzip data",
    ),
    "two gzip members, one empty": (gzip.compress(GOOD) + gzip.compress(b""), "something follows"),
    "gzip in gzip": (gzip.compress(gzip.compress(GOOD)), r"starts with b'\\x1f\\x8b"),
    "gzip of nothing": (gzip.compress(b""), "starts with b''"),
}


@pytest.mark.parametrize("kind", IDX_REFUSED)
def test_damaged_idx_is_refused(tmp_path: Path, kind: str) -> None:
    """Each kind of damage is a DataError that names the file, what was found and what was expected."""
    content, message = IDX_REFUSED[kind]
    path = written(tmp_path, content, "train-labels-idx1-ubyte")
    with pytest.raises(DataError, match=message) as error:
        read_idx(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("read", [read_idx, read_npz, read_csv])
def test_what_is_no_file_is_refused(tmp_path: Path, read: Callable[[Path], object]) -> None:
    """A missing file, a folder and a device without end are refused by name, before they are opened."""
    with pytest.raises(DataError, match=r"nothing\.gz does not exist"):
        read(tmp_path / "nothing.gz")
    with pytest.raises(DataError, match="is not a file"):
        read(tmp_path)
    if Path("/dev/zero").exists():
        with pytest.raises(DataError, match="/dev/zero is not a file"):
            read(Path("/dev/zero"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("read", [read_idx, read_npz, read_csv])
def test_a_pipe_is_not_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    """A named pipe nobody writes to is refused instead of read for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe is not a file"):
        read(tmp_path / "pipe")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system's refusal becomes a DataError with its reason."""

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))  # root, whom CI may run as, can read all

    path = written(tmp_path, GOOD)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"file: cannot be read \(Permission denied\)"):
        read_idx(path)


def test_nothing_is_allocated_for_a_mere_claim(tmp_path: Path) -> None:
    """A 20-byte file that promises 60 MB costs what 20 bytes cost."""
    path = written(tmp_path, b"\0\0\x08\x01" + struct.pack(">I", 60_000_000) + bytes(12))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"promises 60,000,008 bytes, there are only 20"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * CHUNK
    finally:
        tracemalloc.stop()


def attempt(read: Callable[[Path], T], path: Path) -> T | DataError:
    try:
        return read(path)
    except DataError as error:
        return error


def mutant(good: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three kinds of damage, in the header more often than its size suggests."""
    bad = bytearray(good)
    for _ in range(chance.choice([1, 1, 2, 3])):
        where = chance.randrange(min(len(bad), 24) if chance.random() < 0.5 else len(bad)) if bad else 0
        size = chance.choice([1, 2, 4, chance.randrange(1, 200)])
        match chance.randrange(6):
            case 0 if bad:
                bad[where] ^= 1 << chance.randrange(8)
            case 1:
                bad[where : where + 4] = chance.choice(
                    [bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1"]
                )
            case 2:
                del bad[where : where + size]
            case 3:
                bad[where:where] = chance.randbytes(size)
            case 4:
                del bad[where:]
            case _:
                bad += bad[where : where + size]
    return bytes(bad)


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzip"])
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_mutants_of_idx_files(tmp_path: Path, kind: str, packed: bool) -> None:
    """Of 5,000 damaged copies each is a DataError or exactly the IDX file of the array returned.

    Whatever differs from the original is told by its hash. Half the gzip mutants are packed after the
    damage, so that no checksum helps.
    """
    good = idx(some_images() if kind == "images" else some_labels())
    known = hashlib.sha256(good).hexdigest()
    chance, path, refused = random.Random(kind), tmp_path / "mutant", 0
    for number in range(5_000):
        before = packed and number % 2 == 0
        content = mutant(gzip.compress(good, 1) if before else good, chance)
        path.write_bytes(content if before or not packed else gzip.compress(content, 1))
        read = attempt(read_idx, path)
        if isinstance(read, DataError):
            assert str(path) in str(read)
            refused += 1
            continue
        if before:
            content = gzip.decompress(content)
        assert idx(read.array) == content
        assert (read.sha256 == known) == (content == good)
    assert refused > 2_500


# Bombs

STATUS = Path("/proc/self/status")
MEASURE = f"""
import json, re, sys, time
from pathlib import Path
from digits.data.formats.csv import read_csv
from digits.data.formats.idx import read_idx
from digits.data.formats.npz import read_npz
from digits.errors import DataError

def peak():  # in bytes; getrusage's would begin with the peak of the process that started this one
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("{STATUS}").read_text())[1])

before, start = peak(), time.perf_counter()
try:
    globals()[sys.argv[1]](Path(sys.argv[2]))
    message = None
except DataError as error:
    message = str(error)
seconds = time.perf_counter() - start
print(json.dumps({{"message": message, "seconds": seconds, "grown": peak() - before}}))
"""


def zeros(head: bytes, size: int) -> bytes:
    """`head` and `size` zeros as gzip, about 1 to 1,000."""
    press = zlib.compressobj(6, wbits=31)
    block = press.compress(head) + b"".join(press.compress(bytes(1 << 20)) for _ in range(size >> 20))
    return block + press.flush()


def lying_zip(size: int) -> bytes:
    """An npz whose images unpack to `size` zeros while its directory states 1,000 bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(size))
        archive.writestr("y.npy", bytes(100))
    return file.getvalue().replace(struct.pack("<I", size), struct.pack("<I", 1000))


def honest_zip(size: int) -> bytes:
    """An npz of `size` black bytes as images, a thousandth of it on disk."""
    file = io.BytesIO()
    np.savez_compressed(file, x=np.zeros((size // 784, 28, 28), np.uint8), y=np.zeros(size // 784, np.uint8))
    return file.getvalue()


IMAGES = struct.pack(">HBBIII", 0, 8, 3, 60_000, 28, 28)
BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "no header": ("read_idx", lambda: zeros(b"", 300 << 20), "type 0x00"),
    "1:1000 behind MNIST's header": ("read_idx", lambda: zeros(IMAGES, 300 << 20), "there are more"),
    "1:1000 behind a true header": (
        "read_idx",
        lambda: zeros(struct.pack(">HBBI", 0, 8, 1, 300 << 20), 300 << 20),
        "claims to hold 314,572,808 bytes",
    ),
    "nested": ("read_idx", lambda: gzip.compress(zeros(IMAGES, 300 << 20)), "starts with"),
    "trailing garbage": (
        "read_idx",
        lambda: gzip.compress(idx(some_images())) + bytes(50 << 20),
        "something follows",
    ),
    "two members": (
        "read_idx",
        lambda: gzip.compress(idx(some_images())) + zeros(b"", 300 << 20),
        "something follows",
    ),
    "csv without a line": ("read_csv", lambda: zeros(b"", 300 << 20), "line longer than"),
    "csv of blank lines": ("read_csv", lambda: gzip.compress(b"\n" * (100 << 20), 1), "line longer than"),
    "npz that lies": ("read_npz", lambda: lying_zip(200 << 20), "cannot be read"),
    "npz 1:1000": ("read_npz", lambda: honest_zip(100 << 20), "claims to hold"),
}


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux, where a process can ask for its peak memory")
@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused(tmp_path: Path, kind: str) -> None:
    """Small files that unpack to hundreds of megabytes are refused in under 1 s and 200 MB."""
    reader, content, message = BOMBS[kind]
    path = written(tmp_path, content())
    source = str(Path(digits.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, reader, str(path)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        check=True,
    )
    measured = json.loads(done.stdout)
    assert message in str(measured["message"])
    assert measured["seconds"] < 1
    assert measured["grown"] < 200e6


def test_a_csv_that_unpacks_too_far_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text has no header to claim anything: unpacking itself stops at the limit."""
    monkeypatch.setattr(content_module, "SMALL", 100_000)
    row = b"7," + b"0," * 783 + b"0\n"
    with pytest.raises(DataError, match=r"holds more than the 2\d\d,\d{3} bytes that a file of its size"):
        read_csv(written(tmp_path, gzip.compress(row * 1_000, 9)))


# npz


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
        with pytest.raises(DataError, match=r"digits\.npz: holds writer; expected x_train"):
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
    """A file that does not say which part it is gives one set called all."""
    content = npz(**dict(zip(names, PAIR.values(), strict=True)))
    read = read_npz(written(tmp_path, content))
    assert list(read) == ["all"]
    np.testing.assert_array_equal(read["all"].images, PAIR["x"], strict=True)


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
            DataError, match=rf"evil.npz: {member}: its header is .*'\|O'.*expected plain whole"
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
    "empty file": (b"", "File is not a zip file"),
    "an IDX file": (GOOD, "File is not a zip file"),
    "no member": (npz(), "holds nothing; expected x_train"),
    "cut": (npz(**PAIR)[:-30], "cannot be read"),
    "unknown names": (npz(a=PAIR["x"], b=PAIR["y"]), "holds a, b; expected x_train, y_train"),
    "two layouts": (npz(**PAIR, images=PAIR["x"], labels=PAIR["y"]), "holds images, labels, x, y; expected"),
    "half a pair": (npz(x_train=PAIR["x"]), "y_train is missing; expected images and labels in pairs"),
    "a name twice": (twice(npz(**PAIR)), "holds 'x' twice"),
    "encrypted": (encrypted(npz(**PAIR)), "'x.npy' is encrypted, expected a file that np.savez wrote"),
    "LZMA": (with_member("x.npy", bytes(99), zipfile.ZIP_LZMA), "compressed by method 14"),
    "bzip2": (with_member("x.npy", bytes(99), zipfile.ZIP_BZIP2), "compressed by method 12"),
    "no array": (with_member("x.npy", b"hello"), "x: not an array; it starts with b'hello'"),
    "no header": (with_member("x.npy", b"\x93NUMPY"), "x: its header is ''"),
    "text": (npz(x=PAIR["x"], y=np.array(["seven"])), "y: its header is .*U5.*expected plain whole numbers"),
    "complex": (npz(x=PAIR["x"].astype(complex), y=PAIR["y"]), "c16"),
    "records": (npz(x=np.zeros(3, [("a", "u1")]), y=PAIR["y"]), "its header is"),
    "no data": (
        with_member("x.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9, 28, 28), }", b"")),
        r"x: 74 bytes, expected 7,130 for a shape of \(9, 28, 28\)",
    ),
    "data too long": (
        with_member("x.npy", npy("{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }", bytes(13))),
        r"82 bytes, expected 81 for a shape of \(2, 3\)",
    ),
    "hundred dimensions": (
        with_member(
            "x.npy", npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({'1,' * 100})}}", b"1")
        ),
        "at most 4 numbers",
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


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_mutants_of_npz_files(tmp_path: Path, write: Callable[..., None]) -> None:
    """Of 2,000 damaged copies none is another exception than DataError, and none silently different."""
    write(tmp_path / "good.npz", **PAIR)
    good = (tmp_path / "good.npz").read_bytes()
    chance, path, refused = random.Random(1), tmp_path / "mutant.npz", 0
    for _ in range(2_000):
        path.write_bytes(mutant(good, chance))
        read = attempt(read_npz, path)
        if isinstance(read, DataError):
            refused += 1
            continue
        assert np.array_equal(read["all"].images, PAIR["x"])
        assert np.array_equal(read["all"].labels, PAIR["y"])
    assert refused > 1_000


# CSV


def csv_text(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    *,
    position: int = 0,
    header: bool = False,
    separator: str = ",",
    cell: str = "{}",
    end: str = "\n",
) -> str:
    """Images and labels as text, the labels' column inserted at `position`."""
    rows: list[list[Any]] = np.insert(images.reshape(-1, 784), position, labels, axis=1).tolist()
    lines = [[cell.format(value) for value in row] for row in rows]
    if header:
        names = [f"pixel{number}" for number in range(784)]
        names.insert(position, "label")
        lines.insert(0, names)
    return "".join(separator.join(line) + end for line in lines)


@given(
    count=st.integers(1, 8),
    position=st.sampled_from([0, 784, 300]),
    header=st.booleans(),
    separator=st.sampled_from(",;\t"),
    cell=st.sampled_from(["{}", "{}.0", '"{}"', " {}", "{:.18e}", "00{}"]),
    end=st.sampled_from(["\n", "\r\n"]),
    close=st.sampled_from(["", "\n", "\r\n\r\n \n"]),
    packed=st.booleans(),
    mark=st.booleans(),
    chunk=st.sampled_from([15_000, CHUNK]),
)
@thorough
def test_csv_round_trip(
    folder: Path,
    count: int,
    position: int,
    header: bool,
    separator: str,
    cell: str,
    end: str,
    close: str,
    packed: bool,
    mark: bool,
    chunk: int,
) -> None:
    """Every dialect gives back the bytes it was made of, however reading is cut into pieces."""
    images, labels = some_images(count, seed=count), some_labels(count) % 9 + 1
    header |= position == 300
    text = csv_text(
        images, labels, position=position, header=header, separator=separator, cell=cell, end=end
    ).removesuffix(end)
    content = (b"\xef\xbb\xbf" if mark else b"") + (text + close).encode()
    path = written(folder, gzip.compress(content, 1) if packed else content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_module, "CHUNK", chunk)
        read = read_csv(path)
    np.testing.assert_array_equal(read.images, images, strict=True)
    np.testing.assert_array_equal(read.labels, labels, strict=True)
    assert read.images.flags.writeable


GREYS = frozenset(range(256))


def slow_csv(text: str) -> list[list[int]] | None:
    """Rows by Python's csv module, label first; None if they are not all rows of 785 good cells."""
    rows = list(csv.reader(text.rstrip("\r\n ").split("\n")))
    number = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)
    good = all(
        len(row) == 785
        and all(number.fullmatch(cell) and float(cell) in GREYS for cell in row)
        and float(row[0]) < 10
        for row in rows
    )
    return [[int(float(cell)) for cell in row] for row in rows] if good and rows else None


def test_mutants_of_csv_files(tmp_path: Path) -> None:
    """Of 1,500 damaged copies those are read which Python's csv module finds whole, with its values."""
    good = csv_text(some_images(3), some_labels(3))
    chance, path, accepted = random.Random(2), tmp_path / "mutant.csv", 0
    for _ in range(1_500):
        where = chance.randrange(len(good))
        damage = "".join(chance.choices('0123456789,."\n;- \t\r+exn_\0é', k=chance.randrange(3)))
        text = good[:where] + damage + good[where + chance.randrange(3) :]
        path.write_bytes(text.encode())
        try:
            truth = slow_csv(text)
        except csv.Error:
            truth = None
        read = attempt(lambda path: read_csv(path, "first"), path)
        if isinstance(read, DataError):
            assert truth is None, (damage, where, read)
        else:
            assert np.insert(read.images.reshape(-1, 784), 0, read.labels, axis=1).tolist() == truth
            accepted += 1
    assert accepted > 200


ROW = "7," + "0," * 783 + "0"

CSV_REFUSED: dict[str, tuple[str, str]] = {
    "empty": ("", r"has no rows; expected 785 columns"),
    "blank": ("\n \r\n\n", r"has no rows"),
    "only a header": (csv_text(some_images(1), some_labels(1), header=True).split("\n")[0], "has no rows"),
    "a web page": ("<!DOCTYPE html>\n<html>", r"line 1: 1 columns, expected 785 \(784 pixels and a label\)"),
    "short row": (f"{ROW}\n{ROW}\n{ROW[:-2]}\n", "line 3: 784 columns, expected 785"),
    "long row": (f"{ROW},0\n", "line 1: 786 columns, expected 785"),
    "no label": (",".join(f"pixel{n}" for n in range(784)) + f"\n{ROW[2:]}\n", "line 1: 784 columns"),
    "blank line": (f"{ROW}\n\n{ROW}\n", "line 2: 0 columns"),
    "word": (f"{ROW}\n{ROW[:-1]}x\n", "line 2, column 785: 'x', expected a whole number from 0 to 255"),
    "empty cell": (f"{ROW}\n{ROW[:-1]}\n", "line 2, column 785: '', expected"),
    "256": (f"{ROW}\n{ROW[:2]}256{ROW[3:]}\n", "line 2, column 2: '256'"),
    "negative": (f"{ROW[:2]}-1{ROW[3:]}\n", "line 1, column 2: '-1'"),
    "half": (f"{ROW[:2]}0.5{ROW[3:]}\n", "line 1, column 2: '0.5'"),
    "nan": (f"{ROW[:2]}nan{ROW[3:]}\n", "line 1, column 2: 'nan'"),
    "endless": (f"{ROW[:2]}1e999{ROW[3:]}\n", "line 1, column 2: '1e999'"),
    "only Python reads it": (f"{ROW[:2]}1_0{ROW[3:]}\n", "lines 1 to 1 are not rows of plain numbers"),
    "open quote": (f'{ROW}\n"{ROW}\n', "line 2: 1 columns"),
    "old Macintosh": (f"{ROW}\r{ROW}\r", "line 1: 1 columns"),
    "UTF-16": (f"{ROW}\n{ROW}".encode("utf-16").decode("latin-1"), "line [12]"),  # csv knows NUL since 3.11
    "counted header": (",".join(map(str, range(785))) + f"\n{ROW}", "line 1, column 257: '256'"),
    "label 10": (
        "label" + ",p" * 784 + f"\n{ROW}\n10{ROW[1:]}\n",
        "line 3, column 1: label 10, expected 0 to 9",
    ),
    "two labels": ("label" + ",p" * 783 + f",class\n{ROW}\n", "cannot tell which column holds the labels"),
    "letters": (f"{ROW}\n26{ROW[1:]}\n", "cannot tell which column holds the labels; expected one called"),
    "all zero": ("0" + ROW[1:], "cannot tell which column holds the labels"),
    "two candidates": (ROW[:-1] + "3", "cannot tell which column holds the labels"),
}


@pytest.mark.parametrize("kind", CSV_REFUSED)
def test_damaged_csv_is_refused(tmp_path: Path, kind: str) -> None:
    """Each kind of damage is a DataError that names the file, the line and the column."""
    text, message = CSV_REFUSED[kind]
    path = written(tmp_path, text.encode("latin-1"), "digits.csv")
    with pytest.raises(DataError, match=message) as error:
        read_csv(path)
    assert str(path) in str(error.value)


def test_csv_errors_name_the_line_across_blocks(tmp_path: Path) -> None:
    """Lines are counted through a file of many blocks and a header."""
    lines = csv_text(some_images(1_000), some_labels(1_000), header=True).split("\n")
    lines[876] = lines[876][:-1] + "?"  # the border pixel at the end is the only 0 there
    path = written(tmp_path, "\n".join(lines).encode())
    assert path.stat().st_size > 4 * CHUNK
    with pytest.raises(DataError, match=r"line 877, column 785: '\?'"):
        read_csv(path)


def test_csv_of_a_line_without_end(tmp_path: Path) -> None:
    """A text without line ends is refused by the length of its line, not gathered in memory."""
    with pytest.raises(DataError, match="a line longer than 1,048,576 bytes; expected a CSV file"):
        read_csv(written(tmp_path, b"0," * 2_000_000))


def test_csv_label_column_is_found_or_told(tmp_path: Path) -> None:
    """The label is the end column that alone holds 0 to 9 and not only 0, or the column the caller names."""
    images = some_images()
    ends: list[tuple[int, Literal["first", "last"]]] = [(0, "first"), (784, "last")]
    for position, told in ends:
        for labels in (some_labels(), np.full(20, 7, np.uint8)):
            path = written(tmp_path, csv_text(images, labels, position=position).encode())
            np.testing.assert_array_equal(read_csv(path).labels, labels)
        only_zeros = written(tmp_path, csv_text(images, np.zeros(20, np.uint8), position=position).encode())
        read = read_csv(only_zeros, told)
        np.testing.assert_array_equal(read.images, images)


# Pairs

IMAGES_OF_ONE = np.zeros((1, 28, 28))
LABEL_OF_ONE = np.zeros(1, np.uint8)
PAIRS_REFUSED: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any], str]] = {
    "labels as images": (
        some_labels(),
        some_labels(),
        r"a.gz: images of shape \(20,\), expected \(N, 28, 28\)",
    ),
    "32 pixels": (np.zeros((1, 32, 32)), LABEL_OF_ONE, r"a.gz: images of shape \(1, 32, 32\)"),
    "a scalar": (np.array(1), LABEL_OF_ONE, r"a.gz: images of shape \(\)"),
    "images as labels": (
        some_images(),
        some_images(),
        r"b.gz: labels of shape \(20, 28, 28\), expected \(N,\)",
    ),
    "one-hot": (some_images(), np.eye(20, 10), r"b.gz: labels of shape \(20, 10\)"),
    "scalar label": (some_images(), np.array(1), r"b.gz: labels of shape \(\)"),
    "unequal": (
        some_images(20),
        some_labels(19),
        r"a.gz has 20 images and b.gz 19 labels; expected equally many",
    ),
    "none": (some_images(0), some_labels(0), r"a.gz has 0 images and b.gz 0 labels"),
    "label 10": (
        IMAGES_OF_ONE,
        LABEL_OF_ONE + 10,
        "b.gz: labels from 10 to 10, expected whole numbers from 0 to 9",
    ),
    "label -1": (IMAGES_OF_ONE, np.array([-1]), "b.gz: labels from -1 to -1"),
    "label 0.5": (IMAGES_OF_ONE, np.array([0.5]), "b.gz: labels between whole numbers"),
    "pixel 256": (
        IMAGES_OF_ONE + 256,
        LABEL_OF_ONE,
        "a.gz: pixels from 256.0 to 256.0, expected whole numbers",
    ),
    "pixel 300 of int": (IMAGES_OF_ONE.astype(int) + 300, LABEL_OF_ONE, "a.gz: pixels from 300 to 300"),
    "normalised": (
        IMAGES_OF_ONE - 0.42,
        LABEL_OF_ONE,
        "a.gz: pixels from -0.42 to -0.42, .* multiples of 1/255",
    ),
    "resampled": (IMAGES_OF_ONE + 0.335, LABEL_OF_ONE, "a.gz: pixels between whole numbers"),
    "half a grey": (IMAGES_OF_ONE + 100.5, LABEL_OF_ONE, "a.gz: pixels between whole numbers"),
    "nan": (IMAGES_OF_ONE + np.nan, LABEL_OF_ONE, "a.gz: pixels from nan to nan"),
    "infinite": (IMAGES_OF_ONE + np.inf, LABEL_OF_ONE, "a.gz: pixels from inf to inf"),
    "objects": (IMAGES_OF_ONE.astype(object), LABEL_OF_ONE, "a.gz: pixels of type object"),
    "truth values": (IMAGES_OF_ONE.astype(bool), LABEL_OF_ONE, "a.gz: pixels of type bool"),
}


@pytest.mark.parametrize("kind", PAIRS_REFUSED)
def test_bad_pairs_are_refused(kind: str) -> None:
    """Arrays that are not images and their labels are refused, naming the guilty one, its shape or values."""
    images, labels, message = PAIRS_REFUSED[kind]
    with pytest.raises(DataError, match=message):
        check_pair(images, labels, "a.gz", "b.gz")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_grey_survives_scaling(dtype: type[np.floating[Any]]) -> None:
    """All 256 greys stored as n/255 come back as n, in each precision."""
    greys = np.resize(np.arange(256, dtype=np.uint8), (2, 28, 28))
    pair = check_pair((greys / 255).astype(dtype), np.array([3, 4]), "a", "b")
    np.testing.assert_array_equal(pair.images, greys, strict=True)


def test_bytes_are_not_copied() -> None:
    """A pair that is right already costs no memory."""
    images, labels = some_images(), some_labels()
    pair = check_pair(images, labels, "a", "b")
    assert np.shares_memory(pair.images, images)
    assert np.shares_memory(pair.labels, labels)


# Real MNIST


def mnist_file(folder: Path, name: str) -> Path:
    return next(path for path in (folder / f"{name}.gz", folder / name) if path.exists())


@pytest.mark.parametrize("name", PUBLISHED)
def test_real_mnist_has_the_published_checksums(mnist_folder: Path, name: str) -> None:
    """Each of the four files gives its published SHA-256, from the content read and from the array."""
    read = read_idx(mnist_file(mnist_folder, name))
    assert read.sha256 == idx_sha256(read.array) == PUBLISHED[name]


def test_real_mnist_through_every_format(tmp_path: Path, mnist_folder: Path) -> None:
    """The training set has its known mean and deviation, and is the same after npz and CSV."""
    names = list(PUBLISHED)[:2]
    images, labels = (read_idx(mnist_file(mnist_folder, name)).array for name in names)
    assert round(images.mean() / 255, 4) == 0.1307
    assert round(images.std() / 255, 4) == 0.3081
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=labels.astype(np.int64))
    train = read_npz(tmp_path / "mnist.npz")["train"]
    assert [idx_sha256(train.images), idx_sha256(train.labels)] == [PUBLISHED[name] for name in names]
    read = read_csv(written(tmp_path, csv_text(images[:500], labels[:500], position=784).encode()))
    np.testing.assert_array_equal(read.images, images[:500], strict=True)
    np.testing.assert_array_equal(read.labels, labels[:500], strict=True)


def test_the_sample_has_500_of_each_digit(sample_file: Path) -> None:
    """The label in the last column, without a header, is found: 500 of each class, in order."""
    read = read_csv(sample_file)
    np.testing.assert_array_equal(read.labels, np.repeat(np.arange(10, dtype=np.uint8), 500), strict=True)


def test_the_sample_is_genuine_mnist(sample_file: Path, mnist_folder: Path) -> None:
    """The sample is the first 500 training images of each class."""
    images, labels = (read_idx(mnist_file(mnist_folder, name)).array for name in list(PUBLISHED)[:2])
    first = np.concatenate([np.flatnonzero(labels == digit)[:500] for digit in range(10)])
    np.testing.assert_array_equal(read_csv(sample_file).images, images[first], strict=True)
