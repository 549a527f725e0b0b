"""Check the structure of a picture file, and leave out what is not needed to decode its pixels.

A decoder of Pillow answers damaged pixels with other pixels, not with an error. Where a format has checksums,
they are compared here. Texts, colour profiles, previews and comments are left out: they are not used, and are
what most hostile files are made of.
"""

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from digits.reading.timed_file import TimedFile

UPRIGHT = 1  # value of the EXIF tag "orientation": the picture is stored upright
ORIENTATION = 0x0112  # EXIF and TIFF tag: how the camera was held, 1 to 8
INFLATED_BLOCK = 1 << 20  # bytes that are decompressed at once


class BadFileError(Exception):
    """A picture file is damaged, of an unknown form or too large.

    Args:
        reason: End of a sentence that begins with the file's name.
        kind: As in PhotoError.
    """

    def __init__(self, reason: str, kind: Literal["format", "limit", "damaged"] = "damaged") -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class Container:
    """What is needed of a picture file.

    Attributes:
        content: The file, with nothing but what decoding needs.
        orientation: How the camera was held, value 1 to 8 of the EXIF tag; None: the decoder knows it.
        pages: True if the file has further pages or frames.
        compare_pixels: Compares the checksums of compressed pixels; raises BadFileError. Call it once the
            size of the picture is known to be allowed.
        separately: True if the file must be decoded in a process of its own.
    """

    content: bytes
    orientation: int | None = None
    pages: bool = False
    compare_pixels: Callable[[], None] = lambda: None
    separately: bool = False


# ------------------------------------------------------------------------------------------ PNG

PNG_START = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> numbers in a pixel; source: PNG 3, 11.2.1
MAX_CHUNKS = 250_000  # generous limit; a file of 25 MB in the usual chunks of 8 kB has 3,000
# First column, first row, step between columns and between rows of the seven passes; source: PNG 3, 8.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(file: TimedFile) -> Container:
    """Compare all checksums of a PNG, and keep the chunks with pixels, palette and transparency.

    Raises:
        BadFileError: if a checksum differs, or chunks or pixels are missing.
    """
    kept, pixels, orientation, pages, header = [PNG_START], [], UPRIGHT, False, b""
    whole, place = file.getvalue(), len(PNG_START)
    if whole[12:16] != b"IHDR":
        raise BadFileError("has no header of a PNG; save it again as PNG", kind="format")
    for _ in range(MAX_CHUNKS):
        file.check()
        start, place = place, place + 12 + int.from_bytes(whole[place : place + 4], "big")
        chunk = whole[start:place]  # length, kind, content, checksum
        if len(chunk) < max(12, place - start) or zlib.crc32(chunk[4:-4]) != int.from_bytes(
            chunk[-4:], "big"
        ):
            raise BadFileError("is cut off, or a checksum is wrong")
        kind, content = chunk[4:8], chunk[8:-4]
        if kind in _PIXEL_CHUNKS:
            kept.append(chunk)
        if kind == b"IHDR":
            header = content
        elif kind == b"IDAT":
            pixels.append(content)
        elif kind == b"eXIf":
            orientation = exif_orientation(content)
        elif kind == b"acTL":
            pages = content[:4] > b"\0\0\0\1"  # number of frames of an animation
        elif kind == b"IEND":  # what follows the end is no part of the picture
            break
    else:
        raise BadFileError(f"has more than {MAX_CHUNKS:,} chunks; save it again as PNG", kind="limit")

    def compare_pixels() -> None:
        size = _size_of_png(header)
        if inflated_size(b"".join(pixels), size, file) != size:
            raise BadFileError("has fewer or more pixels than announced")

    return Container(b"".join(kept), orientation, pages, compare_pixels)


