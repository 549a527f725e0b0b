"""Checksums and structure of picture files: damage is refused, everything sound is read."""

import io
import random
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from support.hostile import chunk, png, saved
from support.hostile_files import fax
from support.strokefont import sheet

from digits.errors import PhotoError
from digits.reading.image_files import open_picture
from digits.reading.tiff import tiff
from digits.reading.timed_file import TimedFile

PLAIN = sheet("5", size=(90, 120), height=80)
BLACK_AND_WHITE = PLAIN.point(lambda v: 255 * (v > 127)).convert("1")
TURNS = {
    1: None,
    2: 0,
    3: 3,
    4: 1,
    5: 5,
    6: 2,
    7: 6,
    8: 4,
}  # value of EXIF -> the transposition that stores it so


def is_read(content: bytes) -> bool:
    """Return True if the file is read, False if it is refused as damaged or unknown."""
    try:
        open_picture(content)
    except PhotoError:
        return False
    return True


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "RGBA"])
def test_a_png_with_one_wrong_bit_is_refused(mode: str) -> None:
    """Of 200 copies of each kind with one wrong bit anywhere, none is read."""
    good, places = saved(PLAIN.convert(mode), "PNG"), random.Random(0)
    for _ in range(200):
        bad = bytearray(good)
        bad[places.randrange(len(bad))] ^= 1 << places.randrange(8)
        assert not is_read(bytes(bad))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"compress_level": 0}, {"bits": 4}])
def test_sound_png_files_are_read(mode: str, options: dict[str, int]) -> None:
    """What Pillow writes in each mode and with each setting is read."""
    if mode == "I;16":
        image = Image.fromarray(np.asarray(PLAIN).astype(np.uint16) * 257)
    else:
        image = PLAIN.convert(mode)
    assert is_read(saved(image, "PNG", **options))
    assert is_read(saved(image, "PNG") + b"what follows the end is no part of the picture")


def interlaced(array: "np.ndarray[tuple[int, int], np.dtype[np.uint8]]") -> bytes:
    """Return an interlaced grey PNG, made pass by pass as PNG 3, section 8, describes."""
    data = b""
    for top, left, down, across in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2),
                                    (0, 1, 2, 2), (1, 0, 2, 1)):  # fmt: skip
        part = array[top::down, left::across]
        data += b"".join(b"\0" + row.tobytes() for row in part) if part.size else b""
    height, width = array.shape
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1))
    return png()[:8] + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 5), (8, 8), (90, 120)])
def test_interlaced_png_files_are_read(size: tuple[int, int]) -> None:
    """Interlaced pictures of any size have the number of bytes that is computed for them."""
    array = np.random.default_rng(0).integers(0, 256, size[::-1], np.uint8)
    assert np.array_equal(open_picture(interlaced(array)).pixels, array)


def test_a_png_whose_checksums_contradict_its_pixels_is_refused() -> None:
    """Wrong Adler-32 under a right CRC, missing rows, and rows too many are damage."""
    rows = (b"\0" + b"\xff" * 28) * 28
    sound = zlib.compress(rows)
    assert is_read(png(data=sound))
    for pixels in (
        sound[:-1] + bytes([sound[-1] ^ 1]),
        sound[:-4],
        zlib.compress(rows[:-29]),
        zlib.compress(rows + rows),
    ):
        assert not is_read(png(data=pixels))


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "PPM", "TIFF"])
def test_a_file_cut_off_in_its_pixels_is_refused(format_: str) -> None:
    """A file that ends early is refused, wherever it ends."""
    good = saved(PLAIN, format_)
    for end in np.linspace(1, 0.97 * len(good), 40).astype(int):
        assert not is_read(good[:end])


