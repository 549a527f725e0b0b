"""Convert an image that Pillow has opened to upright, opaque pixels of 8 bits."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels: TypeAlias = npt.NDArray[np.uint8]
WORKING_SIDE = 1600  # px; in a page of 50 handwritten lines digits are still 20 px high, as in MNIST
STRIP = 128  # rows of the result that are made at once
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


def decode(
    image: Image.Image,
    orientation: int,
    size: tuple[int, int] | None = None,
    check: Callable[[], None] = lambda: None,
) -> Picture:
    """Convert the first frame of an image to a picture.

    Args:
        image: Image that Pillow has opened.
        orientation: How the camera was held, value 1 to 8 of the EXIF tag.
        size: Width and height of the original, if `image` is a smaller copy.
        check: Called now and then; raises an error if the time for decoding is over.

    Returns:
        The upright, opaque picture, made smaller if it is large; without notes.
    """
    width, height = size or image.size
    image = _opaque(_shrunk(image, check))
    turn = _TURNS.get(orientation)
    if turn is not None:  # FLIP_LEFT_RIGHT is 0
        image = image.transpose(turn)
    if turn in _SIDEWAYS:
        width, height = height, width
    return Picture(_grey_if_colourless(np.asarray(image)), width, height)


def _shrunk(image: Image.Image, check: Callable[[], None]) -> Image.Image:
    """Convert an image to mode L, RGB or RGBA, with at most WORKING_SIDE pixels a side."""
    low_high = _range(image)
    if max(image.size) <= WORKING_SIDE:
        return _eight_bits(image, low_high)
    scale = WORKING_SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    if image.mode in ("L", "RGB"):
        return image.resize((width, height), Image.Resampling.BOX)
    # Other modes are converted strip by strip, since a whole copy of a large image takes too much memory.
    strips = []
    for top in range(0, height, STRIP):
        check()
        rows = min(STRIP, height - top)
        first, last = (row * image.height / height for row in (top, top + rows))
        strip = _eight_bits(_rows(image, int(first), math.ceil(last)), low_high)
        box = (0, first - int(first), image.width, last - int(first))
        strips.append(strip.resize((width, rows), Image.Resampling.BOX, box=box))
    whole = Image.new(strips[0].mode, (width, height))
    for number, strip in enumerate(strips):
        whole.paste(strip, (0, number * STRIP))
    return whole


def _rows(image: Image.Image, first: int, last: int) -> Image.Image:
    """Return the rows from `first` to `last`, exclusive, of an image."""
    return image.crop((0, first, image.width, min(last, image.height)))


def _range(image: Image.Image) -> tuple[float, float]:
    """Return the numbers that become 0 and 255 in an image of 32 bits; (0, 0) for other images."""
    if image.mode not in ("I", "F"):
        return 0.0, 0.0
    parts = [_numbers(_rows(image, top, top + STRIP)) for top in range(0, image.height, STRIP)]
    low, high = min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)
    # Integers that fit into 16 bits are taken for 16 bits: PNG files of that depth are opened so.
    return (0.0, float(WHITE_16)) if image.mode == "I" and low >= 0 and high <= WHITE_16 else (low, high)


def _numbers(image: Image.Image) -> npt.NDArray[np.float32]:
    """Return the values of an image of 32 bits as finite numbers (H, W)."""
    return np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0.0, neginf=0.0)


def _eight_bits(image: Image.Image, low_high: tuple[float, float]) -> Image.Image:
    """Convert an image to mode L, RGB or RGBA.

    Args:
        image: Any mode.
        low_high: The numbers that become 0 and 255 in an image of 32 bits.
    """
    if image.mode in ("L", "RGB", "RGBA"):
        return image
    # Images of 16 and 32 bits are scaled to 0..255. Pillow's own conversion would clip them at 255.
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)  # of either byte order
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        low, high = low_high
        scaled = (_numbers(image) - low) * (255.0 / max(high - low, 1e-20)) + 0.5
        return Image.fromarray(scaled.astype(np.uint8))
    if image.mode == "1":
        return image.convert("L")
    transparent = image.has_transparency_data or image.mode in ("LA", "La", "PA", "RGBa")
    return image.convert("RGBA" if transparent else "RGB")


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
