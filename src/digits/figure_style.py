"""The style of all figures: one width, one palette, one font; Matplotlib without pyplot.

A figure is a white sheet of 1,000 px width, legible on a phone. Positions on it are pixels from its top left
corner, so that images can be enlarged by whole numbers. The same values and the same Matplotlib give the
same bytes. Without pyplot there is no global state: threads can draw at the same time.
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

DPI = 160  # pixels per inch
PX_PER_POINT = DPI / 72  # a point, the unit of font sizes, is 1/72 inch
WIDTH, MARGIN = 1000, 24  # px, of a sheet
TITLE_HEIGHT, LINE_HEIGHT, HEADING_GAP = 48, 28, 24  # px: the title, a line of text, the space below both
ROW_GAP = 28  # px, between rows of images with captions
# Font sizes in points. A phone shows 1,000 px on a screen of about 390 CSS px, so 10 points appear as 9 px.
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 15.0, 10.5, 9.5
FONT = "DejaVu Sans"  # comes with Matplotlib, so figures look the same everywhere
# Measures of this font, as fractions of the font size:
DIGIT_WIDTH = 0.64
LETTER_WIDTH = 0.54  # mean over the characters of an English sentence
CAPITAL_HEIGHT = 0.73  # of capital letters and digits
# Colours that can be told apart with any colour vision: Okabe and Ito, "Color universal design", 2008. What a
# colour says is also said by position or by words.
BLUE, VERMILLION = "#0072B2", "#D55E00"
PALE_BLUE, PALE_VERMILLION = "#a6cfe6", "#f5b78e"
BLACK, GREY, LIGHT_GREY, PALE_GREY = "#222222", "#666666", "#d9d9d9", "#f4f4f2"


def save_png(figure: Figure, path: Path) -> None:
    """Save a figure as a PNG file, without the date or the version of Matplotlib in it.

    An interrupted write leaves no broken file. Raises OSError, with the path as its `filename`, if the file
    cannot be written.
    """
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    atomic_write(path, png.getvalue())


def open_sheet(title: str, text: str, body: float) -> tuple[Figure, Axes, float]:
    """Make a white figure with a title, a text below it, and below that free space `body` px high.

    Returns the figure; Axes that cover all of it, with x and y in px from the top left corner; and the y at
    which the free space begins.
    """
    lines = wrapped(text, TEXT_SIZE)
    top = MARGIN + TITLE_HEIGHT + LINE_HEIGHT * (lines.count("\n") + 1) + HEADING_GAP
    height = math.ceil(top + body + MARGIN)
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    canvas.set_axis_off()
    write(canvas, MARGIN, MARGIN, title, TITLE_SIZE, weight="bold", va="top")
    write(canvas, MARGIN, MARGIN + TITLE_HEIGHT, lines, color=GREY, va="top")
    return figure, canvas, top


def write(canvas: Axes, x: float, y: float, text: str, size: float = TEXT_SIZE, **style: Any) -> None:
    """Write a text that begins at x, with its capital letters centred on y.

    `size` is in points; `style` goes to Matplotlib's `Axes.text`, such as `ha`, `va`, `weight` or `color`. A
    dollar sign is written as it is: Matplotlib's mathematical notation is off.
    """
    if "va" not in style:  # Matplotlib's own "center" depends on whether the text has a g or p
        y, style["va"] = y + CAPITAL_HEIGHT * size * PX_PER_POINT / 2, "baseline"
    look: dict[str, Any] = {"color": BLACK, "fontfamily": FONT, "parse_math": False, "linespacing": 1.25}
    canvas.text(x, y, text, fontsize=size, **(look | style))


def wrapped(text: str, size: float) -> str:
    """Return the text with line breaks, so that it fits between the margins at `size` points."""
    return textwrap.fill(text, int((WIDTH - 2 * MARGIN) / (size * PX_PER_POINT * LETTER_WIDTH)))


def grid(n: int, columns: int, width: float, pitch: float, top: float) -> Iterator[tuple[int, float]]:
    """Yield the top left corners (x, y) of n tiles in rows that fill the space between the margins.

    `width` is that of a tile, `pitch` the distance from one row to the next and `top` the y of the first
    row, all in px.
    """
    gap = (WIDTH - 2 * MARGIN - columns * width) / (columns - 1)
    for i in range(n):
        yield round(MARGIN + i % columns * (width + gap)), top + i // columns * pitch


def draw_image(
    canvas: Axes,
    x: float,
    y: float,
    pixels: npt.NDArray[Any],
    enlarged: int,
    *,
    colours: str = "gray_r",
    limits: tuple[float, float] = (0, 255),
    frame: str = LIGHT_GREY,
) -> None:
    """Draw a framed image with its top left corner at (x, y).

    Args:
        pixels: (height, width) for a colour map, or (height, width, 3).
        enlarged: px of the sheet for each pixel of the image.
        colours: name of a Matplotlib colour map; the default is dark ink on white paper.
        limits: values that get the first and the last colour of the map.
        frame: colour of the frame; any but the default makes it thick.
    """
    height, width = (enlarged * size for size in pixels.shape[:2])
    extent = (x, x + width, y + height, y)
    look: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "extent": extent}
    canvas.imshow(pixels, colours, vmin=limits[0], vmax=limits[1], **look)
    thickness = 0.6 if frame == LIGHT_GREY else 2
    canvas.add_patch(Rectangle((x, y), width, height, fill=False, color=frame, linewidth=thickness))


def percent_number(fraction: float, decimals: int = 2) -> str:
    """Return a fraction in per cent, without the sign; "100" only if it is exactly 1."""
    return "100" if fraction == 1 else f"{min(100 * fraction, 100 - 0.1**decimals):.{decimals}f}"


def percent(fraction: float) -> str:
    """Return a fraction in per cent with two decimals and the sign, or "not a number"."""
    return f"{percent_number(fraction)}\u202f%" if math.isfinite(fraction) else "not a number"


def whole_percent(fraction: float) -> str:
    """Return a probability in whole per cent, or "<1 %" or ">99 %" near 0 and 1."""
    if 0 < fraction < 0.01:
        return "<1\u202f%"
    if 0.99 < fraction < 1:
        return ">99\u202f%"
    return f"{100 * fraction:.0f}\u202f%"