def test_jpeg_metadata_is_left_out() -> None:
    """EXIF turns the picture, also behind others; previews and comments are not looked at."""
    good = saved(PLAIN, "JPEG", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = saved(PLAIN, "JPEG", quality=95, exif=exif)
    comment = b"\xff\xfe\0\x06abcd"
    thumbnail = b"\xff\xe2" + struct.pack(">H", len(good) + 2) + good
    upside_down = open_picture(turned[:2] + comment * 2000 + thumbnail + b"\xff\xff\xff" + turned[2:]).pixels
    assert np.array_equal(upside_down[::-1, ::-1], open_picture(good).pixels)


@pytest.mark.parametrize(("turn", "compression"), [*((turn, "raw") for turn in TURNS), (6, "tiff_lzw")])
def test_a_turned_tiff_is_upright(turn: int, compression: str) -> None:
    """The orientation of a TIFF is undone exactly once, in this process and in one of its own."""
    back = TURNS[turn]
    stored = PLAIN if back is None else PLAIN.transpose(Image.Transpose(back))
    picture = open_picture(saved(stored.copy(), "TIFF", compression=compression, tiffinfo={274: turn}))
    assert np.array_equal(picture.pixels, np.asarray(PLAIN))
    assert (picture.width, picture.height) == PLAIN.size


def big_endian() -> bytes:
    """Return a TIFF of 28 x 28 white pixels with the byte order of Motorola."""
    tags = {256: 28, 257: 28, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 28, 279: 784}
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    return (
        struct.pack(">2sHI", b"MM", 42, 792)
        + b"\xff" * 784
        + struct.pack(">H", len(tags))
        + entries
        + bytes(4)
    )


def test_tiff_files_of_all_kinds_are_read() -> None:
    """Palettes, both byte orders, 64-bit offsets and strips are read without a process of their own."""
    for content in (
        saved(PLAIN.copy(), "TIFF", big_tiff=True),
        saved(PLAIN.convert("P"), "TIFF"),
        saved(PLAIN.copy(), "TIFF", strip_size=900),
    ):
        assert np.abs(open_picture(content).pixels.astype(int) - np.asarray(PLAIN)).max() == 0
        assert not tiff(TimedFile(content, 1e9)).separately
    assert (open_picture(big_endian()).pixels == 255).all()


@pytest.mark.parametrize("compression", ["packbits", "tiff_adobe_deflate", "group3", "group4", "jpeg"])
@pytest.mark.slow
def test_compressed_tiff_files_are_read(compression: str) -> None:
    """Each common compression gives the same pixels; libtiff runs in a process of its own."""
    image = BLACK_AND_WHITE if compression.startswith("group") else PLAIN
    pixels = open_picture(saved(image.copy(), "TIFF", compression=compression)).pixels.astype(int)
    limit = 60 if compression == "jpeg" else 0  # at the edges of strokes
    assert np.abs(pixels - np.asarray(image.convert("L"))).max() <= limit


def test_a_tiff_whose_deflate_data_is_damaged_is_refused() -> None:
    """Of 300 copies with one wrong bit in the compressed pixels none is read."""
    good, places = saved(PLAIN.copy(), "TIFF", compression="tiff_adobe_deflate"), random.Random(0)
    start = good.index(b"\x78")
    (size,) = struct.unpack("<I", good[good.index(struct.pack("<HHI", 279, 4, 1)) + 8 :][:4])
    for _ in range(300):
        bad = bytearray(good)
        # The last byte before the checksum of four bytes has bits without a meaning.
        bad[start + places.randrange(size - 5)] ^= 1 << places.randrange(8)
        assert not is_read(bytes(bad))


def test_what_libtiff_complains_of_is_damage(capfd: pytest.CaptureFixture[str]) -> None:
    """A fax of random bits is refused, and libtiff's thousands of lines do not reach standard error."""
    with pytest.raises(PhotoError, match="damaged pixels"):
        open_picture(fax(10_000))
    assert capfd.readouterr() == ("", "")


def with_compression(number: int) -> bytes:
    """Return an uncompressed TIFF that claims another compression."""
    raw, other = (struct.pack("<HHII", 259, 3, 1, value) for value in (1, number))
    return saved(PLAIN.copy(), "TIFF").replace(raw, other)


def test_rare_compressions_of_tiff_are_refused() -> None:
    """A TIFF with Zstandard inside is refused with a sentence, before libtiff sees it."""
    with pytest.raises(PhotoError, match="has a rare compression") as caught:
        open_picture(with_compression(50_000))
    assert caught.value.kind == "format"


def test_threads_leave_the_warnings_of_the_program_alone() -> None:
    """Pictures with broken metadata, opened in four threads, give no warning and leave the filters alone."""
    broken = saved(PLAIN, "JPEG", exif=b"Exif\0\0II*\0\xff\xff")
    film = png(before=chunk(b"acTL", b"\0"))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        threads = [
            threading.Thread(target=lambda: [is_read(c) for c in (broken, film) * 50]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert warnings.filters == before
    assert not seen


def test_pillow_images_turn_by_their_exif() -> None:
    """A Pillow image with an orientation is turned; one with broken EXIF is read as it is."""
    exif = Image.Exif()
    exif[0x0112] = 3
    image = Image.open(io.BytesIO(saved(PLAIN, "PNG", exif=exif)))
    assert np.array_equal(open_picture(image).pixels, np.asarray(PLAIN)[::-1, ::-1])
