"""Picture files that cost far more than they weigh, made in code: bombs, and loops for decoders.

`HOSTILE_FILES` has a function for each, which returns the bytes of the file. Each file is read or refused
within two seconds of one processor core and 400 MB of memory.
"""

import struct
import zlib
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from PIL import Image

from support.hostile import chunk, png, saved, seven

SMALL = saved(seven(mode="RGB"), "JPEG")
MEGABYTE = 1_000_000
Tags: TypeAlias = dict[int, tuple[int, ...]]


def flat(mode: str, width: int, height: int, colour: int | tuple[int, ...] = 255) -> Image.Image:
    """Return an image of one colour."""
    return Image.new(mode, (width, height), colour)


def many_scans(side: int = 5000, count: int = 2000) -> bytes:
    """Return a progressive JPEG whose last scan is repeated; each repetition visits all pixels."""
    good = saved(flat("L", side, side, 128), "JPEG", progressive=True)
    last = good.rindex(b"\xff\xda")
    return good[:last] + good[last:-2] * count + good[-2:]


def segments(marker: int, content: bytes, count: int) -> bytes:
    """Return a JPEG with `count` equal segments before its tables."""
    segment = bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
    return SMALL[:2] + segment * count + SMALL[2:]


def rle_bmp(codes: bytes, width: int = 5000, height: int = 5000) -> bytes:
    """Return a BMP of 8 bits that is compressed by run lengths."""
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(codes), 0, 0, 256, 0)
    start = 14 + len(header) + len(palette)
    return struct.pack("<2sIII", b"BM", start + len(codes), 0, start) + header + palette + codes


def empty_webp(width: int = 16_383, height: int = 1525) -> bytes:
    """Return 34 bytes: a WebP without loss that claims a size and has no pixels."""
    size = struct.pack("<I", (width - 1) | (height - 1) << 14)
    pixels = b"VP8L" + struct.pack("<I", 13) + b"\x2f" + size + bytes(9)
    return b"RIFF" + struct.pack("<I", 4 + len(pixels)) + b"WEBP" + pixels


def tiff(tags: Tags, data: bytes, more: int = 0) -> bytes:
    """Return a TIFF with these tags, each of 32-bit integers; strips and tiles begin at byte 8.

    `more` further tags are added, of which nobody knows the meaning.
    """
    directory = struct.pack("<H", len(tags) + more)
    start, place = 8 + len(data), 8 + len(data) + 2 + 12 * (len(tags) + more) + 4
    long = b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        directory += struct.pack("<HHI", tag, 4, len(values))
        directory += packed if len(values) == 1 else struct.pack("<I", place + len(long))
        long += packed if len(values) > 1 else b""
    directory += b"".join(struct.pack("<HHII", 40_000 + i % 20_000, 4, 1, 0) for i in range(more))
    return struct.pack("<2sHI", b"II", 42, start) + data + directory + bytes(4) + long


def grey_tiff(width: int, height: int, compression: int, data: bytes) -> Tags:
    """Return the tags of a grey TIFF of one strip."""
    size: Tags = {256: (width,), 257: (height,), 258: (8,), 259: (compression,), 262: (1,)}
    return size | {273: (8,), 277: (1,), 278: (height,), 279: (len(data),)}


def fax(bits: int = 100_000, width: int = 1728, height: int = 20_000) -> bytes:
    """Return a TIFF of random bits as Group 3 fax; libtiff complains of each line."""
    data = np.random.default_rng(0).bytes(bits)
    return tiff(grey_tiff(width, height, 3, data) | {258: (1,), 262: (0,)}, data)


def many_strips(count: int = 1_000_000) -> bytes:
    """Return an uncompressed TIFF with a million strips, all at the same place."""
    data = bytes(5000)
    tags = grey_tiff(5000, 5000, 1, data) | {278: (1,), 273: (8,) * count, 279: (5000,) * count}
    return tiff(tags, data)


def bomb_strips(count: int = 5000) -> bytes:
    """Return a TIFF whose strips are all the same deflate bomb."""
    data = zlib.compress(bytes(20 * MEGABYTE), 9)
    tags = grey_tiff(5000, 5000, 8, data) | {278: (1,), 273: (8,) * count, 279: (len(data),) * count}
    return tiff(tags, data)


def huge_tile() -> bytes:
    """Return a TIFF of 28 x 28 pixels in one tile of 65,000 x 65,000."""
    data = zlib.compress(bytes(1000))
    tags = {tag: value for tag, value in grey_tiff(28, 28, 8, data).items() if tag not in (273, 278, 279)}
    return tiff(tags | {322: (64_992,), 323: (64_992,), 324: (8,), 325: (len(data),)}, data)


def gif(before: bytes, width: int = 28, height: int = 28) -> bytes:
    """Return a GIF with further blocks before its image."""
    good = saved(flat("L", width, height), "GIF")
    start = good.index(b"\x2c\0\0\0\0")
    return good[:start] + before + good[start:]


def plain_ppm() -> bytes:
    """Return 20 MB of a PPM whose numbers are text."""
    return b"P3 2200 1500 255\n" + b"254 1 " * (3300 * 1000)


