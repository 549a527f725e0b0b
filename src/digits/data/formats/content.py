"""Read the content of a file of unknown origin, decompressed if it is gzip, and limited in size."""

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from digits.errors import DataError

CHUNK = 1 << 18  # bytes read or decompressed at a time; larger pieces no longer fit the processor's cache
SMALL = 64 << 20  # bytes of content that a file of any length may have (MNIST's images: 45 MiB)
RATIO = 100  # beyond that, content may be 100 times as long as the file (MNIST: 5 times)
LARGEST = 2 << 30  # bytes of content at most; the largest data set of this kind, EMNIST, has 0.6 GB
GZIP = b"\x1f\x8b"  # first bytes of a gzip file (RFC 1952, section 2.3.1)
GZIP_WINDOW = 31  # zlib: the largest window (15), in a gzip header and with its checksum (+ 16)
# What zlib, zipfile and the operating system raise for damaged and unreadable files.
READ_ERRORS = (
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
    """Yield the content of a file, decompressed if it is gzip, in pieces of at most CHUNK bytes.

    Raises DataError if there are more than `limit` bytes, and if a gzip file is damaged or followed by
    anything.
    """
    total = 0
    with explained_errors(path), path.open("rb") as file:
        head = file.read(CHUNK)
        for piece in _decompressed(head, file) if head.startswith(GZIP) else _as_it_is(head, file):
            total += len(piece)
            if total > limit:
                raise DataError(f"{path}: holds more than the {limit:,} bytes that a file of its size may")
            yield piece


def _as_it_is(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    while head:
        yield head
        head = file.read(CHUNK)


def _decompressed(compressed: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of one gzip member; zlib compares checksum and length when it reaches their end.

    Python's gzip module would continue with a second member and skip zeros, so that files of different
    content had the same digest.
    """
    inflate = zlib.decompressobj(GZIP_WINDOW)
    while not inflate.eof:
        piece = inflate.decompress(compressed, CHUNK)
        if piece:
            yield piece
        elif not compressed:
            raise EOFError("its gzip data end early")
        compressed = inflate.unconsumed_tail or file.read(CHUNK)
    if inflate.unused_data or compressed:
        raise EOFError("something follows its gzip data")


def content_limit(path: Path) -> int:
    """Return how many bytes of content a file of this length on disk may have.

    Raises DataError if `path` is not a regular file.
    """
    with explained_errors(path):
        if not path.is_file():  # opening a pipe would wait for ever, and /dev/zero has no end
            found = "is not a file" if path.exists() else "does not exist"
            raise DataError(f"{path} {found}; expected a file of images or labels")
        return min(LARGEST, max(SMALL, RATIO * path.stat().st_size))


def check_claim(path: Path, size: int, limit: int) -> None:
    """Raise DataError if a file's header claims more bytes of content than its limit."""
    if size > limit:
        raise DataError(f"{path}: claims to hold {size:,} bytes; a file of its length may hold {limit:,}")


@contextlib.contextmanager
def explained_errors(path: Path) -> Iterator[None]:
    """Turn the exceptions that damaged and unreadable files cause into a DataError that names the file."""
    try:
        yield
    except READ_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{path}: cannot be read ({reason}); fetch or copy it again") from error
