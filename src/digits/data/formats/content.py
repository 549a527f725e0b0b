"""Read the content of a file of unknown origin, decompressed and limited in size."""

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from digits.errors import DataError

CHUNK = 1 << 18  # bytes read or decompressed at a time; larger ones leave the processor's cache
SMALL = 64 << 20  # bytes; content up to here is read from a file of any size (MNIST's images: 45 MiB)
RATIO = 100  # more content than that is believed only of a file at least 1/100 as long (MNIST: 1/5)
LARGEST = 2 << 30  # bytes; the largest set of this kind, EMNIST, has 0.6 GB
_GZIP = b"\x1f\x8b"  # RFC 1952, section 2.3.1
_GZIP_WINDOW = 31  # zlib: the largest window (15), wrapped in a gzip header and checksum (+ 16)
# What zlib, zipfile and the operating system raise over damaged and unreadable files.
_BROKEN = (
    OSError,
    EOFError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def read_content(path: Path, limit: int) -> Generator[bytes, None, None]:
    """The content of a file, decompressed if it is gzip, in pieces of at most CHUNK bytes.

    Raises DataError for more than `limit` bytes, and if a file that starts as gzip is anything but one
    member with a right checksum.
    """
    total = 0
    with explained_errors(path), path.open("rb") as file:
        head = file.read(CHUNK)
        for piece in _inflated(head, file) if head.startswith(_GZIP) else _plain(head, file):
            total += len(piece)
            if total > limit:
                raise DataError(f"{path}: holds more than the {limit:,} bytes that a file of its size may")
            yield piece


def _plain(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    while head:
        yield head
        head = file.read(CHUNK)


def _inflated(packed: bytes, file: BinaryIO) -> Iterator[bytes]:
    """What a gzip member holds; zlib compares checksum and length when it reaches their end.

    Python's gzip module would go on with a second member and skip zeros: another content, one checksum.
    """
    inflate = zlib.decompressobj(_GZIP_WINDOW)
    while not inflate.eof:
        piece = inflate.decompress(packed, CHUNK)
        if piece:
            yield piece
        elif not packed:
            raise EOFError("its gzip data end early")
        packed = inflate.unconsumed_tail or file.read(CHUNK)
    if inflate.unused_data or packed:
        raise EOFError("something follows its gzip data")


def content_limit(path: Path) -> int:
    """The most content, in bytes, that a file of this length on disk is trusted with."""
    with explained_errors(path):
        if not path.is_file():  # opening a pipe would wait for ever, /dev/zero has no end
            found = "is not a file" if path.exists() else "does not exist"
            raise DataError(f"{path} {found}; expected a file of images or labels")
        return min(LARGEST, max(SMALL, RATIO * path.stat().st_size))


def check_claim(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise DataError(f"{path}: claims to hold {size:,} bytes; a file of its length may hold {limit:,}")


@contextlib.contextmanager
def explained_errors(path: Path) -> Iterator[None]:
    """Turn what damaged and unreadable files raise inside into a DataError that names the file."""
    try:
        yield
    except _BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{path}: cannot be read ({reason}); fetch or copy it again") from error
