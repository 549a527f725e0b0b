"""Files of images and labels become arrays, or a DataError says what is wrong with them.

Nothing a file says about itself is believed. Lengths are compared with what is really there before memory
is asked for, checksums inside gzip and zip are verified, every value is checked, and nothing loaded is
executed. A file of n bytes may unpack to `max(SMALL, RATIO * n)` bytes and no more; that bounds what a
hostile one costs in memory and time.
"""

import contextlib
import csv
import hashlib
import itertools
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from digits.errors import DataError

SIDE = 28  # px; every MNIST-like picture is a square of this side
CLASSES = 10  # labels are 0 to 9
COLUMNS = SIDE * SIDE + 1  # of a CSV file: one picture and its label in a row

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

# http://yann.lecun.com/exdb/mnist (kept by the Internet Archive): two zero bytes, the type, the number of
# dimensions, each dimension as a big-endian unsigned 32-bit number, then the values in C order.
_IDX_TYPES: dict[int, np.dtype[Any]] = {0x08: np.dtype(">u1"), 0x0C: np.dtype(">i4")}
_IDX_NAMES = {
    0x08: "unsigned byte",
    0x09: "signed byte",
    0x0B: "short",
    0x0C: "int",
    0x0D: "float",
    0x0E: "double",
}
_DIMENSIONS = 4  # (N, 28, 28, 1) needs them all
_NPY_HEADER = 10_000  # bytes; NumPy believes no longer one either

_NPZ_LAYOUTS: tuple[dict[str, tuple[str, str]], ...] = (
    {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},  # Keras
    {"train": ("train_images", "train_labels"), "test": ("test_images", "test_labels")},
    {"all": ("x", "y")},
    {"all": ("images", "labels")},
)
_GREYS = frozenset(range(256))  # finds 7.0 at once, where a range compares one by one
_LABEL_NAMES = {"label", "labels", "class", "target", "digit", "y"}  # of a CSV column, in any case


@dataclass(frozen=True, eq=False)
class IdxFile:
    """An IDX file's array and the SHA-256 of its decompressed content, header included."""

    array: npt.NDArray[Any]  # uint8 or int32, writable, this machine's byte order
    sha256: str


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and what they show, checked: equally many of both, at least one."""

    images: npt.NDArray[np.uint8]  # (N, 28, 28), white ink 255 on black 0; writable when read from a file
    labels: npt.NDArray[np.uint8]  # (N,), 0 to 9


def read_idx(path: Path) -> IdxFile:
    """The array in an IDX file, raw or gzip (told by its content, not by its name).

    1 to 4 dimensions, none of them zero, of unsigned bytes (MNIST) or 32-bit integers (QMNIST). Raises
    DataError unless the file is exactly as long as its header says and any gzip checksum is right.
    """
    limit = _limit(path)
    content = bytearray()  # grows with what is really read, never to what is merely claimed
    with contextlib.closing(_content(path, limit)) as chunks:
        _fill(content, 4, chunks)
        dtype, dimensions = _idx_type(path, content)
        start = 4 + 4 * dimensions
        _fill(content, start, chunks)
        shape = _idx_shape(path, content, dimensions)
        size = start + math.prod(shape) * dtype.itemsize
        _check_claim(path, size, limit)
        _fill(content, size + 1, chunks)  # the one byte too many would show itself
    if len(content) != size:
        found = "more" if len(content) > size else f"only {len(content):,} bytes"
        raise DataError(
            f"{path}: its header {shape} promises {size:,} bytes, there are {found}: fetch it again"
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    native = array.astype(dtype.newbyteorder("="), copy=False)
    return IdxFile(native, hashlib.sha256(content).hexdigest())


def idx_sha256(array: npt.NDArray[np.uint8] | npt.NDArray[np.int32]) -> str:
    """The SHA-256 an IDX file of this array would have, whichever format the array came in.

    Compares images out of an npz or CSV file with the published checksums of MNIST's IDX files.
    """
    big_endian = array.dtype.newbyteorder(">")
    code = next(code for code, dtype in _IDX_TYPES.items() if dtype == big_endian)
    digest = hashlib.sha256(struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape))
    digest.update(np.ascontiguousarray(array, big_endian).reshape(-1).data)
    return digest.hexdigest()


def _fill(content: bytearray, size: int, chunks: Iterator[bytes]) -> None:
    """Append chunks until `content` has `size` bytes or the file has ended."""
    while len(content) < size and (chunk := next(chunks, None)) is not None:
        content += chunk


def _idx_type(path: Path, content: bytes | bytearray) -> tuple[np.dtype[Any], int]:
    """The type of the values and the number of dimensions, from the first four bytes."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(
            f"{path}: not an IDX file; it starts with {bytes(content[:4])!r},"
            " expected two zero bytes, the type and the number of dimensions"
        )
    code, dimensions = content[2], content[3]
    if code not in _IDX_TYPES:
        raise DataError(
            f"{path}: IDX type 0x{code:02X} ({_IDX_NAMES.get(code, 'unknown')}),"
            " expected 0x08 (unsigned byte) or 0x0C (int)"
        )
    if not 1 <= dimensions <= _DIMENSIONS:
        raise DataError(f"{path}: {dimensions} dimensions, expected 1 to {_DIMENSIONS}")
    return _IDX_TYPES[code], dimensions


