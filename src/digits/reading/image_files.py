"""Any picture in, upright pixels out: formats, limits, transparency, bit depth, orientation.

Everything that a stranger's file can do is met here. Limits are compared with what the header claims
before a single pixel is decoded, only decoders for common formats are open, and whatever a decoder raises
becomes one PhotoError.
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
from PIL import ExifTags, Image, UnidentifiedImageError

from digits.errors import PhotoError

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[Any]"
Pixels: TypeAlias = npt.NDArray[np.uint8]
# Decoders for rare formats carry most of Pillow's advisories, so they stay closed. MPO is what many phones
# write into .jpg; HEIF is there once pillow-heif is installed.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF", "HEIF")
WORKING_SIDE = 1600  # px; a page of 50 hand-written lines still has digits of 20 px, as MNIST has
MILLION = 1_000_000


@dataclass(frozen=True)
class PictureLimits:
    """What a picture may cost; all are checked before it is decoded."""

    file_bytes: int = 10_000_000
    pixels: int = 25 * MILLION
    side: int = 20_000  # px


@dataclass(frozen=True)
class Picture:
    """An opaque, upright picture, perhaps made smaller: `pixels` (H, W) grey or (H, W, 3) RGB, uint8.

    `width` and `height` are those of the upright original.
    """

    pixels: Pixels
    width: int
    height: int


def open_picture(source: Source, limits: PictureLimits | None = None, *, name: str = "") -> Picture:
    """Read a file, its bytes, a Pillow image or an array; `name` stands in the errors for what has none.

    Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8 or float in [0, 1]. Raises PhotoError whose `kind` is
    "format" (no picture that we read), "limit" (larger than allowed) or "damaged".
    """
    limits = limits or PictureLimits()
    if isinstance(source, np.ndarray):
        source, name = _from_array(source), name or "the array"
    if isinstance(source, Image.Image):
        return _checked(source, limits, name or "the picture")
    content, name = _content(source, limits, name)
    return _decode(content, limits, name)


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The paths, each folder replaced by the files directly in it, by name, hidden ones left out.

    A folder that has none, or cannot be listed, stays: opening it tells why.
    """
    for path in paths:
        yield from _listed(path) or [path]


def _listed(path: Path) -> list[Path]:
    """Files in a folder; none if it is no folder, or a closed one."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if entry.name[0] != "." and not _is_folder(entry)]
    except (OSError, ValueError):  # ValueError: a NUL byte in the name
        return []
    return [path / name for name in sorted(names)]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle is no folder; reading it says what is wrong
        return False


def _content(source: "str | os.PathLike[str] | bytes", limits: PictureLimits, name: str) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        name, size = name or "the picture", len(source)
        content = source
    else:
        name = name or str(source)
        content, size = _read(Path(source), limits.file_bytes, name)
    if size > limits.file_bytes:
        raise PhotoError(
            f"{name} has {size:,} bytes, more than the {limits.file_bytes:,} allowed; "
            "save it smaller or as JPEG",
            kind="limit",
        )
    if not content:
        raise PhotoError(f"{name} is empty; a picture was expected", kind="format")
    return content, name


def _read(path: Path, most: int, name: str) -> tuple[bytes, int]:
    """At most `most` bytes of a regular file and its size: pipes and devices could feed us for ever."""
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            os.scandir(path).close()  # whose error, if it is closed, says more
            raise PhotoError(f"{name} is a folder without pictures; name a picture", kind="format")
        if not stat.S_ISREG(about.st_mode):
            raise PhotoError(f"{name} is no regular file; name a picture", kind="format")
        if about.st_size > most:
            return b"", about.st_size
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"could not read {name}: {reason}", kind="format") from error
    return content, len(content)


def _decode(content: bytes, limits: PictureLimits, name: str) -> Picture:
    _allow_heif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata; pixels are what we came for
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(content), formats=_known_formats())
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _too_large(name, "far more than a hundred million", limits) from error
        except UnidentifiedImageError as error:
            raise PhotoError(
                f"{name} is no picture that can be read here; save it as PNG or JPEG", kind="format"
            ) from error
        except Exception as error:  # decoders raise whatever they like: SyntaxError, struct.error, ...
            raise _damaged(name, error) from error
        return _checked(image, limits, name, ours=True)


def _checked(image: Image.Image, limits: PictureLimits, name: str, *, ours: bool = False) -> Picture:
    """The picture, if it keeps the limits and can be decoded; what is not `ours` is left as it is."""
    _check_size(image.size, limits, name)
    try:
        return _upright(image, ours)
    except Exception as error:  # decoders raise whatever they like
        raise _damaged(name, error) from error


def _known_formats() -> list[str]:
    Image.preinit()  # the common plugins only
    if not {"TIFF", "WEBP"} <= set(Image.OPEN):
        Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


@functools.cache  # looking for what is not installed takes longer than reading a small picture
def _allow_heif() -> None:
    """HEIC photos of iPhones, if pillow-heif is installed."""
    try:
        import pillow_heif  # type: ignore[import-not-found, unused-ignore]  # optional
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def _too_large(name: str, pixels: str, limits: PictureLimits) -> PhotoError:
    return PhotoError(
        f"{name} has {pixels} pixels; at most {limits.pixels:,} and a side of {limits.side:,} are allowed: "
        "make it smaller",
        kind="limit",
    )


def _damaged(name: str, error: Exception) -> PhotoError:
    return PhotoError(f"{name} is damaged ({type(error).__name__}); save it again", kind="damaged")


def _check_size(size: tuple[int, int], limits: PictureLimits, name: str) -> None:
    width, height = size
    if width * height > limits.pixels or max(size) > limits.side:
        raise _too_large(name, f"{width:,} x {height:,}", limits)
    if min(size) < 1:
        raise PhotoError(f"{name} has no pixels", kind="damaged")


def _from_array(array: npt.NDArray[Any]) -> Image.Image:
    """(H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA; uint8, bool, or numbers in [0, 1]."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or array.size == 0:
        raise PhotoError(
            f"an array of shape {array.shape} is no picture; (H, W), (H, W, 3) or (H, W, 4) was expected",
            kind="format",
        )
    if array.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(array))
    if array.dtype.kind not in "fb" or not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise PhotoError("an array of bytes, or of numbers from 0 to 1, was expected", kind="format")
    return Image.fromarray((array * np.float64(255)).round().astype(np.uint8))


