"""Draw figures that all have the same width, colours and font, with Matplotlib.

A figure is a white sheet, 1,000 pixels (px) wide, which is readable on a phone. A position (x, y) on it is
measured in px from its top left corner, x to the right and y downwards. `open_sheet` makes a figure with a
title, `write` and `draw_image` add texts and images, and `save_png` saves it.

The same figure gives the same bytes with the same version of Matplotlib. This module does not use pyplot,
which has global state, so several threads can draw at the same time.
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
PX_PER_POINT = DPI / 72  # px; a point, the unit of font sizes, is 1/72 inch
WIDTH = 1000  # px; width of a figure
MARGIN = 24  # px; free space at each edge of a figure
TITLE_HEIGHT = 48  # px; height of the title
LINE_HEIGHT = 28  # px; height of a line of the text below the title
HEADING_GAP = 24  # px; free space below this text
ROW_GAP = 28  # px; free space between two rows of images with captions
# Font sizes in points. 10 points are 22 px of the 1,000 px. A phone's screen is about 390 CSS px wide, so
# they appear there as 9 CSS px.
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 15.0, 10.5, 9.5
FONT = "DejaVu Sans"  # installed with Matplotlib, so figures look the same on every computer
# Sizes of the characters of this font, as fractions of the font size:
DIGIT_WIDTH = 0.64
LETTER_WIDTH = 0.54  # mean over the characters of an English sentence
CAPITAL_HEIGHT = 0.73  # of capital letters and digits
# Colours that colour-blind people can distinguish. Source: Okabe and Ito, "Color universal design", 2008.
# Figures show the meaning of a colour by position or by words, too.
BLUE, VERMILLION = "#0072B2", "#D55E00"
PALE_BLUE, PALE_VERMILLION = "#a6cfe6", "#f5b78e"
BLACK, GREY, LIGHT_GREY, PALE_GREY = "#222222", "#666666", "#d9d9d9", "#f4f4f2"


def save_png(figure: Figure, path: Path) -> None:
    """Save a figure as a PNG file, which replaces an existing file.

    If the program is stopped while it writes, the old file stays complete. The file contains no date and no
    version of Matplotlib, so the same figure gives the same bytes.

    Args:
        figure: the figure, made by `open_sheet`.
        path: the file to write.

    Raises:
        OSError: if the file cannot be written. Its attribute `filename` is the path.
    """
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    atomic_write(path, png.getvalue())


def open_sheet(title: str, text: str, body: float) -> tuple[Figure, Axes, float]:
    """Make a white figure with a title, a text below it, and free space below the text.

    Args:
        title: the title, one line.
        text: the text below the title. It is broken into lines.
        body: height of the free space in px.

    Returns:
        The figure; Axes that cover the whole figure, with x and y in px from its top left corner; and the y
        of the upper end of the free space.
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
    """Write a text on a figure.

    Matplotlib's mathematical notation is off, so a dollar sign is an ordinary character.

    Args:
        canvas: Axes with x and y in px, as `open_sheet` returns them.
        x: px; where the text begins, unless `ha` in `style` says otherwise.
        y: px; the middle of the capital letters, unless `va` in `style` says otherwise.
        text: may have several lines.
        size: font size in points.
        style: arguments of Matplotlib's `Axes.text`, such as `ha`, `va`, `weight` or `color`.
    """
    # With Matplotlib's va="center", the position would depend on letters that reach below the line, like g.
    if "va" not in style:
        y, style["va"] = y + CAPITAL_HEIGHT * size * PX_PER_POINT / 2, "baseline"
    look: dict[str, Any] = {"color": BLACK, "fontfamily": FONT, "parse_math": False, "linespacing": 1.25}
    canvas.text(x, y, text, fontsize=size, **(look | style))


def wrapped(text: str, size: float) -> str:
    """Return the text with line breaks, so that it fits between the margins.

    `size` is the font size in points.
    """
    return textwrap.fill(text, int((WIDTH - 2 * MARGIN) / (size * PX_PER_POINT * LETTER_WIDTH)))


def grid(n: int, columns: int, width: float, pitch: float, top: float) -> Iterator[tuple[int, float]]:
    """Yield the positions of images that are arranged in a grid between the margins.

    Args:
        n: number of images.
        columns: number of images in a row, at least 2.
        width: width of an image in px.
        pitch: distance from the top of a row to the top of the next row in px.
        top: y of the first row in px.

    Yields:
        The top left corner (x, y) of each image in px, row by row.
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
    """Draw an image with a frame on a figure.

    Args:
        canvas: Axes with x and y in px, as `open_sheet` returns them.
        x, y: top left corner of the image in px.
        pixels: (height, width), whose values get colours from `colours`; or colours, (height, width, 3).
        enlarged: width and height in px of each pixel of the image.
        colours: name of a Matplotlib colour map. With the default, 0 is white and 255 is black.
        limits: the values that get the first and the last colour of the map.
        frame: colour of the frame. Frames in other colours than the default are thicker.
    """
    height, width = (enlarged * size for size in pixels.shape[:2])
    extent = (x, x + width, y + height, y)
    look: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "extent": extent}
    canvas.imshow(pixels, colours, vmin=limits[0], vmax=limits[1], **look)
    thickness = 0.6 if frame == LIGHT_GREY else 2
    canvas.add_patch(Rectangle((x, y), width, height, fill=False, color=frame, linewidth=thickness))


def percent_number(fraction: float, decimals: int = 2) -> str:
    """Return a fraction from 0 to 1 in per cent as text, without the sign: 0.9876 gives "98.76".

    A fraction below 1 is never rounded up to "100.00": the result is at most "99.99".
    """
    return "100" if fraction == 1 else f"{min(100 * fraction, 100 - 0.1**decimals):.{decimals}f}"


def percent(fraction: float) -> str:
    """Return a fraction from 0 to 1 in per cent as text, with the sign: 0.9876 gives "98.76 %".

    NaN and infinity give "not a number".
    """
    return f"{percent_number(fraction)}\u202f%" if math.isfinite(fraction) else "not a number"


def whole_percent(fraction: float) -> str:
    """Return a probability as text in whole per cent: 0.987 gives "99 %", 0.003 gives "<1 %".

    A probability between 0.99 and 1 gives ">99 %".
    """
    if 0 < fraction < 0.01:
        return "<1\u202f%"
    if 0.99 < fraction < 1:
        return ">99\u202f%"
    return f"{100 * fraction:.0f}\u202f%"
