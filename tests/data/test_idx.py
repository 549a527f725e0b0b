"""IDX files: round trips, and every kind of damage."""

import gzip
import hashlib
import random
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.data_files import GOOD, attempt, idx, mutant, some_images, some_labels, thorough, written

from digits.data.formats import content as content_module
from digits.data.formats.content import CHUNK
from digits.data.formats.idx import idx_sha256, read_idx
from digits.errors import DataError


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
    """The digest is that of the values in C order, whatever their order in memory."""
    images = some_images()
    assert idx_sha256(np.asfortranarray(images)) == hashlib.sha256(idx(images)).hexdigest()


IDX_REFUSED = {
    "empty": (b"", r"not an IDX file but empty, so fetch it again; it starts with b''"),
    "a web page": (
        b"<!DOCTYPE html>",
        r"but a web page, so fetch it again; it starts with b'<!DO', expected two zero bytes",
    ),
    "a web page, packed": (gzip.compress(b"\n <html>"), "not an IDX file but a web page"),
    "short magic": (GOOD[:3], r"starts with b'\\x00\\x00\\x08'"),
    "float": (b"\0\0\x0d\x01" + GOOD[4:], r"type 0x0D \(float\), expected 0x08 \(unsigned byte\) or 0x0C"),
    "unknown type": (b"\0\0\x07\x01" + GOOD[4:], r"type 0x07 \(unknown\)"),
    "no dimension": (b"\0\0\x08\0" + GOOD[4:], "0 dimensions, expected 1 to 4"),
    "five dimensions": (b"\0\0\x08\x05" + bytes(99), "5 dimensions, expected 1 to 4"),
    "short header": (GOOD[:6], "ends after 6 bytes, inside its header"),
    "zero dimension": (GOOD[:4] + bytes(4), r"contains no values, its dimensions are \(0,\)"),
    "one byte short": (GOOD[:-1], r"header \(3,\) requires 11 bytes, but there are only 10"),
    "one byte long": (GOOD + b"\0", r"header \(3,\) requires 11 bytes, but there are more"),
    "16 EB": (
        b"\0\0\x08\x02" + b"\xff" * 8,
        "its header states 18,446,744,065,119,617,037 bytes of content; expected at most",
    ),
    "gzip cut": (gzip.compress(GOOD)[:-9], r"cannot be read \(its gzip data are incomplete\); fetch or copy"),
    "gzip without checksum": (gzip.compress(GOOD)[:-8], "its gzip data are incomplete"),
    "gzip with wrong checksum": (gzip.compress(GOOD)[:-8] + bytes(8), "incorrect data check"),
    "gzip with wrong length": (gzip.compress(GOOD)[:-4] + bytes(4), "incorrect length check"),
    "gzip and zeros": (gzip.compress(GOOD) + bytes(512), "other bytes follow its gzip data"),
    "gzip and rubbish": (gzip.compress(GOOD) + b"rubbish", "other bytes follow its gzip data"),
    "two gzip members": (
        gzip.compress(GOOD[:8]) + gzip.compress(GOOD[8:]),
        "other bytes follow its gzip data",
    ),
    "two gzip members, one empty": (gzip.compress(GOOD) + gzip.compress(b""), "other bytes follow"),
    "gzip in gzip": (
        gzip.compress(gzip.compress(GOOD)),
        r"but compressed twice with gzip; decompress it once, .* starts with b'\\x1f\\x8b",
    ),
    "an archive": (b"PK\x03\x04", "not an IDX file but a zip archive"),
    "gzip of nothing": (gzip.compress(b""), "but empty, .* starts with b''"),
}


@pytest.mark.parametrize("kind", IDX_REFUSED)
def test_damaged_idx_is_refused(tmp_path: Path, kind: str) -> None:
    """Each kind of damage is a DataError that names the file, what was found and what was expected."""
    content, message = IDX_REFUSED[kind]
    path = written(tmp_path, content, "train-labels-idx1-ubyte")
    with pytest.raises(DataError, match=message) as error:
        read_idx(path)
    assert str(path) in str(error.value)


def test_nothing_is_allocated_for_a_mere_claim(tmp_path: Path) -> None:
    """A 20-byte file whose header promises 60 MB takes no more memory than 20 bytes need."""
    path = written(tmp_path, b"\0\0\x08\x01" + struct.pack(">I", 60_000_000) + bytes(12))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"requires 60,000,008 bytes, but there are only 20"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * CHUNK
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [150, pytest.param(5_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzip"])
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_mutants_of_idx_files(tmp_path: Path, kind: str, packed: bool, count: int) -> None:
    """Each damaged copy is a DataError, or exactly the IDX file of the array that is returned.

    Whatever differs from the original is told by its hash. Half the gzip mutants are packed after the
    damage, so that no checksum helps.
    """
    good = idx(some_images() if kind == "images" else some_labels())
    known = hashlib.sha256(good).hexdigest()
    chance, path, refused = random.Random(kind), tmp_path / "mutant", 0
    for number in range(count):
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
    assert refused > count / 2