def _idx_shape(path: Path, content: bytes | bytearray, dimensions: int) -> tuple[int, ...]:
    if len(content) < 4 + 4 * dimensions:
        raise DataError(f"{path}: ends after {len(content)} bytes, inside its header: fetch it again")
    shape: tuple[int, ...] = struct.unpack_from(f">{dimensions}I", content, 4)
    if 0 in shape:
        raise DataError(f"{path}: holds nothing, its dimensions are {shape}; expected none of them zero")
    return shape


def read_npz(path: Path) -> dict[str, LabelledImages]:
    """The sets in a NumPy archive, by part: "train" and/or "test", or "all" if it is not divided.

    Known are Keras' names (x_train, y_train, x_test, y_test), train_images, train_labels, test_images,
    test_labels, and for one set x, y or images, labels, in any case; other members are not opened.
    Values as `check_pair` has them. Pickled objects are refused unread.
    """
    limit = _limit(path)
    with _explained(path):
        archive = zipfile.ZipFile(path)
    with archive:
        members = _npz_members(path, archive)
        pairs = _npz_pairs(path, set(members))
        wanted = {name: members[name] for name in itertools.chain(*pairs.values())}
        _check_claim(path, sum(member.file_size for member in wanted.values()), limit)
        sources = {name: f"{path}: {name}" for name in wanted}
        return {
            part: check_pair(
                _npy_array(_member(path, archive, members[images]), sources[images]),
                _npy_array(_member(path, archive, members[labels]), sources[labels]),
                sources[images],
                sources[labels],
            )
            for part, (images, labels) in pairs.items()
        }


def _npz_members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries by array name in lower case."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy").casefold()
        if name in members:
            raise DataError(f"{path}: holds {name[:40]!r} twice, expected each name once")
        members[name] = member
    return members


