"""Draw the steps from a picture to its answer, as one figure.

The figure shows from top to bottom:

- the picture with its marks numbered (a mark is a candidate digit),
- the ink and the strokes,
- each mark as the network saw it, with its likeliest answers.

Matplotlib is needed. Lengths are pixels of the figure, unless a line names another unit. `y` points
downwards.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from digits.errors import DigitsError
from digits.figure_style import (
    BLUE,
    DIGIT_WIDTH,
    GREY,
    LIGHT_GREY,
    MARGIN,
    PALE_BLUE,
    PALE_GREY,
    PALE_VERMILLION,
    PX_PER_POINT,
    ROW_GAP,
    SMALL_SIZE,
    VERMILLION,
    WIDTH,
    draw_image,
    grid,
    open_sheet,
    save_png,
    whole_percent,
    write,
)
from digits.matplotlib_classes import Axes, Figure, Rectangle
from digits.mnist import CLASSES, SIDE
from digits.reading.decoding import Pixels
from digits.reading.results import BLANK, NO_DIGIT, UNCLEAR, Digit, Reading

Area: TypeAlias = tuple[float, float, float, float]  # left, top, width, height

PICTURE_SIZE = (WIDTH - 2 * MARGIN, 640)  # largest width and height of the drawn picture
STEP_SIZE = ((WIDTH - 3 * MARGIN) // 2, 400)  # largest width and height of a step; two are side by side
HEADING, SUBHEADING = 46, 30  # heights of a section's title and of the text line below a step's title
TITLE_MIDDLE = 12  # from the top of a title to its middle
SECTION_GAP = 40  # between two sections
CRISP_SCALE = 4  # pixels that are enlarged at least this much are drawn as squares
FRAME_WIDTH = 1.6  # points; thickness of lines

MARK_COLUMNS = 5  # number of marks side by side
MARK_SCALE, SOLE_MARK_SCALE = 6, 14  # enlargement of a mark's image, and of the only mark's
MARK_SIDE = MARK_SCALE * SIDE
MARK_TOP = 10  # between the section's title and the first row of marks
IMAGE_TOP, BARS_TOP, SOLE_BARS_TOP = 40, 48, 38  # image below verdict, bars around image, bars below verdict
BAR_HEIGHT, BAR_PADDING = 32, 6
MARK_ANSWERS = 3  # number of bars for each mark
ROW_PITCH = BARS_TOP + MARK_SIDE + MARK_ANSWERS * BAR_HEIGHT + ROW_GAP  # from one row of marks to the next
MAX_MARKS = 30  # if there are more, only those with the lowest probability are drawn
CROWDED, CROWDED_SIZE = 40, 0.65  # with more than 40 marks, numbers are smaller by this factor
TAG_HEIGHT, TAG_PADDING = 1.25, 10  # of a number's rectangle: height in font sizes, padding left plus right
MAX_TITLE = 36  # largest number of characters of the answer in the title

REASONS = {
    UNCLEAR: "Unclear: no digit is likely enough.",
    NO_DIGIT: "Not a digit: it looks like something else.",
}
NumberedDigit: TypeAlias = tuple[int, Digit]  # counted from 1 in reading order


def explain(reading: Reading, path: Path) -> None:
    """Draw the steps of a reading into a PNG file.

    Args:
        reading: Answer that was made with `explain=True`.
        path: The PNG file; an old file is replaced.

    Raises:
        DigitsError: if the file cannot be written.
    """
    try:
        save_png(explain_figure(reading), path)
    except OSError as error:
        raise DigitsError(
            f"could not write {path}: {error.strerror or error}; name another file with --explain"
        ) from error


def explain_figure(reading: Reading) -> Figure:
    """Draw the steps of a reading as a figure.

    Args:
        reading: Answer that was made with `explain=True`.

    Returns:
        The Matplotlib figure, not saved.
    """
    steps = [name for name in reading.steps if name != "picture"]
    marks = [(number, digit) for number, digit in enumerate(reading.digits, 1) if digit.reason != BLANK]
    shown = _least_certain(marks)
    size = _size_to_fit(reading.steps["picture"], PICTURE_SIZE)
    step_sizes = [_size_to_fit(reading.steps[name], STEP_SIZE) for name in steps]
    step_rows = [max(h for _, h in step_sizes[i : i + 2]) for i in range(0, len(steps), 2)]
    sections = [HEADING + size[1], *(HEADING + SUBHEADING + height for height in step_rows)]
    body = sum(sections) + SECTION_GAP * len(sections) + _height_of_marks(len(shown))
    figure, canvas, y = open_sheet(_title(reading), _summary(reading), body)

    _draw_picture(canvas, reading, marks, (MARGIN, y + HEADING, *size))
    y += sections[0] + SECTION_GAP
    for i, name in enumerate(steps):
        left = MARGIN + (STEP_SIZE[0] + MARGIN) * (i % 2)
        _draw_step(canvas, reading, name, (left, y + HEADING + SUBHEADING, *step_sizes[i]))
        if i % 2 == 1 or name == steps[-1]:
            y += sections[1 + i // 2] + SECTION_GAP
    _draw_marks(canvas, shown, len(reading.digits), y)
    return figure


def _least_certain(marks: Sequence[NumberedDigit]) -> list[NumberedDigit]:
    """Return the MAX_MARKS least probable marks, in reading order."""
    return sorted(sorted(marks, key=lambda mark: mark[1].probability)[:MAX_MARKS], key=lambda mark: mark[0])


def _title(reading: Reading) -> str:
    """Return the title of the figure with the accepted digits."""
    rows = reading.text.split("\n") if reading.text else []
    answer = " / ".join(rows)
    if len(answer) > MAX_TITLE:
        count = sum(digit.accepted for digit in reading.digits)
        return f"{count:,} digits read in {len(rows):,} line{'s' * (len(rows) > 1)}"
    return f"Read as {answer}" if answer else "No digit read"


def _summary(reading: Reading) -> str:
    """Return the line below the title with counts and reasons."""
    marks = [digit for digit in reading.digits if digit.reason != BLANK]
    size = f"{reading.width:,} × {reading.height:,} pixels"
    if not marks:
        return f"{size}: no ink that could be a digit."
    ink = "light ink on dark paper" if reading.light_ink else "dark ink on light paper"
    reasons = dict.fromkeys(REASONS[digit.reason] for digit in marks if digit.reason)
    accepted = sum(digit.accepted for digit in marks)
    found = "1 mark" if len(marks) == 1 else f"{len(marks):,} marks"
    return " ".join([f"{size}, {ink}; {found} found, {accepted:,} accepted.", *reasons])


def _size_to_fit(pixels: Pixels, largest: tuple[int, int]) -> tuple[int, int]:
    """Scale a picture's size to fit into another size.

    Args:
        pixels: (H, W) or (H, W, 3).
        largest: Largest width and height.

    Returns:
        Width and height with the proportions of the picture.
    """
    height, width = pixels.shape[:2]
    scale = min(largest[0] / width, largest[1] / height)
    # A large factor becomes a whole number, so that all pixels become squares of equal size.
    scale = int(scale) if scale >= CRISP_SCALE else scale
    return max(1, round(width * scale)), max(1, round(height * scale))


# ---------------------------------------------------------------------------------------------- the steps


def _draw_picture(canvas: Axes, reading: Reading, marks: Sequence[NumberedDigit], area: Area) -> None:
    """Draw the picture with a numbered frame around each mark."""
    write(canvas, MARGIN, area[1] - HEADING + TITLE_MIDDLE, "The picture, every mark numbered", weight="bold")
    _draw_pixels(canvas, reading.steps["picture"], area)
    size = SMALL_SIZE * (CROWDED_SIZE if len(reading.digits) > CROWDED else 1)
    for number, digit in marks:
        _draw_frame(canvas, number, digit, _area_of(digit, reading, area), size)


def _draw_pixels(canvas: Axes, pixels: Pixels, area: Area, *, inverted: bool = False) -> None:
    """Draw an image into an area.

    Args:
        canvas: Axes of the figure.
        pixels: uint8, (H, W) or (H, W, 3).
        area: Where the image is drawn.
        inverted: True to draw 0 as white.
    """
    x, y, width, height = area
    crisp = width >= CRISP_SCALE * pixels.shape[1]
    how = Image.Resampling.NEAREST if crisp else Image.Resampling.BICUBIC
    resized = np.asarray(Image.fromarray(pixels).resize((int(width), int(height)), how))
    draw_image(canvas, x, y, resized, 1, colours="gray_r" if inverted else "gray")


def _area_of(digit: Digit, reading: Reading, area: Area) -> Area:
    """Return the area of a digit's box in the figure.

    Args:
        digit: The digit with its box in the picture.
        reading: The answer with the size of the picture.
        area: Area of the whole picture in the figure.
    """
    across, down = area[2] / reading.width, area[3] / reading.height
    x, y, width, height = digit.box
    return area[0] + x * across, area[1] + y * down, width * across, height * down


def _draw_frame(canvas: Axes, number: int, digit: Digit, area: Area, size: float) -> None:
    """Draw a numbered frame around a mark.

    Args:
        canvas: Axes of the figure.
        number: Number of the mark.
        digit: Answer for the mark.
        area: Box of the mark in the figure.
        size: Font size of the number in points.
    """
    x, y, width, height = area
    colour = BLUE if digit.accepted else VERMILLION
    style = "solid" if digit.accepted else "dashed"
    frame = Rectangle((x - 2, y - 2), width + 4, height + 4, fill=False, color=colour)
    frame.set(linewidth=FRAME_WIDTH, linestyle=style)
    canvas.add_patch(frame)
    _draw_tag(canvas, number, max(x - 3, MARGIN), y - size * PX_PER_POINT * TAG_HEIGHT - 2, colour, size)


def _draw_tag(canvas: Axes, number: int, x: float, y: float, colour: str, size: float = SMALL_SIZE) -> None:
    """Draw a number in a rectangle with upper left corner (x, y)."""
    height = size * PX_PER_POINT * TAG_HEIGHT
    width = len(str(number)) * size * PX_PER_POINT * DIGIT_WIDTH + TAG_PADDING
    canvas.add_patch(Rectangle((x, y), width, height, color=colour, linewidth=0, zorder=3))
    text = {"color": "white", "weight": "bold", "ha": "center", "zorder": 4}
    write(canvas, x + width / 2, y + height / 2, str(number), size, **text)


def _draw_step(canvas: Axes, reading: Reading, name: str, area: Area) -> None:
    """Draw the picture of one step with its title.

    Args:
        canvas: Axes of the figure.
        reading: The answer with the pictures of the steps.
        name: Name of the step in `reading.steps`.
        area: Where the picture is drawn.
    """
    x, y = area[:2]
    titles = {
        "ink": ("Ink", f"{'lighter' if reading.light_ink else 'darker'} than the paper around it"),
        "strokes": ("Strokes", "no ruled lines or specks; rows underlined"),
    }
    title, text = titles.get(name, (name.capitalize(), ""))
    write(canvas, x, y - HEADING - SUBHEADING + TITLE_MIDDLE, title, weight="bold")
    write(canvas, x, y - SUBHEADING, text, SMALL_SIZE, color=GREY)
    _draw_pixels(canvas, reading.steps[name], area, inverted=True)
    if name == "strokes":
        written = [digit for digit in reading.digits if digit.reason != BLANK]
        for _, row in groupby(written, lambda digit: digit.row):
            _underline(canvas, [_area_of(digit, reading, area) for digit in row])


def _underline(canvas: Axes, areas: Sequence[Area]) -> None:
    """Draw a line below the marks of one row.

    Args:
        canvas: Axes of the figure.
        areas: Areas of the marks, from left to right.
    """
    xs = [x + width / 2 for x, _, width, _ in areas]
    ys = [y + height + 6 for _, y, _, height in areas]
    ends = ([areas[0][0], *xs, areas[-1][0] + areas[-1][2]], [ys[0], *ys, ys[-1]])
    canvas.plot(*ends, color=BLUE, linewidth=FRAME_WIDTH, solid_capstyle="round")
    canvas.plot(xs, ys, "o", color=BLUE, markersize=3)


# ---------------------------------------------------------------------------------------------- the marks


def _height_of_marks(count: int) -> float:
    """Return the height of the section that shows `count` marks."""
    if count <= 1:
        return count * (HEADING + SOLE_MARK_SCALE * SIDE)
    return HEADING + MARK_TOP + -(-count // MARK_COLUMNS) * ROW_PITCH - ROW_GAP


def _draw_marks(canvas: Axes, marks: Sequence[NumberedDigit], found: int, y: float) -> None:
    """Draw the images of the marks with their likeliest answers.

    Args:
        canvas: Axes of the figure.
        marks: The marks (candidate digits) to draw.
        found: Number of all marks in the picture.
        y: Top of the section.
    """
    if not marks:
        return
    which = f"; the {len(marks)} least probable of {found:,} marks" if found > len(marks) else ""
    write(canvas, MARGIN, y + TITLE_MIDDLE, f"What the network saw, and its answers{which}", weight="bold")
    if len(marks) == 1:
        _draw_sole_mark(canvas, *marks[0], y + HEADING)
        return
    places = grid(len(marks), MARK_COLUMNS, MARK_SIDE, ROW_PITCH, y + HEADING + MARK_TOP)
    for (x, top), (number, digit) in zip(places, marks, strict=True):
        _draw_verdict(canvas, number, digit, x, top + TITLE_MIDDLE, MARK_SIDE)
        draw_image(canvas, x, top + IMAGE_TOP, digit.image, MARK_SCALE, limits=(0, 1))
        _draw_answers(canvas, digit, x, top + BARS_TOP + MARK_SIDE, MARK_SIDE, MARK_ANSWERS)


def _draw_sole_mark(canvas: Axes, number: int, digit: Digit, top: float) -> None:
    """Draw the only mark large, with all its answers on the right."""
    draw_image(canvas, MARGIN, top, digit.image, SOLE_MARK_SCALE, limits=(0, 1))
    left = 2 * MARGIN + SOLE_MARK_SCALE * SIDE
    width = WIDTH - MARGIN - left
    _draw_verdict(canvas, number, digit, left, top + TITLE_MIDDLE, width)
    _draw_answers(canvas, digit, left, top + SOLE_BARS_TOP, width, CLASSES + 1)


def _draw_verdict(canvas: Axes, number: int, digit: Digit, x: float, y: float, width: float) -> None:
    """Write the number of a mark and its digit or reason.

    Args:
        canvas: Axes of the figure.
        number: Number of the mark.
        digit: Answer for the mark.
        x: Left end of the text.
        y: Middle of the text.
        width: Width of the text line.
    """
    colour = BLUE if digit.accepted else VERMILLION
    _draw_tag(canvas, number, x, y - SMALL_SIZE * PX_PER_POINT * TAG_HEIGHT / 2, colour)
    words = f"read as {digit.digit}" if digit.accepted else str(digit.reason)
    write(canvas, x + width, y, words, SMALL_SIZE, color=colour, weight="bold", ha="right")


def _draw_answers(canvas: Axes, digit: Digit, x: float, y: float, width: float, count: int) -> None:
    """Draw a bar for each of the likeliest answers.

    Args:
        canvas: Axes of the figure.
        digit: Answer for the mark.
        x: Left end of the bars.
        y: Top of the first bar.
        width: Width of a bar for probability 1.
        count: Number of bars, for digits and "no digit".
    """
    answers = [(probability, str(i)) for i, probability in enumerate(digit.probabilities)]
    answers.append((max(0.0, 1 - sum(digit.probabilities)), "no digit"))
    ranked = sorted(answers, key=lambda answer: -answer[0])[:count]
    best = PALE_BLUE if digit.accepted else PALE_VERMILLION
    for row, (probability, name) in enumerate(ranked):
        top, middle = y + row * BAR_HEIGHT, y + (row + 0.5) * BAR_HEIGHT
        height = BAR_HEIGHT - 4
        canvas.add_patch(Rectangle((x, top + 2), width, height, color=PALE_GREY, linewidth=0))
        colour = best if row == 0 else LIGHT_GREY
        canvas.add_patch(Rectangle((x, top + 2), width * probability, height, color=colour, linewidth=0))
        weight = "bold" if row == 0 and len(name) == 1 else "normal"
        write(canvas, x + BAR_PADDING, middle, name, SMALL_SIZE, weight=weight)
        write(canvas, x + width - BAR_PADDING, middle, whole_percent(probability), SMALL_SIZE, ha="right")
