"""Open a picture from a file, bytes, a Pillow image or an array.

Files may come from strangers. So the size in the header is checked before any pixel is decoded, and only
decoders of common formats are used. Every error of a decoder becomes a PhotoError.
"""

import functools
import io
import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from digits.errors import PhotoError
from digits.reading.decoding import Picture, decode

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[Any]"
# Rare formats are left out, because most security advisories of Pillow concern their decoders. Many phones
# write MPO into files named .jpg. HEIF needs pillow-heif.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF", "HEIF")
SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib",
    ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".hif",
}  # fmt: skip
# First bytes of JPEG, PNG and GIF, and bytes 4 to 12 of AVIF and HEIC. Those of other formats are not unique.
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8")
BRANDS = (b"ftypavif", b"ftypheic", b"ftypheix", b"ftypmif1")
MILLION = 1_000_000


@dataclass(frozen=True)
class PictureLimits:
    """Size limits for pictures, checked before a picture is decoded."""

    file_bytes: int = 10 * MILLION
    """Largest size of the file in bytes."""
    pixels: int = 25 * MILLION
    """Largest product of width and height in pixels."""
    side: int = 20_000
    """Largest length of the longer side in pixels."""


def open_picture(source: Source, limits: PictureLimits | None = None, *, name: str = "") -> Picture:
    """Open a picture and turn it upright.

    Args:
        source: Path, bytes of a file, Pillow image, or array. An array is (H, W) grey, (H, W, 3) RGB or
            (H, W, 4) RGBA. Its values are uint8, bool, or float in [0, 1].
        limits: Largest picture that is allowed; default `PictureLimits()`.
        name: Name for error messages, if the source is not a path.

    Returns:
        The upright, opaque picture; longer side at most `decoding.WORKING_SIDE` pixels.

    Raises:
        PhotoError: with one of these values of `kind`:
            "format": the source is unreadable or has an unknown format,
            "limit": the picture is too large,
            "damaged": its pixels cannot be decoded.
    """
    limits = limits or PictureLimits()
    if isinstance(source, np.ndarray):
        source, name = _from_array(source), name or "the array"
    if isinstance(source, Image.Image):
        return _checked(source, limits, name or "the picture", may_change=False)
    content, name = _content(source, limits, name)
    return _from_bytes(content, limits, name)


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """List the files in folders, sorted by name.

    Subfolders and hidden files are left out.

    Args:
        paths: Files and folders.

    Yields:
        Each file. An empty or unreadable folder is yielded itself.
    """
    for path in paths:
        yield from _files_of_folder(path) or [path]


