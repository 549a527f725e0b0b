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

from digits.files import atomic_write
from digits.matplotlib_classes import Axes, Figure, FigureCanvasAgg, Rectangle

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
    """Save a figure as a PNG file.

    An old file is replaced only when the new one is complete.
    Equal figures give equal bytes.

    Args:
        figure: the figure, made by `open_sheet`.
        path: the file to write.

    Raises:
        OSError: if the file cannot be written.
    """
    png = io.BytesIO()
    # Without "Software", the file contains no date and no version of Matplotlib.
    figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    atomic_write(path, png.getvalue())


def open_sheet(title: str, text: str, body: float) -> tuple[Figure, Axes, float]:
    """Make a white figure with a title and a text.

    There is free space below the text.

    Args:
        title: one line.
        text: any length; it is broken into lines.
        body: height of the free space in px.

    Returns:
        The figure.
        Axes that cover it, with x and y in px from its top left corner.
        The y of the upper end of the free space in px.
    """
    lines = wrapped(text, TEXT_SIZE)
    top = MARGIN + TITLE_HEIGHT + LINE_HEIGHT * (lines.count("\n") + 1) + HEADING_GAP
    height = math.ceil(top + body + MARGIN)
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)  # Agg is Matplotlib's own renderer; it needs no window and no setting.
    canvas = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    canvas.set_axis_off()
    write(canvas, MARGIN, MARGIN, title, TITLE_SIZE, weight="bold", va="top")
    write(canvas, MARGIN, MARGIN + TITLE_HEIGHT, lines, color=GREY, va="top")
    return figure, canvas, top


def write(canvas: Axes, x: float, y: float, text: str, size: float = TEXT_SIZE, **style: Any) -> None:
    """Write a text on a figure.

    Args:
        canvas: axes with x and y in px, from `open_sheet`.
        x: left end of the text in px; `ha` can change that.
        y: middle of the capital letters in px; `va` can change that.
        text: one or more lines.
        size: font size in points.
        style: arguments of Matplotlib's `Axes.text`, such as `ha`, `va` or `color`.
    """
    # With Matplotlib's va="center", the position would depend on letters that reach below the line, like g.
    if "va" not in style:
        y, style["va"] = y + CAPITAL_HEIGHT * size * PX_PER_POINT / 2, "baseline"
    # With parse_math=False, a dollar sign is an ordinary character.
    look: dict[str, Any] = {"color": BLACK, "fontfamily": FONT, "parse_math": False, "linespacing": 1.25}
    canvas.text(x, y, text, fontsize=size, **(look | style))


def wrapped(text: str, size: float) -> str:
    """Add line breaks so that a text fits between the margins.

    Args:
        text: one line.
        size: font size in points.
    """
    return textwrap.fill(text, int((WIDTH - 2 * MARGIN) / (size * PX_PER_POINT * LETTER_WIDTH)))


def grid(n: int, columns: int, width: float, pitch: float, top: float) -> Iterator[tuple[int, float]]:
    """Yield the positions of images in a grid.

    Args:
        n: number of images.
        columns: number of images in a row, at least 2.
        width: width of an image in px.
        pitch: distance in px from the top of a row to the next top.
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
        canvas: axes with x and y in px, from `open_sheet`.
        x, y: top left corner of the image in px.
        pixels: values (height, width), or colours (height, width, 3).
        enlarged: width and height in px of each pixel of the image.
        colours: name of Matplotlib's colour map for values.
        limits: the values that get the first and the last colour of the map.
        frame: colour of the frame.
    """
    height, width = (enlarged * size for size in pixels.shape[:2])
    extent = (x, x + width, y + height, y)
    look: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "extent": extent}
    canvas.imshow(pixels, colours, vmin=limits[0], vmax=limits[1], **look)
    # A frame in another colour than the default is thicker.
    thickness = 0.6 if frame == LIGHT_GREY else 2
    canvas.add_patch(Rectangle((x, y), width, height, fill=False, color=frame, linewidth=thickness))


def percent_number(fraction: float, decimals: int = 2) -> str:
    """Return a fraction in per cent, without the sign.

    Example: 0.9876 gives "98.76". Only 1 gives "100".

    Args:
        fraction: from 0 to 1.
        decimals: number of digits after the point.
    """
    # A fraction just below 1 gives at most "99.99", so that "100" always means all.
    return "100" if fraction == 1 else f"{min(100 * fraction, 100 - 0.1**decimals):.{decimals}f}"


def percent(fraction: float) -> str:
    """Return a fraction in per cent, with the sign.

    Example: 0.9876 gives "98.76 %".

    Args:
        fraction: from 0 to 1; NaN and infinity give "not a number".
    """
    return f"{percent_number(fraction)}\u202f%" if math.isfinite(fraction) else "not a number"


def whole_percent(fraction: float) -> str:
    """Return a probability in whole per cent.

        0.987 gives "99 %"
        0.003 gives "<1 %"
        0.996 gives ">99 %"

    Args:
        fraction: from 0 to 1.
    """
    if 0 < fraction < 0.01:
        return "<1\u202f%"
    if 0.99 < fraction < 1:
        return ">99\u202f%"
    return f"{100 * fraction:.0f}\u202f%"
