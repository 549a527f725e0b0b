"""Read IDX files, the format in which MNIST was published.

An IDX file contains one array:
    bytes 0 and 1    zero
    byte 2           type of the values; see TYPE_NAMES
    byte 3           number of dimensions
    4 bytes each     the dimensions, as big-endian unsigned integers
    the rest         the values, big-endian, in C order

Source: http://yann.lecun.com/exdb/mnist (kept by the Internet Archive).
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

from digits.data.formats.content import GZIP, check_claim, content_limit, looks_like, read_content
from digits.data.formats.npy import MOST_DIMENSIONS
from digits.errors import DataError

# Types that can be read here. MNIST's files have unsigned bytes, QMNIST's tables have 32-bit integers.
IDX_DTYPES: dict[int, np.dtype[Any]] = {0x08: np.dtype(">u1"), 0x0C: np.dtype(">i4")}
TYPE_NAMES = {  # all types of the format, for error messages
    0x08: "unsigned byte",
    0x09: "signed byte",
    0x0B: "short",
    0x0C: "int",
    0x0D: "float",
    0x0E: "double",
}


@dataclass(frozen=True, eq=False)
class IdxFile:
    """The array in an IDX file and the SHA-256 of the file."""

    array: npt.NDArray[Any]  # uint8 or int32, 1 to 4 dimensions, writable, in this machine's byte order
    sha256: str  # digest of the decompressed content with its header, to compare it with a published file


def read_idx(path: Path) -> IdxFile:
    """Read an IDX file, raw or compressed with gzip.

    Args:
        path: The file; its name does not matter.
    Returns:
        Array, uint8 or int32 with 1 to 4 dimensions; SHA-256 of the decompressed file.
    Raises:
        DataError: if the file is damaged or empty, or has values of another type.
    """
    limit = content_limit(path)
    content = bytearray()  # grows only with the bytes read, so a header with a wrong size needs no memory
    with contextlib.closing(read_content(path, limit)) as chunks:
        _fill(content, 4, chunks)
        dtype, dimensions = _parse_type(path, content)
        start = 4 + 4 * dimensions
        _fill(content, start, chunks)
        shape = _parse_shape(path, content, dimensions)
        size = start + math.prod(shape) * dtype.itemsize
        check_claim(path, size, limit)
        _fill(content, size + 1, chunks)  # one byte more than expected, to notice a file that is too long
    if len(content) != size:
        found = "more" if len(content) > size else f"only {len(content):,} bytes"
        raise DataError(
            f"{path}: its header {shape} requires {size:,} bytes, but there are {found}; fetch it again"
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    native = array.astype(dtype.newbyteorder("="), copy=False)
    return IdxFile(native, hashlib.sha256(content).hexdigest())


def idx_sha256(array: npt.NDArray[np.uint8] | npt.NDArray[np.int32]) -> str:
    """Compute the SHA-256 of an array stored as an IDX file.

    The digest can be compared with the published digests of MNIST's files.

    Args:
        array: uint8 or int32, any shape.
    Returns:
        64 lower-case hexadecimal digits.
    """
    big_endian = array.dtype.newbyteorder(">")
    code = next(code for code, dtype in IDX_DTYPES.items() if dtype == big_endian)
    digest = hashlib.sha256(struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape))
    digest.update(np.ascontiguousarray(array, big_endian).reshape(-1).data)
    return digest.hexdigest()


def _fill(content: bytearray, size: int, chunks: Iterator[bytes]) -> None:
    """Append chunks to `content` until it has `size` bytes.

    Args:
        content: The bytes read so far; it is changed.
        size: Wanted number of bytes. There may be more or, at the end, fewer.
        chunks: The next pieces of the file.
    """
    while len(content) < size and (chunk := next(chunks, None)) is not None:
        content += chunk


def _parse_type(path: Path, content: bytes | bytearray) -> tuple[np.dtype[Any], int]:
    """Parse the first four bytes of an IDX file.

    Returns:
        The big-endian type of the values, and the number of dimensions, 1 to 4.
    Raises:
        DataError: if these bytes are missing or not allowed.
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        found = looks_like(content)
        what = f" but {found}, so fetch it again" if found else ""
        if content[:2] == GZIP:
            what = f" but {found}; decompress it once, for example with gunzip"
        raise DataError(
            f"{path}: not an IDX file{what}; it starts with {bytes(content[:4])!r},"
            " expected two zero bytes, the type and the number of dimensions"
        )
    code, dimensions = content[2], content[3]
    if code not in IDX_DTYPES:
        raise DataError(
            f"{path}: IDX type 0x{code:02X} ({TYPE_NAMES.get(code, 'unknown')}),"
            " expected 0x08 (unsigned byte) or 0x0C (int)"
        )
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise DataError(f"{path}: {dimensions} dimensions, expected 1 to {MOST_DIMENSIONS}")
    return IDX_DTYPES[code], dimensions


def _parse_shape(path: Path, content: bytes | bytearray, dimensions: int) -> tuple[int, ...]:
    """Parse the shape of the array in an IDX file.

    Args:
        path: The file, for error messages.
        content: The first bytes of the file, including its header.
        dimensions: Number of dimensions.
    Raises:
        DataError: if `content` is too short or a dimension is 0.
    """
    if len(content) < 4 + 4 * dimensions:
        raise DataError(f"{path}: ends after {len(content)} bytes, inside its header; fetch it again")
    shape: tuple[int, ...] = struct.unpack_from(f">{dimensions}I", content, 4)
    if 0 in shape:
        raise DataError(f"{path}: contains no values, its dimensions are {shape}; expected no zero")
    return shape