def _files_of_folder(path: Path) -> list[Path]:
    """Return the files in a folder by name; none if unreadable."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if entry.name[0] != "." and not _is_folder(entry)]
    except (OSError, ValueError):  # ValueError: a NUL byte in the name
        return []
    return [path / name for name in sorted(names)]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # for example a link to itself; opening the file later raises an error that says so
        return False


def pictures_in(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """List the pictures in folders and their subfolders.

    In a folder, a picture is a file with a suffix of SUFFIXES, or one that begins like a picture. Hidden
    files and folders are left out, and links to folders are not followed.

    Args:
        paths: Files and folders.

    Returns:
        The files, sorted by name in each folder, and the number of other files. A path that is no folder is
        listed itself, and so is a folder without pictures or one that cannot be read.
    """
    found: list[Path] = []
    others = 0
    for path in paths:
        before = len(found)
        waiting = [path]
        while waiting:
            here = waiting.pop()
            try:
                with os.scandir(here) as entries:
                    listed = sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
            except (OSError, ValueError):  # it is no folder or cannot be read; ValueError: a NUL byte in it
                found.append(here)
                continue
            files = [entry for entry in listed if not entry.is_dir(follow_symlinks=False)]
            pictures = [here / entry.name for entry in files if _may_be_picture(entry)]
            found += pictures
            others += len(files) - len(pictures)
            waiting += [here / e.name for e in reversed(listed) if e.is_dir(follow_symlinks=False)]
        if len(found) == before:
            found.append(path)
    return found, others


def _may_be_picture(entry: "os.DirEntry[str]") -> bool:
    """Return True if a file of a folder is named like a picture, or begins like one."""
    named = Path(entry.name).suffix.lower() in SUFFIXES
    try:
        if not stat.S_ISREG(entry.stat().st_mode):  # pipes and devices are not opened
            return False
        if named:
            return True
        with open(entry.path, "rb") as file:
            start = file.read(12)
    except OSError:  # for example a link to itself; opening the file later raises an error that says so
        return named
    return start.startswith(STARTS) or start[8:] == b"WEBP" or start[4:] in BRANDS


def _content(source: "str | os.PathLike[str] | bytes", limits: PictureLimits, name: str) -> tuple[bytes, str]:
    """Return the bytes of a source and its name for error messages.

    Raises:
        PhotoError: if the source is empty, too large or not readable.
    """
    if isinstance(source, bytes):
        name, size = name or "the picture", len(source)
        content = source
    else:
        name = name or str(source)
        content, size = _read(Path(source), limits.file_bytes, name)
    if size > limits.file_bytes:
        raise PhotoError(
            f"{name} has {size:,} bytes, more than the {limits.file_bytes:,} allowed; "
            "save a smaller picture, or save it as JPEG",
            kind="limit",
        )
    if not content:
        raise PhotoError(f"{name} is empty; expected a picture", kind="format")
    return content, name


def _read(path: Path, most: int, name: str) -> tuple[bytes, int]:
    """Read a regular file.

    Args:
        path: The file.
        most: Largest size in bytes that is read.
        name: Name for error messages.

    Returns:
        Its bytes and its size. A larger file gives no bytes.

    Raises:
        PhotoError: if the path is not a readable regular file.
    """
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            os.scandir(path).close()  # raises a better error if the folder cannot be listed
            raise PhotoError(f"{name} is a folder without pictures; name a picture file", kind="format")
        # Pipes and devices are refused, because they may never end.
        if not stat.S_ISREG(about.st_mode):
            raise PhotoError(f"{name} is not a regular file; name a picture file", kind="format")
        if about.st_size > most:
            return b"", about.st_size
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"could not read {name}: {reason}", kind="format") from error
    return content, len(content)


def _from_bytes(content: bytes, limits: PictureLimits, name: str) -> Picture:
    """Decode the bytes of a file.

    Raises:
        PhotoError: if they are no picture, too large or damaged.
    """
    _allow_heif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of unusual metadata, which is not used here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(content), formats=_known_formats())
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _too_large(name, "far more than a hundred million", limits) from error
        except UnidentifiedImageError as error:
            raise PhotoError(
                f"{name} is no picture in a known format; save it as PNG or JPEG", kind="format"
            ) from error
        except Exception as error:  # decoders raise errors of many types: SyntaxError, struct.error, ...
            raise _damaged(name, error) from error
        return _checked(image, limits, name, may_change=True)


def _checked(image: Image.Image, limits: PictureLimits, name: str, *, may_change: bool) -> Picture:
    """Check the size of an opened image, then decode it.

    Raises:
        PhotoError: if the image is too large or damaged.
    """
    _check_size(image.size, limits, name)
    try:
        return decode(image, may_change=may_change)
    except Exception as error:  # decoders raise errors of many types
        raise _damaged(name, error) from error


def _known_formats() -> list[str]:
    """Return the names in FORMATS that this installation of Pillow can decode."""
    Image.preinit()  # loads only the common plugins
    if not {"TIFF", "WEBP"} <= set(Image.OPEN):
        Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


@functools.cache  # a failed import takes longer than reading a small picture
def _allow_heif() -> None:
    """Register the decoder of HEIC photos if pillow-heif is installed."""
    try:
        import pillow_heif  # type: ignore[import-not-found, unused-ignore]  # optional
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def _too_large(name: str, pixels: str, limits: PictureLimits) -> PhotoError:
    return PhotoError(
        f"{name} has {pixels} pixels; at most {limits.pixels:,} pixels and a side of {limits.side:,} are "
        "allowed; make the picture smaller",
        kind="limit",
    )


def _damaged(name: str, error: Exception) -> PhotoError:
    return PhotoError(f"{name} is damaged ({type(error).__name__}); save the picture again", kind="damaged")


def _check_size(size: tuple[int, int], limits: PictureLimits, name: str) -> None:
    """Raise PhotoError if `size` (width, height) is empty or too large."""
    width, height = size
    if width * height > limits.pixels or max(size) > limits.side:
        raise _too_large(name, f"{width:,} x {height:,}", limits)
    if min(size) < 1:
        raise PhotoError(f"{name} has no pixels; expected at least one", kind="damaged")


def _from_array(array: npt.NDArray[Any]) -> Image.Image:
    """Convert an array to a Pillow image.

    Args:
        array: (H, W), (H, W, 3) or (H, W, 4); uint8, bool, or float in [0, 1].

    Raises:
        PhotoError: if the array has another shape, type or range.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or array.size == 0:
        raise PhotoError(
            f"the array has shape {array.shape}; expected (H, W), (H, W, 3) or (H, W, 4)",
            kind="format",
        )
    if array.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(array))
    if array.dtype.kind not in "fb" or not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise PhotoError(
            "the array has other values; expected uint8, bool, or float from 0 to 1", kind="format"
        )
    return Image.fromarray((array * np.float64(255)).round().astype(np.uint8))
