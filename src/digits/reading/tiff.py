"""Check the structure of a TIFF, and leave out what is not needed to decode its first page.

Source of all numbers: TIFF 6.0, and for files with 64-bit offsets, BigTIFF.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from digits.reading.containers import ORIENTATION, UPRIGHT, BadFileError, Container, inflated_size
from digits.reading.timed_file import TimedFile

_WIDTH, _HEIGHT, _COMPRESSION, _STRIPS, _STRIP_SIZES = 256, 257, 259, 273, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES = 322, 323, 324, 325
# What the pixels are and where: size, bits, colours, palette, strips, tiles, tables of JPEG.
_PIXEL_TAGS = {
    *(_WIDTH, _HEIGHT, 258, _COMPRESSION, 262, 266, _STRIPS, 277, 278, _STRIP_SIZES, 284, 292, 293, 317, 320),
    *(_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, 338, 339, 347, 530, 531, 532),
}
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # type of a value -> its letter in `struct`
_UNCOMPRESSED, _DEFLATE = 1, (8, 32946)
# Uncompressed, three fax codes, LZW, JPEG, deflate, PackBits. Others are rare, and their decoders had
# security holes.
_COMPRESSIONS = {_UNCOMPRESSED, 2, 3, 4, 5, 7, *_DEFLATE, 32773}
MAX_TAGS = 1_000  # generous limit; cameras write about 60
MAX_PARTS = 100_000  # generous limit for strips and tiles: every row of the highest picture, in four colours
MAX_PIXELS = 200_000_000  # bytes; 25 million pixels of 8 bytes; larger pictures are not allowed
SMALL_TILE = 1 << 20  # px; a tile up to this size may be larger than its picture


@dataclass(frozen=True)
class _Directory:
    """The first directory of a TIFF: its entries by tag, and whether another one follows."""

    content: bytes
    order: str  # "<" or ">"
    big: bool  # 64-bit offsets
    entries: dict[int, bytes]
    more: bool

    def integers(self, tag: int) -> Sequence[int]:
        """Return the values of a tag; none if it is missing or has no integers.

        Raises:
            BadFileError: if they lie outside the file.
        """
        entry = self.entries.get(tag, b"")
        if not entry:
            return ()
        _, kind, count = struct.unpack_from(self.order + ("HHQ" if self.big else "HHI"), entry)
        letter, place = _INTEGERS.get(kind), entry[12:] if self.big else entry[8:]
        if letter is None:
            return ()
        size, content, start = count * struct.calcsize("=" + letter), place, 0
        if size > len(place):
            content, (start,) = self.content, struct.unpack(self.order + ("Q" if self.big else "I"), place)
        if start + size > len(content):
            raise BadFileError("is cut off")
        return struct.unpack_from(f"{self.order}{count}{letter}", content, start)

    def integer(self, tag: int, default: int) -> int:
        """Return the only value of a tag."""
        return next(iter(self.integers(tag)), default)


def tiff(file: TimedFile) -> Container:
    """Keep of a TIFF the first page and the tags that describe its pixels.

    Raises:
        BadFileError: if the file is damaged or cut off, or its compression is rare.
    """
    directory = _first_directory(file.getvalue())
    compression = directory.integer(_COMPRESSION, _UNCOMPRESSED)
    if compression not in _COMPRESSIONS:
        raise BadFileError(f"has a rare compression (number {compression}); save it as PNG", kind="format")
    parts = _parts(directory)
    tile = directory.integer(_TILE_WIDTH, 1) * directory.integer(_TILE_HEIGHT, 1)
    if tile > max(SMALL_TILE, directory.integer(_WIDTH, 1) * directory.integer(_HEIGHT, 1)):
        raise BadFileError("has tiles larger than the picture")

    def compare_pixels() -> None:
        left = MAX_PIXELS if compression in _DEFLATE else 0
        for start, size in parts if left else ():
            left -= inflated_size(file.getvalue()[start : start + size], left, file)
            if left < 0:
                raise BadFileError("has more pixels than announced")

    return Container(
        _with_directory(directory),
        directory.integer(ORIENTATION, UPRIGHT),
        directory.more,
        compare_pixels,
        separately=compression != _UNCOMPRESSED,
    )


def _first_directory(content: bytes) -> _Directory:
    """Read the first directory of a TIFF."""
    order = "<" if content[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", content, 2) == (43,)
    offset, count_type, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    (start,) = struct.unpack_from(order + offset, content, 8 if big else 4)
    (count,) = struct.unpack_from(order + count_type, content, start)
    if count > MAX_TAGS:
        raise BadFileError(f"has {count:,} tags; at most {MAX_TAGS:,} are read", kind="limit")
    start += struct.calcsize(order + count_type)
    (following,) = struct.unpack_from(order + offset, content, start + count * size)
    entries: dict[int, bytes] = {}
    for place in range(start, start + count * size, size):
        (tag,) = struct.unpack_from(order + "H", content, place)
        entries.setdefault(tag, content[place : place + size])
    return _Directory(content, order, big, entries, following != 0)


def _parts(directory: _Directory) -> list[tuple[int, int]]:
    """Return start and size of each strip or tile.

    Raises:
        BadFileError: if there are too many, or one lies outside the file.
    """
    tiled = _TILES in directory.entries
    starts = directory.integers(_TILES if tiled else _STRIPS)
    if len(starts) > MAX_PARTS:
        raise BadFileError(f"has {len(starts):,} strips; at most {MAX_PARTS:,} are read", kind="limit")
    sizes = directory.integers(_TILE_SIZES if tiled else _STRIP_SIZES)
    if not sizes and len(starts) == 1:  # some old files leave out the size of the only strip
        sizes = (len(directory.content) - starts[0],)
    parts = list(zip(starts, sizes, strict=False))
    if len(parts) < len(starts) or any(start + size > len(directory.content) for start, size in parts):
        raise BadFileError("is cut off")
    return parts


def _with_directory(directory: _Directory) -> bytes:
    """Return the file with a directory at its end that has the tags of the pixels only."""
    order, big, content = directory.order, directory.big, directory.content
    entries = [entry for tag, entry in sorted(directory.entries.items()) if tag in _PIXEL_TAGS]
    start = len(content) + len(content) % 2  # directories begin at even places
    head = (
        content[:8] + struct.pack(order + "Q", start)
        if big
        else content[:4] + struct.pack(order + "I", start)
    )
    count = struct.pack(order + ("Q" if big else "H"), len(entries))
    return b"".join(
        (head, content[len(head) :].ljust(start - len(head), b"\0"), count, *entries, bytes(8 if big else 4))
    )