def _npz_pairs(path: Path, names: set[str]) -> dict[str, tuple[str, str]]:
    """The names of images and labels by part, of the one layout whose names occur."""
    layouts = [layout for layout in _NPZ_LAYOUTS if names.intersection(itertools.chain(*layout.values()))]
    if len(layouts) != 1:
        listed = ", ".join(sorted(name[:40] for name in names)[:10])
        raise DataError(
            f"{path}: holds {listed or 'nothing'}; expected x_train, y_train, x_test, y_test, or x and y"
        )
    pairs = {part: pair for part, pair in layouts[0].items() if names.intersection(pair)}
    missing = set(itertools.chain(*pairs.values())) - names
    if missing:
        raise DataError(f"{path}: {', '.join(missing)} is missing; expected images and labels in pairs")
    return pairs


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytearray:
    """A zip entry's content, at most as long as it states; zipfile compares its checksum at the end."""
    if member.flag_bits & 0x1:  # APPNOTE.TXT, section 4.4.4
        raise DataError(f"{path}: {member.filename[:40]!r} is encrypted, expected a file that np.savez wrote")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # LZMA may ask for 4 GB of memory before its first byte, bzip2 packs a million bytes into one
        raise DataError(
            f"{path}: {member.filename[:40]!r} is compressed by method {member.compress_type},"
            " expected 0 (stored) or 8 (deflated), as np.savez writes"
        )
    content = bytearray()
    with _explained(path), archive.open(member) as file:
        while chunk := file.read(CHUNK):
            content += chunk
    return content


def _npy_array(content: bytearray, name: str) -> npt.NDArray[Any]:
    """The array in an .npy file; its header, a Python dictionary, is searched and never evaluated.

    Format versions 1 to 3: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    if content[:6] != b"\x93NUMPY":
        raise DataError(f"{name}: not an array; it starts with {bytes(content[:6])!r}, expected '\\x93NUMPY'")
    width = 2 if content[6:7] == b"\x01" else 4  # bytes of the header's length, more since version 2
    start = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    header = bytes(content[8 + width : min(start, _NPY_HEADER)])
    dtype = re.search(rb"'descr'\s*:\s*'([<>|=]?(?:[iu][1248]|f[248]))'", header)
    order = re.search(rb"'fortran_order'\s*:\s*(True|False)", header)
    shape = re.search(rb"'shape'\s*:\s*\(([\d\s,L]*)\)", header)  # Python 2 wrote 60000L
    if not (dtype and order and shape):
        found = re.sub(rb"\s+", b" ", header[:80]).decode("ascii", "replace")
        raise DataError(f"{name}: its header is {found!r}; expected plain whole numbers or floats")
    values = np.dtype(dtype[1].decode())
    dimensions = tuple(int(number) for number in re.findall(rb"\d{1,20}", shape[1]))
    size = start + math.prod(dimensions) * values.itemsize
    if len(content) != size or not 1 <= len(dimensions) <= _DIMENSIONS or 0 in dimensions:
        raise DataError(
            f"{name}: {len(content):,} bytes, expected {size:,} for a shape of {dimensions}, 1 to 4 numbers"
        )
    flat = np.frombuffer(content, values, offset=start)
    return flat.reshape(dimensions, order="F" if order[1] == b"True" else "C")


def read_csv(path: Path, label_column: Literal["first", "last"] | None = None) -> LabelledImages:
    """The images in a CSV file, plain or gzip: 785 columns, 784 pixels row by row and a label.

    Cells are whole numbers (7, "7" and 7.0 alike), separated by commas, semicolons or tabs. The label's
    column is `label_column`, or the one the header line calls label, class, target, digit or y (in any
    case). Without either it is the first or last column, whichever alone holds 0 to 9 and not only 0:
    border pixels, the other columns there, are 0 throughout or come in all greys. Raises DataError if
    that does not decide, and for any other cell or length of row, naming line and column.
    """
    table = bytearray()  # rows of COLUMNS bytes; grows without keeping a second copy
    with contextlib.closing(_line_blocks(path)) as blocks:
        block = next(blocks, [])
        separator = max(",;\t", key=block[0].count) if block else ","
        header = _csv_header(_cells(block[0], separator)) if block else []
        first = 1 + bool(header)  # the number of the first line with data
        number = first
        for lines in itertools.chain([block[bool(header) :]], blocks):
            if lines:
                table += _csv_rows(path, lines, separator, number).tobytes()
                number += len(lines)
    if not table:
        raise DataError(f"{path}: has no rows; expected {COLUMNS} columns, 784 pixels and a label")
    rows = np.frombuffer(table, np.uint8).reshape(-1, COLUMNS)
    column = _label_index(path, rows, header, label_column)
    labels = rows[:, column].copy()
    if labels.max() >= CLASSES:
        row = int(np.argmax(labels >= CLASSES))
        raise DataError(
            f"{path}, line {first + row}, column {column + 1}: label {labels[row]}, expected 0 to 9"
        )
    return check_pair(np.delete(rows, column, axis=1), labels, path, path)


def _line_blocks(path: Path) -> Generator[list[str], None, None]:
    """The lines of a text file without their ends, some at a time; blank lines at its end are left out.

    What is not ASCII becomes U+FFFD, which no number contains.
    """
    rest = b""
    with contextlib.closing(_content(path, _limit(path))) as chunks:
        for chunk in chunks:
            rest = rest + chunk if rest else chunk.removeprefix(b"\xef\xbb\xbf")  # the byte-order mark
            complete = rest.rstrip(b"\r\n ").rfind(b"\n") + 1  # keep what may be blank lines at the end
            if complete:
                yield _lines(rest[: complete - 1])
            rest = rest[complete:]
            if len(rest) > 4 * CHUNK:
                raise DataError(f"{path}: a line longer than {4 * CHUNK:,} bytes; expected a CSV file")
    if rest := rest.rstrip(b"\r\n "):
        yield _lines(rest)


def _lines(text: bytes) -> list[str]:
    return text.decode("ascii", "replace").replace("\r\n", "\n").split("\n")


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a stray carriage return, an endless cell: whatever it is, not the right columns
        return [line]


def _csv_header(cells: list[str]) -> list[str]:
    """The columns' names if the cells are a header, else nothing: they name a label or hold no number."""
    names = [cell.strip().casefold() for cell in cells]
    named = bool(_LABEL_NAMES.intersection(names)) or not any(_number(name) is not None for name in names)
    return names if named and len(names) == COLUMNS else []


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _csv_rows(path: Path, lines: list[str], separator: str, number: int) -> npt.NDArray[np.uint8]:
    """Lines, of which the first has this number in the file, as (len(lines), COLUMNS)."""
    if all(map(str.strip, lines)):  # loadtxt would skip blank ones
        with contextlib.suppress(ValueError):  # ragged, or a cell is no number
            cells = np.loadtxt(lines, delimiter=separator, quotechar='"', comments=None, ndmin=2)
            with np.errstate(invalid="ignore"):
                greys = cells.astype(np.uint8)
            if greys.shape == (len(lines), COLUMNS) and np.array_equal(greys, cells):  # whole, 0 to 255
                return greys
    raise _csv_culprit(path, lines, separator, number)