def _size_of_png(header: bytes) -> int:
    """Return the number of bytes of the uncompressed pixels, from the content of the chunk IHDR."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS.get(colour, 0)
    parts = [
        (-(-max(0, width - left) // across), -(-max(0, height - top) // down))
        for left, top, across, down in (_PASSES if interlaced else ((0, 0, 1, 1),))
    ]
    # Each row has a byte for its filter; a pass without columns has no rows.
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in parts if columns)


def inflated_size(content: bytes, most: int, file: TimedFile) -> int:
    """Decompress a zlib stream without keeping the result, which compares its checksum.

    Args:
        content: The stream; bytes after its end are ignored.
        most: Size at which to stop, soon after it.
        file: The file that it comes from; its time limit holds.

    Returns:
        The number of decompressed bytes; more than `most` if it was stopped.

    Raises:
        BadFileError: if the stream is damaged or cut off.
    """
    stream, size = zlib.decompressobj(), 0
    try:
        while not stream.eof and size <= most:
            file.check()
            block = stream.decompress(content, INFLATED_BLOCK)
            content = stream.unconsumed_tail
            if not block and not content and not stream.eof:
                raise BadFileError("is cut off")
            size += len(block)
    except zlib.error as error:
        raise BadFileError("has damaged pixels") from error
    return size


# ------------------------------------------------------------------------------------------ JPEG

_APP0, _EXIF, _ADOBE, _APP15, _COMMENT, _SCAN, _END = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE, 0xDA, 0xD9
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers alone; source: ITU-T T.81, B.1.1.3
_MARKER = re.compile(rb"\xff+([^\xff\0])")  # bytes before a marker are skipped, as decoders do


def jpeg(file: TimedFile) -> Container:
    """Leave out previews, texts and profiles of a JPEG.

    Raises:
        BadFileError: if the file ends before its pixels.
    """
    whole = file.getvalue()
    kept, orientation, place = [whole[:2]], UPRIGHT, 2
    for _ in range(MAX_CHUNKS):
        file.check()
        found = _MARKER.search(whole, place)
        marker = found[1][0] if found else _END
        if found is None or marker == _END:
            raise BadFileError("ends before its pixels")
        if marker == _SCAN:
            return Container(b"".join((*kept, b"\xff", whole[found.start(1) :])), orientation)
        place = found.end()
        if marker in _WITHOUT_LENGTH:
            continue
        place += max(2, int.from_bytes(whole[place : place + 2], "big"))
        segment = whole[found.start(1) : place]  # marker, length, content
        if marker == _EXIF and segment[3:9] == b"Exif\0\0" and orientation == UPRIGHT:
            orientation = exif_orientation(segment[9:])
        # JFIF in APP0 and Adobe's APP14 say which colours the numbers mean.
        if marker == _ADOBE or not (_APP0 < marker <= _APP15 or marker == _COMMENT):
            kept += [b"\xff", segment]
    raise BadFileError(f"has more than {MAX_CHUNKS:,} segments; save it again as JPEG", kind="limit")


# ------------------------------------------------------------------------------------------ others


def ppm(file: TimedFile) -> Container:
    """Refuse a PPM whose header has far more comments or spaces than numbers.

    Raises:
        BadFileError: if the header does not end within PPM_HEADER bytes.
    """
    if not _PPM_SIZE.match(file.getvalue()[:PPM_HEADER]):
        raise BadFileError(f"has no size within its first {PPM_HEADER:,} bytes")
    return Container(file.getvalue())


def webp(file: TimedFile) -> Container:
    """Compare the length of a WebP with the announced one.

    Raises:
        BadFileError: if the file is shorter.
    """
    content = file.read()
    if int.from_bytes(content[4:8], "little") + 8 > len(content):
        raise BadFileError("is shorter than announced")
    return Container(content)


PPM_HEADER = 4096  # bytes; generous limit for comments
_PPM_SIZE = re.compile(rb"P\w(?:\s|#[^\r\n]*[\r\n])+\d+(?:\s|#[^\r\n]*[\r\n])+\d+\s")


def exif_orientation(exif: bytes) -> int:
    """Return the value of the tag "orientation" in the first directory of EXIF data; 1 if there is none.

    Args:
        exif: A TIFF header and what follows it.
    """
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return UPRIGHT
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, place)
            if tag == ORIENTATION:
                return int(value)
    except struct.error:  # the data is cut off
        pass
    return UPRIGHT
