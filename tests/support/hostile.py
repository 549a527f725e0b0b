"""Hostile and broken picture files, made in code, each with the answers that are allowed.

`hostile_pictures()` is tested through `open_picture`, the command line and HTTP.
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin, features

READ = "read"  # the picture is read; the others are the kinds of PhotoError
FORMAT, LIMIT, DAMAGED = "format", "limit", "damaged"


@dataclass(frozen=True)
class Hostile:
    """A file and the answers that are allowed: several where versions of a decoder differ."""

    name: str
    content: bytes
    expected: frozenset[str]


def seven(size: tuple[int, int] = (64, 64), mode: str = "L") -> Image.Image:
    """Return a dark 7 on white paper."""
    image = Image.new("L", size, 255)
    width, height = size
    points = [(0.3 * width, 0.2 * height), (0.7 * width, 0.2 * height), (0.45 * width, 0.8 * height)]
    ImageDraw.Draw(image).line(points, fill=0, width=max(1, min(size) // 12))
    return image.convert(mode)


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Return the picture as the bytes of a file in that format."""
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes, crc: int | None = None) -> bytes:
    """Return a chunk of a PNG file, with its checksum or the given one."""
    crc = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png(
    width: int = 28,
    height: int = 28,
    *,
    depth: int = 8,
    colour: int = 0,
    data: bytes | None = None,
    before: bytes = b"",
    after: bytes = b"",
    end: bool = True,
) -> bytes:
    """Return a PNG file in which each chunk may be wrong.

    `data` are the compressed pixels, `before` and `after` are further chunks around them.
    """
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    if data is None:
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
        data = zlib.compress((b"\0" + b"\xff" * (-(-width * depth * channels // 8))) * height)
    body = header + before + (chunk(b"IDAT", data) if data else b"") + after
    return b"\x89PNG\r\n\x1a\n" + body + (chunk(b"IEND", b"") if end else b"")


def hostile_pictures() -> list[Hostile]:
    """Return all hostile pictures; making them takes about a second."""
    groups = (_no_pictures(), _closed_formats(), _truncated(), _png(), _limits(), _jpeg(), _others(), _good())
    return [
        Hostile(name, content, frozenset((answers,) if isinstance(answers, str) else answers))
        for group in groups
        for name, content, answers in group
    ]


Cases = Iterator[tuple[str, bytes, "str | tuple[str, ...]"]]


def _no_pictures() -> Cases:
    entity = "file:///etc/passwd"
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("seven.png", png())
    yield "empty.png", b"", FORMAT
    yield "one-byte.png", b"\x89", FORMAT
    yield "zeros.png", bytes(5000), FORMAT
    yield "text.png", b"I am a seven, believe me\n" * 50, FORMAT
    yield "page.jpg", b"<!doctype html><script>alert(1)</script>", FORMAT
    yield "data.png", json.dumps({"digit": 7}).encode(), FORMAT
    yield "plain.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M1 1L9 1L4 9"/></svg>', FORMAT
    yield (
        "xxe.svg",
        f'<!DOCTYPE s [<!ENTITY x SYSTEM "{entity}">]><svg><text>&x;</text></svg>'.encode(),
        FORMAT,
    )
    yield "laughs.svg", f'<!DOCTYPE s [<!ENTITY l0 "ha">{laughs}]><svg>&l9;</svg>'.encode(), FORMAT
    yield "script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n", FORMAT
    yield "paper.pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF", FORMAT
    yield "star.fits", b"SIMPLE  =                    T".ljust(80) + b"END".ljust(2800), FORMAT
    yield "scan.dcm", bytes(128) + b"DICM" + bytes(200), FORMAT
    yield "layers.psd", b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 28, 28, 8, 3) + bytes(100), FORMAT
    yield "film.jpg", struct.pack(">I4s4sI", 24, b"ftyp", b"isom", 512) + b"isommp42" + bytes(100), FORMAT
    yield "new.jxl", b"\xff\x0a" + bytes(60), FORMAT
    yield "boxed.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60), FORMAT
    yield (
        "iphone.heic",
        struct.pack(">I4s4sI", 24, b"ftyp", b"heic", 0) + b"mif1heic" + bytes(80),
        (
            FORMAT,
            DAMAGED,
        ),
    )
    yield "archive.png", archive.getvalue(), FORMAT
    yield "squeezed.png", zlib.compress(png()), FORMAT
    yield "program.png", b"\x7fELF" + bytes(200), FORMAT
    yield "code.png", b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.", FORMAT  # a pickle that would run
    yield "array.npy", b"\x93NUMPY\1\0" + b"{'descr': '|O', 'shape': (1,)}".ljust(118) + b"\n", FORMAT
    yield "sound.wav", b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), FORMAT


def _closed_formats() -> Cases:
    """Yield rare formats, which Pillow reads and this package refuses."""
    small = seven((32, 32), "RGB")
    for name, mode in (("ICO", "RGB"), ("PCX", "RGB"), ("TGA", "RGB"), ("SGI", "RGB"), ("DDS", "RGB"),
                       ("XBM", "1"), ("MSP", "1"), ("SPIDER", "F"), ("ICNS", "RGB"),
                       ("EPS", "RGB"), ("PDF", "RGB")):  # fmt: skip
        yield f"closed.{name.lower()}", saved(small.convert(mode), name), FORMAT
    if features.check("jpg_2000"):
        yield "closed.jp2", saved(small, "JPEG2000"), FORMAT


OPEN_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM")


def _truncated() -> Cases:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60), np.uint8))
    for name in OPEN_FORMATS:
        content = saved(image, name)
        yield f"half.{name.lower()}", content[: len(content) // 2], (FORMAT, DAMAGED)
        yield f"start.{name.lower()}", content[:16], (FORMAT, DAMAGED)


def _png() -> Cases:
    good = saved(seven(), "PNG")
    pixels = zlib.compress((b"\0" + b"\xff" * 28) * 28)
    bomb = zlib.compress(bytes(200_000_000), 1)
    yield "wrong-checksum.png", png(before=chunk(b"tEXt", b"a\0b", crc=1), data=None), DAMAGED
    yield "wrong-header-checksum.png", good[:29] + b"\0\0\0\0" + good[33:], (FORMAT, DAMAGED)
    yield "garbage-pixels.png", png(data=b"\x55" * 300), DAMAGED
    yield "too-few-pixels.png", png(data=zlib.compress(b"\0" * 40)), DAMAGED
    yield "too-many-pixels.png", png(data=zlib.compress(bytes(100_000))), DAMAGED
    yield "pixel-bomb.png", png(data=bomb), DAMAGED
    yield "no-pixels.png", png(data=b""), DAMAGED
    yield "wrong-filter.png", png(data=zlib.compress((b"\x09" + bytes(28)) * 28)), (DAMAGED, READ)
    yield "no-width.png", png(0, 28, data=pixels), (DAMAGED, FORMAT)
    yield "no-height.png", png(28, 0, data=pixels), (DAMAGED, FORMAT)
    yield "three-bits.png", png(depth=3), (DAMAGED, FORMAT)
    yield "colour-seven.png", png(colour=7), (DAMAGED, FORMAT)
    yield "no-palette.png", png(colour=3), (DAMAGED, READ)
    yield "long-palette.png", png(colour=3, before=chunk(b"PLTE", bytes(3 * 400))), (DAMAGED, READ)
    yield "long-transparency.png", png(before=chunk(b"tRNS", bytes(400))), (DAMAGED, READ)
    yield "pixels-first.png", good[:8] + chunk(b"IDAT", pixels) + good[8:], (DAMAGED, FORMAT, READ)
    yield "two-headers.png", good[:33] + good[8:], (DAMAGED, READ, FORMAT)
    yield "no-end.png", png(end=False), DAMAGED
    yield "huge-chunk.png", good[:33] + struct.pack(">I", 0x7FFFFFFF) + b"tEXt" + bytes(50), (DAMAGED, FORMAT)
    text_bomb = chunk(b"zTXt", b"a\0\0" + bomb)
    yield "text-bomb.png", png(before=text_bomb), (DAMAGED, FORMAT, READ)
    international = chunk(b"iTXt", b"a\0\1\0\0\0" + bomb)
    yield "international-text-bomb.png", png(before=international), (DAMAGED, FORMAT, READ)
    yield "profile-bomb.png", png(before=chunk(b"iCCP", b"a\0\0" + bomb)), (DAMAGED, FORMAT, READ)
    yield "texts-200000.png", png(before=chunk(b"tEXt", b"a\0b") * 200_000), (DAMAGED, FORMAT, READ)
    yield "exif-garbage.png", png(before=chunk(b"eXIf", b"MM\0*" + b"\xff" * 60)), READ
    yield "exif-loop.png", png(before=chunk(b"eXIf", _exif_loop())), READ
    frames = chunk(b"acTL", struct.pack(">II", 1_000_000, 0))
    yield "million-frames.png", png(before=frames), (READ, DAMAGED)


def _exif_loop() -> bytes:
    """Return EXIF data whose next directory, and whose sub-directory, is the directory itself."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8)


def _limits() -> Cases:
    tiny = zlib.compress(bytes(100))
    yield "side-65535.png", png(65535, 65535, data=tiny), LIMIT
    yield "side-2-billion.png", png(2**31 - 1, 2**31 - 1, data=tiny), LIMIT
    yield "wide.png", png(20_001, 1), LIMIT
    yield "high.png", png(1, 20_001), LIMIT
    yield "pixels-25-and-more.png", png(5001, 5000, colour=2), LIMIT
    yield "bytes-25-million-and-1.png", png() + bytes(25_000_001 - len(png())), LIMIT
    gif = bytearray(saved(seven(), "GIF"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    yield "side-65535.gif", bytes(gif), LIMIT
    bmp = bytearray(saved(seven(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 60_000, 60_000)
    yield "side-60000.bmp", bytes(bmp), LIMIT
    yield "side-million.ppm", b"P6 1000000 1000000 255\n" + bytes(90), LIMIT
    jpeg = saved(seven(), "JPEG")
    place = jpeg.index(b"\xff\xc0")
    large = jpeg[: place + 5] + struct.pack(">HH", 65_000, 65_000) + jpeg[place + 9 :]
    yield "side-65000.jpg", large, LIMIT
    tiff = saved(seven(), "TIFF")
    yield "side-65000.tif", tiff.replace(struct.pack("<HHI", 256, 4, 1) + struct.pack("<I", 64),
                                         struct.pack("<HHI", 256, 4, 1) + struct.pack("<I", 65_000)).replace(
        struct.pack("<HHI", 257, 4, 1) + struct.pack("<I", 64),
        struct.pack("<HHI", 257, 4, 1) + struct.pack("<I", 65_000)), (LIMIT, DAMAGED)  # fmt: skip


def _jpeg() -> Cases:
    good = saved(seven(mode="RGB"), "JPEG")
    scan = good.index(b"\xff\xda")
    tables = good.index(b"\xff\xdb")
    yield "no-scan.jpg", good[:scan] + b"\xff\xd9", DAMAGED
    yield "no-tables.jpg", good[:tables] + good[good.index(b"\xff\xc0") :], DAMAGED
    yield "no-size.jpg", _resized(good, 0, 0), (DAMAGED, FORMAT)
    yield "many-segments.jpg", good[:2] + (b"\xff\xe5\xff\xff" + bytes(65_533)) * 100 + good[2:], READ
    yield "comments.jpg", good[:2] + b"\xff\xfe\0\x02" * 50_000 + good[2:], READ
    yield (
        "restart-markers.jpg",
        good[: scan + 14] + b"\xff\xd0\xff\xd1" * 500 + good[scan + 14 :],
        (
            READ,
            DAMAGED,
        ),
    )
    yield "exif-loop.jpg", _with_exif(good, b"Exif\0\0" + _exif_loop()), READ
    yield "exif-cut.jpg", _with_exif(good, b"Exif\0\0II*\0"), READ
    yield "exif-turn-99.jpg", saved(seven(), "JPEG", exif=_orientation(99)), READ
    yield "with-archive.jpg", good + b"PK\x03\x04" + bytes(300), READ
    yield "two-in-one.jpg", good + good, READ


def _resized(jpeg: bytes, width: int, height: int) -> bytes:
    place = jpeg.index(b"\xff\xc0")
    return jpeg[: place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9 :]


def _with_exif(jpeg: bytes, exif: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def _others() -> Cases:
    frames = [Image.new("L", (28, 28), i % 256) for i in range(500)]
    gif = saved(seven(), "GIF")
    yield "frames-500.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), READ
    yield "no-frame.gif", gif[:13] + b";", (DAMAGED, FORMAT)
    yield "bad-codes.gif", gif[:-40] + b"\xff" * 39 + b";", (DAMAGED, READ)
    yield "negative-height.bmp", _bmp(28, -28), READ
    yield "far-pixels.bmp", _bmp(28, 28, offset=2**31), (DAMAGED, FORMAT)
    yield "no-bits.bmp", _bmp(28, 28, bits=0), (DAMAGED, FORMAT)
    yield "words.ppm", b"P5 twenty twenty 255\n" + bytes(400), (DAMAGED, FORMAT)
    yield "deep.ppm", b"P5 28 28 70000\n" + bytes(1600), (DAMAGED, FORMAT)
    yield "loop.tif", _tiff_loop(), (READ, DAMAGED, FORMAT)
    tiff = saved(seven(), "TIFF")
    yield "pages.tif", saved(seven(), "TIFF", save_all=True, append_images=[seven()] * 50), READ
    yield "no-directory.tif", tiff[:4] + struct.pack("<I", 2**31) + tiff[8:], (DAMAGED, FORMAT)
    webp = saved(seven(mode="RGB"), "WEBP", lossless=True)
    yield "size-lies.webp", webp[:4] + struct.pack("<I", 2**31) + webp[8:], (DAMAGED, FORMAT, READ)
    yield "film.webp", saved(seven(), "WEBP", save_all=True, append_images=[seven()] * 20), READ
    if features.check("avif"):
        avif = saved(seven(mode="RGB"), "AVIF")
        yield "cut.avif", avif[:-60], (DAMAGED, FORMAT)


def _bmp(width: int, height: int, *, offset: int = 54 + 1024, bits: int = 8) -> bytes:
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 256, 0)
    pixels = bytes(28 * 28)
    return (
        struct.pack("<2sIII", b"BM", 54 + len(palette) + len(pixels), 0, offset) + header + palette + pixels
    )


def _tiff_loop() -> bytes:
    """Return a TIFF file whose next page is its first page."""
    content = bytearray(saved(seven(), "TIFF"))
    (start,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, start)
    struct.pack_into("<I", content, start + 2 + 12 * entries, start)
    return bytes(content)


def _good() -> Cases:
    """Yield unusual but valid files, which must be read."""
    noted = PngImagePlugin.PngInfo()
    noted.add_text("Comment", "<script>alert(1)</script>")
    yield "one-pixel.png", png(1, 1), READ
    yield "one-row.png", png(20_000, 1), READ
    yield "one-column.png", png(1, 20_000), READ
    yield "pixels-25-million.png", png(5000, 5000, depth=1), READ
    yield "page-at-600-dpi.png", png(4960, 7016, depth=1), READ
    yield "bytes-25-million.png", png() + bytes(25_000_000 - len(png())), READ
    yield "16-bit.png", png(depth=16), READ
    yield "grey-alpha.png", png(colour=4), READ
    yield "noted.png", saved(seven(), "PNG", pnginfo=noted), READ
    yield "with-page.png", png() + b"<html><script>alert(1)</script>", READ
    yield "wrong-name.txt", png(), READ
    for name in OPEN_FORMATS:
        yield f"good.{name.lower()}", saved(seven(mode="RGB"), name), READ
