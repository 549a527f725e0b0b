"""Read IDX files, MNIST's own format.

The format is described at http://yann.lecun.com/exdb/mnist (kept by the Internet Archive): two zero bytes, a
byte for the type of the values, a byte for the number of dimensions, each dimension as a big-endian unsigned
32-bit number, then the values in C order.
"""

import contextlib
import hashlib
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.data.formats.content import check_claim, content_limit, read_content
from digits.data.formats.npy import MOST_DIMENSIONS
from digits.errors import DataError

DTYPES: dict[int, np.dtype[Any]] = {0x08: np.dtype(">u1"), 0x0C: np.dtype(">i4")}  # the types read here
TYPE_NAMES = {
    0x08: "unsigned byte",
    0x09: "signed byte",
    0x0B: "short",
    0x0C: "int",
    0x0D: "float",
    0x0E: "double",
}


@dataclass(frozen=True, eq=False)
class IdxFile:
    """The array in an IDX file, and the digest by which the file is compared with a published one."""

    array: npt.NDArray[Any]  # uint8 or int32, writable, in this machine's byte order
    sha256: str  # of the decompressed content, header included


def read_idx(path: Path) -> IdxFile:
    """Read an IDX file, raw or gzip, whatever its name.

    It has 1 to 4 dimensions, none of them zero, of unsigned bytes (MNIST) or 32-bit integers (QMNIST).
    Raises DataError unless the file is exactly as long as its header says and a gzip checksum is right.
    """
    limit = content_limit(path)
    content = bytearray()  # grows with what is read; a header that claims more costs nothing
    with contextlib.closing(read_content(path, limit)) as chunks:
        _fill(content, 4, chunks)
        dtype, dimensions = _parse_type(path, content)
        start = 4 + 4 * dimensions
        _fill(content, start, chunks)
        shape = _parse_shape(path, content, dimensions)
        size = start + math.prod(shape) * dtype.itemsize
        check_claim(path, size, limit)
        _fill(content, size + 1, chunks)  # one more, so that a file that is too long is noticed
    if len(content) != size:
        found = "more" if len(content) > size else f"only {len(content):,} bytes"
        raise DataError(
            f"{path}: its header {shape} promises {size:,} bytes, there are {found}: fetch it again"
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    native = array.astype(dtype.newbyteorder("="), copy=False)
    return IdxFile(native, hashlib.sha256(content).hexdigest())


def idx_sha256(array: npt.NDArray[np.uint8] | npt.NDArray[np.int32]) -> str:
    """Return the SHA-256 that an IDX file of this array would have.

    With it, arrays from .npz and CSV files are compared with the published digests of MNIST's IDX files.
    """
    big_endian = array.dtype.newbyteorder(">")
    code = next(code for code, dtype in DTYPES.items() if dtype == big_endian)
    digest = hashlib.sha256(struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape))
    digest.update(np.ascontiguousarray(array, big_endian).reshape(-1).data)
    return digest.hexdigest()


def _fill(content: bytearray, size: int, chunks: Iterator[bytes]) -> None:
    """Append chunks until `content` has `size` bytes or the file has ended."""
    while len(content) < size and (chunk := next(chunks, None)) is not None:
        content += chunk


def _parse_type(path: Path, content: bytes | bytearray) -> tuple[np.dtype[Any], int]:
    """Return the type of the values and the number of dimensions, from the first four bytes."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(
            f"{path}: not an IDX file; it starts with {bytes(content[:4])!r},"
            " expected two zero bytes, the type and the number of dimensions"
        )
    code, dimensions = content[2], content[3]
    if code not in DTYPES:
        raise DataError(
            f"{path}: IDX type 0x{code:02X} ({TYPE_NAMES.get(code, 'unknown')}),"
            " expected 0x08 (unsigned byte) or 0x0C (int)"
        )
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise DataError(f"{path}: {dimensions} dimensions, expected 1 to {MOST_DIMENSIONS}")
    return DTYPES[code], dimensions


def _parse_shape(path: Path, content: bytes | bytearray, dimensions: int) -> tuple[int, ...]:
    """Return the shape of the array, from the bytes after the first four."""
    if len(content) < 4 + 4 * dimensions:
        raise DataError(f"{path}: ends after {len(content)} bytes, inside its header: fetch it again")
    shape: tuple[int, ...] = struct.unpack_from(f">{dimensions}I", content, 4)
    if 0 in shape:
        raise DataError(f"{path}: holds nothing, its dimensions are {shape}; expected none of them zero")
    return shape
