"""Files of unknown origin cost neither time nor memory before they are refused."""

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.data_files import GOOD, idx, some_images, written, zeros

import digits
from digits.data.formats import content as content_module
from digits.data.formats.csv import read_csv
from digits.data.formats.idx import read_idx
from digits.data.formats.npz import read_npz
from digits.errors import DataError


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

before = peak()
for line in sys.stdin:
    reader, path = json.loads(line)
    start = time.process_time()
    try:
        globals()[reader](Path(path))
        message = None
    except DataError as error:
        message = str(error)
    seconds = time.process_time() - start
    print(json.dumps({{"message": message, "seconds": seconds, "grown": peak() - before}}))
"""


def lying_zip(size: int) -> bytes:
    """An npz whose images unpack to `size` zeros while its directory states 1,000 bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x.npy", bytes(size))
        archive.writestr("y.npy", bytes(100))
    return file.getvalue().replace(struct.pack("<I", size), struct.pack("<I", 1000))


def honest_zip(size: int) -> bytes:
    """An npz of `size` black bytes as images, a thousandth of it on disk."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, shape in (("x.npy", (size // 784, 28, 28)), ("y.npy", (size // 784,))):
            array = io.BytesIO()
            np.save(array, np.zeros(shape, np.uint8))
            archive.writestr(name, array.getvalue())
    return file.getvalue()


IMAGES = struct.pack(">HBBIII", 0, 8, 3, 60_000, 28, 28)
BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "no header": ("read_idx", lambda: zeros(b"", 300 << 20), "type 0x00"),
    "1:1000 behind the header of MNIST": ("read_idx", lambda: zeros(IMAGES, 300 << 20), "there are more"),
    "1:1000 behind a true header": (
        "read_idx",
        lambda: zeros(struct.pack(">HBBI", 0, 8, 1, 300 << 20), 300 << 20),
        "its header states 314,572,808 bytes",
    ),
    "1:1000 in another gzip": ("read_idx", lambda: gzip.compress(zeros(IMAGES, 300 << 20)), "starts with"),
    "trailing garbage": (
        "read_idx",
        lambda: gzip.compress(idx(some_images())) + bytes(50 << 20),
        "other bytes follow",
    ),
    "two members": (
        "read_idx",
        lambda: gzip.compress(idx(some_images())) + zeros(b"", 300 << 20),
        "other bytes follow",
    ),
    "csv without a line": ("read_csv", lambda: zeros(b"", 300 << 20), "line longer than"),
    "csv of blank lines": ("read_csv", lambda: gzip.compress(b"\n" * (100 << 20), 1), "line longer than"),
    "npz that lies": ("read_npz", lambda: lying_zip(200 << 20), "cannot be read"),
    "npz 1:1000": ("read_npz", lambda: honest_zip(100 << 20), "its header states"),
}


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux, where a process can ask for its peak memory")
def test_bombs_are_refused(tmp_path: Path) -> None:
    """Small files that unpack to hundreds of megabytes are refused, each in under 1 s, all in 200 MB."""
    paths = {kind: written(tmp_path, content(), kind) for kind, (_, content, _) in BOMBS.items()}
    source = str(Path(digits.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        input="".join(json.dumps([BOMBS[kind][0], str(path)]) + "\n" for kind, path in paths.items()),
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        check=True,
        text=True,
    )
    for kind, line in zip(BOMBS, done.stdout.splitlines(), strict=True):
        measured = json.loads(line)
        assert BOMBS[kind][2] in str(measured["message"]), kind
        assert measured["seconds"] < 1, kind
        assert measured["grown"] < 200e6, kind


def test_a_csv_that_unpacks_too_far_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CSV file has no header that states its size, so decompression itself stops at the limit."""
    monkeypatch.setattr(content_module, "ALWAYS_ALLOWED", 100_000)
    row = b"7," + b"0," * 783 + b"0\n"
    with pytest.raises(
        DataError, match=r"contains more than 2\d\d,\d{3} bytes, the limit for a file of its size"
    ):
        read_csv(written(tmp_path, gzip.compress(row * 1_000, 9)))