def _csv_culprit(path: Path, lines: list[str], separator: str, number: int) -> DataError:
    """What is wrong with the first wrong line: the slow way, for when it is known that one is."""
    for count, line in enumerate(lines, number):
        cells = _cells(line, separator)
        if len(cells) != COLUMNS:
            return DataError(
                f"{path}, line {count}: {len(cells)} columns, expected {COLUMNS} (784 pixels and a label)"
            )
        for column, cell in enumerate(cells, 1):
            if _number(cell) not in _GREYS:
                return DataError(
                    f"{path}, line {count}, column {column}: {cell[:20]!r},"
                    " expected a whole number from 0 to 255"
                )
    return DataError(f"{path}: lines {number} to {number + len(lines) - 1} are not rows of plain numbers")


def _label_index(
    path: Path, rows: npt.NDArray[np.uint8], header: list[str], label_column: Literal["first", "last"] | None
) -> int:
    """Which column holds the labels, by the rules of `read_csv`."""
    first, last = 0, COLUMNS - 1
    if label_column is not None:
        return first if label_column == "first" else last
    named = [index for index, name in enumerate(header) if name in _LABEL_NAMES]
    likely = named or [index for index in (first, last) if 0 < rows[:, index].max() < CLASSES]
    if len(likely) != 1:
        raise DataError(
            f"{path}: cannot tell which column holds the labels; expected one called 'label' in a header"
            " line, or either the first or the last column alone to hold 0 to 9"
        )
    return likely[0]