def _upright(image: Image.Image, ours: bool) -> Picture:
    """Decode what `open` only looked at: first frame, 8 bits, opaque, turned as the camera was held."""
    width, height = image.size
    if ours:  # JPEG alone: decodes at a half, a quarter or an eighth, and so changes the image
        image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
    turned = _orientation(image)
    image = _opaque(_eight_bits(image))
    if max(image.size) > WORKING_SIDE:
        scale = WORKING_SIDE / max(image.size)
        smaller = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(smaller, Image.Resampling.BOX)
    if turned is not None:  # FLIP_LEFT_RIGHT is 0
        image = image.transpose(turned)
    if turned in _SIDEWAYS:
        width, height = height, width
    return Picture(_grey_if_colourless(np.asarray(image)), width, height)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF 2.3, tag 0x0112
_SIDEWAYS = {_TURNS[value] for value in (5, 6, 7, 8)}


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """How to turn the stored pixels; a camera's broken notes are no reason to refuse its picture."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the parser raises whatever broken notes make it raise
        return None


def _eight_bits(image: Image.Image) -> Image.Image:
    """L, RGB or RGBA. Pillow's own conversion cuts off what does not fit: 16 bits all turn white."""
    if image.mode in ("L", "RGB", "RGBA"):
        return image
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_stretched(np.asarray(image)))
    if image.mode == "1":
        return image.convert("L")
    see_through = image.has_transparency_data or image.mode in ("LA", "La", "PA", "RGBa")
    return image.convert("RGBA" if see_through else "RGB")


def _stretched(values: npt.NDArray[Any]) -> Pixels:
    """16 bits to 8; whatever is outside 16 bits, and any real numbers, by their own range."""
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:  # of either byte order
        return np.asarray((values.astype(np.uint32) + np.uint32(128)) // np.uint32(257), dtype=np.uint8)
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    if values.dtype.kind == "i" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    return np.asarray((numbers - low) * (255.0 / max(high - low, 1e-20)) + 0.5, dtype=np.uint8)


def _opaque(image: Image.Image) -> Image.Image:
    """Lay a transparent picture on the paper against which its ink is seen: white, or black for light ink."""
    if image.mode != "RGBA":
        return image
    alpha = np.asarray(image.getchannel("A"))
    if alpha.min() == 255:
        return image.convert("RGB")
    grey = np.asarray(image.convert("RGB").convert("L"))
    seen = alpha > 127
    light = bool(seen.any()) and float(grey[seen].mean()) > 127
    paper = Image.new("RGBA", image.size, "black" if light else "white")
    return Image.alpha_composite(paper, image).convert("RGB")


def _grey_if_colourless(pixels: Pixels) -> Pixels:
    """One channel where all three are equal: a third of the work for what follows."""
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        return np.ascontiguousarray(pixels[..., 0])
    return pixels
