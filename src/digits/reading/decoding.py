"""Convert an image that Pillow has opened to upright, opaque pixels of 8 bits."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

Pixels: TypeAlias = npt.NDArray[np.uint8]
WORKING_SIDE = 1600  # px; in a page of 50 handwritten lines digits are still 20 px high, as in MNIST
OPAQUE, HALF, WHITE_16 = 255, 127, 65535  # two values of an 8-bit channel; largest value of 16 bits

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # from the value of EXIF tag 0x0112 to what turns the image upright; source: EXIF 2.3
_SIDEWAYS = {_TURNS[value] for value in (5, 6, 7, 8)}


@dataclass(frozen=True)
class Picture:
    """An upright, opaque picture, at most 1600 pixels wide and high.

    Attributes:
        pixels: uint8, (H, W) grey or (H, W, 3) RGB.
        width: Width of the upright original in pixels, at least W.
        height: Height of the upright original in pixels, at least H.
        notes: Sentences for the user about what was not read, or how the picture was treated.
    """

    pixels: Pixels
    width: int
    height: int
    notes: tuple[str, ...] = ()


def decode(image: Image.Image, *, may_change: bool) -> Picture:
    """Convert the first frame of an image to a picture.

    Args:
        image: Image that Pillow has opened.
        may_change: If True, a JPEG is decoded faster, but `image` changes.

    Returns:
        The upright, opaque picture, made smaller if it is large.
    """
    width, height = image.size
    notes = _notes(image)
    if may_change:
        image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
    image.load()  # Pillow turns a TIFF upright itself while it loads, and then removes the orientation
    turn = _orientation(image)
    image = _opaque(_eight_bits(image))
    if max(image.size) > WORKING_SIDE:
        scale = WORKING_SIDE / max(image.size)
        smaller = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(smaller, Image.Resampling.BOX)
    if turn is not None:  # FLIP_LEFT_RIGHT is 0
        image = image.transpose(turn)
    if turn in _SIDEWAYS:
        width, height = height, width
    return Picture(_grey_if_colourless(np.asarray(image)), width, height, notes)


def _notes(image: Image.Image) -> tuple[str, ...]:
    """Return a sentence about the pages that are not read; none if there are none."""
    # The further pictures of an MPO file are previews and depth maps, which a phone adds to a photo.
    # Whoever gives a Pillow image at another frame than the first has chosen that frame.
    if image.format == "MPO" or not getattr(image, "is_animated", False) or image.tell() > 0:
        return ()
    kind = "page" if image.format == "TIFF" else "frame"
    return (
        f"only the first {kind} was read, but the file has more; save each {kind} as a picture of its own",
    )


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """Return the turn that makes an image upright; None if not needed."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow's parser raises errors of many types for broken EXIF data
        return None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Convert an image to mode L, RGB or RGBA."""
    if image.mode in ("L", "RGB", "RGBA"):
        return image
    # Images of 16 and 32 bits are scaled to 0..255. Pillow's own conversion would clip them at 255.
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_scaled_to_bytes(np.asarray(image)))
    if image.mode == "1":
        return image.convert("L")
    transparent = image.has_transparency_data or image.mode in ("LA", "La", "PA", "RGBa")
    return image.convert("RGBA" if transparent else "RGB")


def _scaled_to_bytes(values: npt.NDArray[Any]) -> Pixels:
    """Scale the values (H, W) of an image to 0..255.

    Args:
        values: Any type. 16-bit values are scaled from 0..65535, others from minimum and maximum.

    Returns:
        uint8 (H, W).
    """
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:  # uint16 of both byte orders
        return np.asarray((values.astype(np.uint32) + np.uint32(128)) // np.uint32(257), dtype=np.uint8)
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    if values.dtype.kind == "i" and low >= 0 and high <= WHITE_16:
        low, high = 0.0, float(WHITE_16)
    return np.asarray((numbers - low) * (255.0 / max(high - low, 1e-20)) + 0.5, dtype=np.uint8)


def _opaque(image: Image.Image) -> Image.Image:
    """Put a transparent image on white or black paper."""
    if image.mode != "RGBA":
        return image
    alpha = np.asarray(image.getchannel("A"))
    if alpha.min() == OPAQUE:
        return image.convert("RGB")
    grey = np.asarray(image.convert("RGB").convert("L"))
    # The paper is black if the visible part of the image is light.
    visible = alpha > HALF
    light = bool(visible.any()) and float(grey[visible].mean()) > HALF
    paper = Image.new("RGBA", image.size, "black" if light else "white")
    return Image.alpha_composite(paper, image).convert("RGB")


def _grey_if_colourless(pixels: Pixels) -> Pixels:
    """Reduce grey RGB pixels to one channel.

    Args:
        pixels: uint8, (H, W) or (H, W, 3).

    Returns:
        (H, W) if the three channels are equal; otherwise `pixels`.
    """
    # Later steps are faster with one channel.
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        return np.ascontiguousarray(pixels[..., 0])
    return pixels