def check_pair(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], images_from: str | Path, labels_from: str | Path
) -> LabelledImages:
    """Arrays from anywhere as checked bytes; the last two arguments name them in errors.

    Images as (N, 28, 28), (N, 784), (N, 28, 28, 1) or (N, 1, 28, 28): whole numbers from 0 to 255, or floats
    from 0 to 1 that are multiples of 1/255. Labels as (N,) or (N, 1): whole numbers from 0 to 9. Bytes of
    the right shape are not copied.
    """
    layouts = {(SIDE, SIDE), (SIDE * SIDE,), (SIDE, SIDE, 1), (1, SIDE, SIDE)}
    if images.shape[1:] not in layouts:
        raise DataError(f"{images_from}: images of shape {images.shape}, expected (N, 28, 28)")
    if labels.ndim == 0 or labels.shape[1:] not in {(), (1,)}:
        raise DataError(f"{labels_from}: labels of shape {labels.shape}, expected (N,)")
    if not 0 < len(images) == len(labels):
        raise DataError(
            f"{images_from} has {len(images):,} images and {labels_from} {len(labels):,} labels;"
            " expected equally many, at least one"
        )
    greys = _to_bytes(images, 255, f"{images_from}: pixels")
    digits = _to_bytes(labels, CLASSES - 1, f"{labels_from}: labels")
    return LabelledImages(greys.reshape(-1, SIDE, SIDE), digits.reshape(-1))


def _to_bytes(array: npt.NDArray[Any], top: int, name: str) -> npt.NDArray[np.uint8]:
    """Whole numbers from 0 to `top` as uint8; where `top` is white, floats from 0 to 1 are scaled to it."""
    expected = f"expected whole numbers from 0 to {top}" + (
        " or multiples of 1/255 to 1" if top == 255 else ""
    )
    if array.dtype.kind not in "iuf":
        raise DataError(f"{name} of type {array.dtype}, {expected}")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= top):  # neither is true of NaN
        raise DataError(f"{name} from {low} to {high}, {expected}")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    scaled = array.dtype.kind == "f" and top == 255 and high <= 1
    greys = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), 1000):  # a set of float64 is large enough without a second copy
        exact = array[start : start + 1000].astype(np.float64) * (255 if scaled else 1)
        greys[start : start + 1000] = np.rint(exact)
        error = np.abs(exact - greys[start : start + 1000]).max()
        if error > (0.1 if scaled else 0):  # float16 keeps multiples of 1/255 to 0.06 greys
            raise DataError(f"{name} between whole numbers, {expected}")
    return greys


def _content(path: Path, limit: int) -> Generator[bytes, None, None]:
    """The content of a file, decompressed if it is gzip, in pieces of at most CHUNK bytes.

    Raises DataError for more than `limit` bytes, and if a file that starts as gzip is anything but one
    member with a right checksum.
    """
    total = 0
    with _explained(path), path.open("rb") as file:
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


def _limit(path: Path) -> int:
    """The most content, in bytes, that a file of this length on disk is trusted with."""
    with _explained(path):
        if not path.is_file():  # opening a pipe would wait for ever, /dev/zero has no end
            found = "is not a file" if path.exists() else "does not exist"
            raise DataError(f"{path} {found}; expected a file of images or labels")
        return min(LARGEST, max(SMALL, RATIO * path.stat().st_size))


def _check_claim(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise DataError(f"{path}: claims to hold {size:,} bytes; a file of its length may hold {limit:,}")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what damaged and unreadable files raise inside into a DataError that names the file."""
    try:
        yield
    except _BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{path}: cannot be read ({reason}); fetch or copy it again") from error
