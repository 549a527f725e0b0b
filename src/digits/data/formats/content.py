"""Read the bytes of a file up to a limit, and decompress gzip files.

The limit protects the memory. A small damaged or malicious gzip file can expand to many gigabytes.
"""

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from digits.errors import DataError

CHUNK = 1 << 18  # bytes read or decompressed at a time; larger pieces do not fit into the processor's cache
ALWAYS_ALLOWED = (
    64 << 20
)  # bytes of content that are always allowed, for any file (MNIST's images have 45 MiB)
RATIO = 100  # larger content is allowed up to 100 times the size of the file (MNIST: 5 times)
LARGEST = 2 << 30  # bytes; never more content than this (EMNIST, the largest similar data set, has 0.6 GB)
GZIP = b"\x1f\x8b"  # first two bytes of every gzip file (RFC 1952, section 2.3.1)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # Windows programs write these bytes at the start of UTF-8 text
KNOWN_STARTS = {  # first bytes of other formats, after decompressing once
    GZIP: "compressed twice with gzip",
    b"PK": "a zip archive",
    b"\x93NUMPY": "a single NumPy array",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8": "a JPEG picture",
}
GZIP_WINDOW = 31  # zlib's parameter for gzip: the largest window (15) plus 16 for gzip's header and checksum
# Exceptions that zlib, zipfile and the operating system raise for damaged and unreadable files.
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
    """Yield the content of a file in pieces.

    A gzip file is decompressed. The first two bytes of the file show its type.

    Args:
        path: The file; its name does not matter.
        limit: Largest number of bytes in total, from `content_limit`.
    Yields:
        Pieces of 1 to CHUNK bytes.
    Raises:
        DataError: if the content is too long, or the file is damaged or unreadable.
    """
    total = 0
    with explained_errors(path), path.open("rb") as file:
        head = file.read(CHUNK)
        for piece in _decompressed(head, file) if head.startswith(GZIP) else _raw(head, file):
            total += len(piece)
            if total > limit:
                raise DataError(
                    f"{path}: contains more than {limit:,} bytes, the limit for a file of its size; "
                    "expected a file of images or labels"
                )
            yield piece


def looks_like(head: bytes | bytearray) -> str:
    """Say what a file is that is not in the expected format.

    Args:
        head: The first bytes of its content, at least 20 if there are so many.
    Returns:
        Words for a message, such as "a web page"; empty if it is unknown.
    """
    if not head.strip():
        return "empty"
    if head.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"<"):
        return "a web page"
    return next((words for start, words in KNOWN_STARTS.items() if head.startswith(start)), "")


def _raw(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Yield the first piece `head`, then the rest of the file."""
    while head:
        yield head
        head = file.read(CHUNK)


def _decompressed(compressed: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Yield the decompressed content of a gzip file in pieces.

    Args:
        compressed: The first bytes of the file.
        file: The open file, positioned after these bytes.
    Yields:
        Pieces of 1 to CHUNK bytes.
    Raises:
        EOFError: if the data end early, or if other bytes follow them.
        zlib.error: if the data are damaged.
    """
    # zlib checks the checksum and the length at the end of the data. Python's gzip module also accepts a
    # second part and zeros after the data, so different files could have the same content.
    inflate = zlib.decompressobj(GZIP_WINDOW)
    while not inflate.eof:
        piece = inflate.decompress(compressed, CHUNK)
        if piece:
            yield piece
        elif not compressed:
            raise EOFError("its gzip data are incomplete")
        compressed = inflate.unconsumed_tail or file.read(CHUNK)
    if inflate.unused_data or compressed:
        raise EOFError("other bytes follow its gzip data")


def content_limit(path: Path) -> int:
    """Return the largest allowed size of a file after decompression.

    Args:
        path: The file. The limit depends on its size on disk.
    Returns:
        RATIO times the size on disk, but at least ALWAYS_ALLOWED and at most LARGEST bytes.
    Raises:
        DataError: if `path` does not exist or is not a regular file.
    """
    with explained_errors(path):
        if not path.is_file():  # reading a pipe could wait for ever, and /dev/zero never ends
            found = "is not a file" if path.exists() else "does not exist"
            raise DataError(f"{path} {found}; expected a file of images or labels")
        return min(LARGEST, max(ALWAYS_ALLOWED, RATIO * path.stat().st_size))


def check_claim(path: Path, size: int, limit: int) -> None:
    """Check that the content of a file is not too large.

    Args:
        path: The file, for the error message.
        size: Number of bytes that the header of the file states.
        limit: Largest allowed number of bytes, from `content_limit`.
    Raises:
        DataError: if `size` is larger than `limit`.
    """
    if size > limit:
        raise DataError(
            f"{path}: its header states {size:,} bytes of content; expected at most {limit:,} "
            "for a file of its size"
        )


@contextlib.contextmanager
def explained_errors(path: Path) -> Iterator[None]:
    """Convert READ_ERRORS into a DataError that names the file.

    Use it in a `with` block that reads the file.

    Args:
        path: The file, for the error message.
    Raises:
        DataError: if the `with` block raises one of READ_ERRORS.
    """
    try:
        yield
    except READ_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{path}: cannot be read ({reason}); fetch or copy it again") from error