BOMB = zlib.compress(bytes(200 * MEGABYTE), 9)

HOSTILE_FILES: dict[str, Callable[[], bytes]] = {
    "scans-2000.jpg": many_scans,
    "scans-20000-of-a-megapixel.jpg": lambda: many_scans(1000, 20_000),
    "exif-98000.jpg": lambda: segments(0xE1, b"Exif\0\0" + bytes(40), 98_000),
    "comments-2400000.jpg": lambda: segments(0xFE, b"", 2_400_000),
    "tables-60000.jpg": lambda: segments(0xDB, b"\0" + bytes(range(1, 65)), 60_000),
    "padding.jpg": lambda: SMALL[:2] + b"\xff" * (9 * MEGABYTE) + SMALL[2:],
    "rubbish.jpg": lambda: SMALL[:2] + bytes(9 * MEGABYTE) + SMALL[2:],
    "restarts.jpg": lambda: saved(flat("L", 7000, 7000), "JPEG", restart_marker_blocks=1),
    "progressive-50-megapixels-in-full-colour.jpg": lambda: saved(
        flat("RGB", 8160, 6120, (9, 99, 199)), "JPEG", progressive=True, subsampling=0
    ),
    "pixels-400-million.jpg": lambda: saved(flat("L", 20_000, 20_000), "JPEG"),
    "comments-2400000.pbm": lambda: b"P4\n" + b"#\n" * 2_400_000 + b"8 8\n" + bytes(8),
    "comment-9-megabytes.pgm": lambda: b"P5\n#" + b"a" * (9 * MEGABYTE) + b"\n8 8 255\n" + bytes(64),
    "spaces.pgm": lambda: b"P5" + b" " * (9 * MEGABYTE) + b"8 8 255\n" + bytes(64),
    "plain.ppm": plain_ppm,
    "line-ends.bmp": lambda: rle_bmp(b"\0\0" * 2500),
    "moves.bmp": lambda: rle_bmp(b"\0\2\xff\xff" * 2500),
    "runs.bmp": lambda: rle_bmp(b"\1\7" * 4_000_000),
    "empty.webp": empty_webp,
    "empty-12-megapixels.webp": lambda: empty_webp(4000, 3000),
    "frames-100.webp": lambda: saved(
        flat("L", 300, 300), "WEBP", save_all=True, append_images=[flat("L", 300, 300, i) for i in range(99)]
    ),
    "fax.tif": fax,
    "tags-60000.tif": lambda: tiff(grey_tiff(28, 28, 1, bytes(784)), bytes(784), more=60_000),
    "strips-1000000.tif": many_strips,
    "bomb-strips.tif": bomb_strips,
    "huge-tile.tif": huge_tile,
    "zeros-81-megapixels.tif": lambda: saved(flat("L", 9000, 9000), "TIFF", compression="tiff_lzw"),
    "zeros-24-megapixels.tif": lambda: saved(
        flat("RGB", 6000, 4000, 9), "TIFF", compression="tiff_adobe_deflate"
    ),
    "float-24-megapixels.tif": lambda: saved(flat("F", 6000, 4000, 9), "TIFF", compression="tiff_lzw"),
    "group-4-100-megapixels.tif": lambda: saved(flat("1", 10_000, 10_000), "TIFF", compression="group4"),
    "empty-pixels-800000.png": lambda: png(before=chunk(b"IDAT", b"") * 800_000),
    "texts-600000.png": lambda: png(before=chunk(b"tEXt", b"a\0b") * 600_000),
    "text-bombs-50.png": lambda: png(before=chunk(b"zTXt", b"a\0\0" + BOMB) * 50),
    "profile-bomb.png": lambda: png(before=chunk(b"iCCP", b"a\0\0" + BOMB)),
    "pixel-bomb.png": lambda: png(data=BOMB),
    "16-bits-25-megapixels.png": lambda: png(5000, 5000, depth=16, colour=6),
    "transparent-50-megapixels.png": lambda: saved(flat("RGBA", 8000, 6000, 0), "PNG"),
    "transparent-palette-200-megapixels.png": lambda: saved(
        flat("P", 20_000, 10_000, 0), "PNG", transparency=b"\0"
    ),
    "grey-200-megapixels.png": lambda: png(20_000, 10_000),
    "16-bits-100-megapixels.png": lambda: png(10_000, 10_000, depth=16),
    "interlaced-400-megapixels.png": lambda: png(20_000, 20_000, depth=1),
    "comments-1000000.gif": lambda: gif(b"\x21\xfe\1a\0" * 1_000_000),
    "comment-9-megabytes.gif": lambda: gif(b"\x21\xfe" + (b"\xff" + b"a" * 255) * 36_000 + b"\0"),
    "pixels-64-million.gif": lambda: saved(flat("L", 8000, 8000), "GIF"),
    "pixels-12-million.avif": lambda: saved(flat("RGB", 4000, 3000, 200), "AVIF", speed=10),
    "pixels-15-million.avif": lambda: saved(flat("RGB", 5000, 3000, 200), "AVIF", speed=10),
}  # fmt: skip
