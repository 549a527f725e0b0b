"""Digits on difficult paper: ruled, dirty, on a table, beside other things."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from digits.reading.components import extent
from support.strokefont import sheet, write

Pixels = npt.NDArray[np.uint8]


def jpeg(image: Image.Image, quality: int = 60) -> bytes:
    """Return the picture as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def lined(image: Image.Image, *, every: int = 40, squared: bool = False, ink: int = 120) -> Image.Image:
    """Add ruled or squared lines, `every` so many pixels, in a grey of `ink` (0 is black)."""
    image = image.copy()
    rules = Image.new("L", image.size, 255)
    draw = ImageDraw.Draw(rules)
    for y in range(every // 2, image.height, every):
        draw.line((0, y, image.width, y + 3), fill=ink, width=2)
    for x in range(every // 2, image.width if squared else 0, every):
        draw.line((x, 0, x - 2, image.height), fill=ink, width=2)
    darker = np.minimum(np.asarray(image), np.asarray(rules))
    return Image.fromarray(darker)


def with_specks(image: Image.Image) -> Image.Image:
    """Add 25 specks of dust."""
    image = image.copy()
    generator = np.random.default_rng(2)
    draw = ImageDraw.Draw(image)
    for x, y in generator.integers(0, (image.width, image.height), (25, 2)).tolist():
        draw.ellipse((x, y, x + 3, y + 3), fill=60)
    return image


def on_a_table(image: Image.Image) -> Image.Image:
    """Put the sheet on a dark table that is visible on two sides."""
    table = Image.new("L", (image.width + 60, image.height + 50), 50)
    table.paste(image, (0, 0))
    return table


def tight(digit: str, *, side: int, pen: float) -> Image.Image:
    """Return a digit cropped to its box, `side` pixels long, so that strokes touch the border."""
    large = sheet(digit, size=(700, 700), height=400, pen=pen)
    top, bottom, left, right = extent(np.asarray(large) < 128)
    scale = side / max(bottom - top, right - left)
    size = (round((right - left) * scale), round((bottom - top) * scale))
    return large.crop((left, top, right, bottom)).resize(size, Image.Resampling.BOX)


def beside_a_thumb(image: Image.Image) -> Image.Image:
    """Add a dark thumb, larger than the writing, that reaches in over the border."""
    image = image.copy()
    x, y = image.width, round(0.8 * image.height)
    ImageDraw.Draw(image).ellipse((x - 60, y - 40, x + 60, y + 40), fill=40)
    return image


def beside_a_cloth(image: Image.Image) -> Pixels:
    """Add a patterned cloth above the sheet, which almost touches the border."""
    cloth = Image.new("L", (image.width, 120), 225)
    draw = ImageDraw.Draw(cloth)
    generator = np.random.default_rng(1)
    for _ in range(60):
        x, y = generator.integers((6, 4), (image.width - 6, 90)).tolist()
        dx, dy = generator.integers((-60, 0), (60, 60)).tolist()
        draw.line((x, y, x + dx, min(94, y + dy)), fill=80, width=5)
    return np.concatenate([np.asarray(cloth), np.asarray(image)])


def on_a_card(image: Image.Image) -> Image.Image:
    """Put the sheet as a small card on a dark table that fills most of the picture."""
    table = Image.new("L", (2 * image.width, 3 * image.height), 30)
    table.paste(image, (image.width // 2, image.height))
    return table


def with_neighbours(digit: str) -> Image.Image:
    """Return a digit cut out of a page, with parts of its neighbours at the border."""
    paper = sheet(f"8{digit}6", size=(240, 220), height=100, space=0.4)
    write(paper, "3", (90, 190), 100)
    return paper


def broken(image: Image.Image) -> Image.Image:
    """Interrupt all strokes at two heights."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for row in (0.45, 0.6):
        y = round(row * image.height)
        draw.rectangle((0, y, image.width, y + 3), fill=255)
    return image
