"""What all pictures here look like: one width, one palette, one hand; Matplotlib without pyplot.

Without pyplot threads share nothing and nothing stays open. A sheet is as wide as a column of text and
legible on a phone. Positions are pixels of the finished picture from its top left corner, so that images are
enlarged by whole numbers. The same values give the same bytes, with the same versions.
"""

import io
import math
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from digits.files import atomic_write

DPI = 160  # pixels an inch
WIDTH, MARGIN = 1000, 24  # px
ROW_GAP = 28  # px, between rows of images with captions
# Sizes in points. A phone shows 1,000 px on about 390 of its own, so that 10 points arrive as 9 px.
TITLE, TEXT, SMALL = 15.0, 10.5, 9.5
POINT = DPI / 72  # px
GLYPH = 0.64  # width of a digit of DejaVu Sans, as a fraction of its size
CAPITAL = 0.73  # height of its capitals and digits
LETTER = 0.54  # mean width of a character in a sentence
FONT = "DejaVu Sans"  # comes with Matplotlib, so the picture is the same everywhere
# From the palette that people with any colour vision tell apart: Okabe and Ito, "Color universal design",
# 2008. What colour says, position or words say too.
BLUE, VERMILLION = "#0072B2", "#D55E00"
PALE_BLUE, PALE_VERMILLION = "#a6cfe6", "#f5b78e"
INK, GREY, LINE, PAPER = "#222222", "#666666", "#d9d9d9", "#f4f4f2"
Array = npt.NDArray[Any]


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure, whole or not at all, without date or version in it."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    atomic_write(path, png.getvalue())


def open_sheet(title: str, text: str, body: float) -> tuple[Figure, Axes, float]:
    """A white figure with its heading and room for `body` px; a canvas over all of it; where the body starts.

    The canvas counts in px, x to the right and y downwards.
    """
    lines = wrapped(text, TEXT)
    top = MARGIN + 48 + 28 * (lines.count("\n") + 1) + 24
    height = math.ceil(top + body + MARGIN)
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    canvas.set_axis_off()
    write(canvas, MARGIN, MARGIN, title, TITLE, weight="bold", va="top")
    write(canvas, MARGIN, MARGIN + 48, lines, color=GREY, va="top")
    return figure, canvas, top


def write(canvas: Axes, x: float, y: float, text: str, size: float = TEXT, **style: Any) -> None:
    """Text from x on, its capitals centred on y, unless styled otherwise; `$` has no meaning in it."""
    if "va" not in style:  # Matplotlib's own centre moves with the tails of g and p
        y, style["va"] = y + CAPITAL * size * POINT / 2, "baseline"
    look: dict[str, Any] = {"color": INK, "fontfamily": FONT, "parse_math": False, "linespacing": 1.25}
    canvas.text(x, y, text, fontsize=size, **(look | style))


def wrapped(text: str, size: float) -> str:
    """Text in lines that fit between the margins."""
    return textwrap.fill(text, int((WIDTH - 2 * MARGIN) / (size * POINT * LETTER)))


def grid(n: int, columns: int, width: float, pitch: float, top: float) -> Iterator[tuple[int, float]]:
    """Top left corners of n tiles, spread between the margins."""
    gap = (WIDTH - 2 * MARGIN - columns * width) / (columns - 1)
    for i in range(n):
        yield round(MARGIN + i % columns * (width + gap)), top + i // columns * pitch


def draw_image(
    canvas: Axes,
    x: float,
    y: float,
    pixels: Array,
    enlarged: int,
    *,
    colours: str = "gray_r",  # dark ink on white paper
    limits: tuple[float, float] = (0, 255),
    frame: str = LINE,
) -> None:
    """One image, enlarged and framed."""
    height, width = (enlarged * size for size in pixels.shape[:2])
    extent = (x, x + width, y + height, y)
    look: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "extent": extent}
    canvas.imshow(pixels, colours, vmin=limits[0], vmax=limits[1], **look)
    thickness = 0.6 if frame == LINE else 2
    canvas.add_patch(Rectangle((x, y), width, height, fill=False, color=frame, linewidth=thickness))


def hundredths(fraction: float, decimals: int = 2) -> str:
    """A fraction in per cent, without the sign; 100 is said of 1 only."""
    return "100" if fraction == 1 else f"{min(100 * fraction, 100 - 0.1**decimals):.{decimals}f}"


def percent(fraction: float) -> str:
    """A fraction in per cent, with the sign."""
    return f"{hundredths(fraction)}\u202f%" if math.isfinite(fraction) else "not a number"


def whole_percent(fraction: float) -> str:
    """A probability in the least room; 0 and 100 % are said of 0 and 1 only."""
    if 0 < fraction < 0.01:
        return "<1\u202f%"
    if 0.99 < fraction < 1:
        return ">99\u202f%"
    return f"{100 * fraction:.0f}\u202f%"
