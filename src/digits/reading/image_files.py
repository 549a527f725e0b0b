"""Open a picture from a file, bytes, a Pillow image or an array.

Files may come from strangers. `open_picture` bounds the work for every file:

1. sources: The size in bytes is checked before a file is read.
2. Only decoders of common formats are used. The first bytes say which one.
3. containers, tiff: Checksums are compared, and metadata is left out before a decoder sees the file.
4. The size in the header says how much memory decoding takes; it is checked before any pixel is decoded.
5. timed_file: The decoder is stopped when its processor time is over.

Every error of a decoder becomes a PhotoError.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image, JpegImagePlugin

from digits.errors import PhotoError, shortened
from digits.reading import containers
from digits.reading.containers import UPRIGHT, BadFileError, Container, exif_orientation
from digits.reading.decoding import WORKING_SIDE, Picture, decode
from digits.reading.separate_decoding import decode_separately
from digits.reading.sources import Source, content_of, image_from_array, is_array
from digits.reading.tiff import tiff
from digits.reading.timed_file import TimedFile, TooMuchWorkError
from digits.reading.unread_formats import why_not
from digits.reading.work import WORK

# Rare formats are left out, because most security advisories of Pillow concern their decoders. HEIF needs
# pillow-heif.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF", "HEIF")
CHECKS: dict[str, Callable[[TimedFile], Container]] = {
    "JPEG": containers.jpeg,
    "PNG": containers.png,
    "WEBP": containers.webp,
    "PPM": containers.ppm,
    "TIFF": tiff,
}
# Memory of decoding in bytes for each pixel, measured with Pillow 13 and pillow-heif 1.8 at 12 megapixels.
# AVIF needs 9; it is limited by its time, up to 0.35 s for 12 megapixels.
_COST = {"WEBP": 16, "AVIF": 16, "HEIF": 8}
# The others: twice what Pillow stores, since some decoders keep the pixels twice, and decoding takes time.
# With 2.25, pictures remain below the 89 million pixels at which Pillow warns.
_COST_OF_MODE = {"1": 2.25, "L": 2.25, "P": 4, "I;16": 4, "I;16B": 4, "I;16L": 4}
_COST_OF_OTHERS = 8
COEFFICIENT = 2  # bytes; a JPEG in several scans keeps one number for each value of all pixels in memory
SCAN_PIXELS = 1_000_000_000  # most pixels of all scans of a JPEG: 20 scans of 50 megapixels; most have 10
# Bytes; size of the blocks in which a JPEG of several scans is decoded. A scan of 42 bytes can cost 18 ms at
# 50 megapixels.
SCAN_BLOCK = 512
MILLION = 1_000_000


@dataclass(frozen=True)
class PictureLimits:
    """Limits for pictures. All but `seconds` and `work` are checked before a picture is decoded."""

    file_bytes: int = 25 * MILLION
    """Largest size of the file in bytes; photos of 50 megapixels have 10 to 16 MB."""
    memory: int = 200 * MILLION
    """Largest memory for decoding in bytes: 25 million pixels in colour, 88 million in grey, more as JPEG."""
    side: int = 20_000
    """Largest length of the longer side in pixels."""
    seconds: float = 1.0
    """Longest processor time for decoding in seconds; the largest allowed photos take about 0.5 s."""
    work: float = WORK
    """Largest work for finding and classifying the digits, in units of about a microsecond: work.py."""


def open_picture(source: Source, limits: PictureLimits | None = None, *, name: str = "") -> Picture:
    """Open a picture and turn it upright.

    Args:
        source: Path, bytes of a file, file object, data: URL, Pillow image, array or tensor. An array is
            (H, W), (H, W, 1) or (1, H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA. Its values are bool,
            integers from 0 to 255 or floats from 0 to 1. Integers that are only 0 and 1 are black and white.
        limits: Largest picture that is allowed; default `PictureLimits()`.
        name: Name for error messages, if the source is not a path.

    Returns:
        The upright, opaque picture; longer side at most `decoding.WORKING_SIDE` pixels.

    Raises:
        PhotoError: with one of these values of `kind`:
            "format": the source is unreadable or has an unknown format,
            "limit": the picture is too large, or takes too much work,
            "damaged": its pixels cannot be decoded.
    """
    limits = limits or PictureLimits()
    if is_array(source):
        source, name = image_from_array(source), name or "the array"
    if isinstance(source, Image.Image):
        name, work = name or "the picture", functools.partial(_from_image, source, limits)
    else:
        content, name = content_of(source, limits.file_bytes, name)
        work = functools.partial(_from_file, content, limits)
    try:
        return work()
    except BadFileError as error:
        raise PhotoError(f"{name} {error}", kind=error.kind) from error
    except TooMuchWorkError as error:
        raise PhotoError(
            f"{name} takes more than {limits.seconds:g} s to decode; save it again as PNG or JPEG",
            kind="limit",
        ) from error
    except Exception as error:  # decoders raise errors of many types: SyntaxError, struct.error, ...
        raise PhotoError(
            f"{name} is damaged ({shortened(type(error).__name__)}); save the picture again", kind="damaged"
        ) from error


def _from_image(image: Image.Image, limits: PictureLimits) -> Picture:
    """Convert a Pillow image, which stays as it was."""
    _check_size(image, image.format or "", limits)
    try:
        orientation = image.getexif().get(containers.ORIENTATION, UPRIGHT)
    except Exception:  # Pillow's parser raises errors of many types for broken EXIF data
        orientation = UPRIGHT
    # Whoever gives a Pillow image at another frame than the first has chosen that frame.
    notes = _notes(image.format or "", _has_pages(image) and image.tell() == 0)
    return replace(decode(image, orientation), notes=notes)


def _from_file(content: bytes, limits: PictureLimits) -> Picture:
    """Decode the bytes of a file."""
    format_ = _format_of(content)
    end = time.thread_time() + limits.seconds
    container = CHECKS.get(format_, _whole)(TimedFile(content, end))
    # Image.open is not used: it warns of large pictures through the warnings of the whole program.
    opener = JpegImagePlugin.JpegImageFile if format_ == "JPEG" else Image.OPEN[format_][0]
    file = TimedFile(container.content, end)
    image = opener(file, "")
    size = image.size
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        _check_side(size, limits)
        _prepare_jpeg(image, container.content, limits)
    _check_size(image, format_, limits)
    container.compare_pixels()
    orientation = container.orientation
    if orientation is None:
        exif = image.info.get("exif") or b""  # pillow-heif gives None
        orientation = exif_orientation(exif.removeprefix(b"Exif\0\0"))
    notes = _notes(format_, container.pages or _has_pages(image))
    if container.separately:
        picture = decode_separately(container.content, orientation, limits.seconds)
    else:
        picture = decode(image, orientation, size, file.check)
    return replace(picture, notes=notes)


def _whole(file: TimedFile) -> Container:
    """Return a file of a format without checks as it is."""
    return Container(file.getvalue())


def _format_of(content: bytes) -> str:
    """Return the name in FORMATS of a file's format.

    Raises:
        BadFileError: if it is another format, or this installation cannot decode it.
    """
    _load_decoders()
    for name in FORMATS:
        accept = Image.OPEN[name][1] if name in Image.OPEN else None
        if accept is not None and accept(content[:16]) is True:
            return name
    raise BadFileError(why_not(content), kind="format")


@functools.cache  # a failed import takes longer than reading a small picture
def _load_decoders() -> None:
    """Load the decoders of Pillow, and that of HEIC photos if pillow-heif is installed."""
    Image.preinit()  # loads only the common plugins
    if not {"TIFF", "WEBP"} <= set(Image.OPEN):
        Image.init()
    try:
        import pillow_heif  # type: ignore[import-not-found, unused-ignore]  # optional
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def _prepare_jpeg(image: JpegImagePlugin.JpegImageFile, content: bytes, limits: PictureLimits) -> None:
    """Have a JPEG decoded to a smaller size, if it is large, and within the limits of memory and time."""
    in_scan = image.fp.read(3)[2:] if image.fp else b""  # number of colours; the marker of the scan was read
    if "progressive" in image.info or in_scan < bytes([image.layers]):
        largest = max(across * down for _, across, down, _ in image.layer)
        values = sum(across * down for _, across, down, _ in image.layer) / largest
        _check_memory(image.size, values * COEFFICIENT, limits)
        scans = content.count(b"\xff\xda")  # this pair of bytes does not occur within pixels
        if scans * image.width * image.height > SCAN_PIXELS:
            raise BadFileError(f"has {scans:,} scans; save it again as an ordinary JPEG", kind="limit")
        image.decodermaxblock = SCAN_BLOCK
    image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))


def _check_size(image: Image.Image, format_: str, limits: PictureLimits) -> None:
    """Raise BadFileError if the picture is empty, or too large to be decoded."""
    _check_side(image.size, limits)
    _check_memory(image.size, _COST.get(format_) or _COST_OF_MODE.get(image.mode, _COST_OF_OTHERS), limits)


def _check_side(size: tuple[int, int], limits: PictureLimits) -> None:
    if min(size) < 1:
        raise BadFileError("has no pixels; expected at least one")
    if max(size) > limits.side:
        raise BadFileError(
            f"has {size[0]:,} x {size[1]:,} pixels; at most {limits.side:,} a side are allowed; "
            "make the picture smaller",
            kind="limit",
        )


def _check_memory(size: tuple[int, int], for_each_pixel: float, limits: PictureLimits) -> None:
    memory = size[0] * size[1] * for_each_pixel
    if memory > limits.memory:
        raise BadFileError(
            f"has {size[0]:,} x {size[1]:,} pixels, which take {memory / MILLION:,.0f} MB to decode; "
            f"at most {limits.memory / MILLION:,.0f} MB are allowed; make the picture smaller",
            kind="limit",
        )


def _has_pages(image: Image.Image) -> bool:
    """Return True if an opened image has further pages or frames."""
    # The further pictures of an MPO file are previews and depth maps, which a phone adds to a photo.
    return image.format != "MPO" and getattr(image, "is_animated", False)


def _notes(format_: str, pages: bool) -> tuple[str, ...]:
    """Return a sentence about the pages that are not read; none if there are none."""
    if not pages:
        return ()
    kind = "page" if format_ == "TIFF" else "frame"
    return (
        f"only the first {kind} was read, but the file has more; save each {kind} as a picture of its own",
    )
