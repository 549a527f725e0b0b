"""How a picture was read, step by step, as one picture to keep.

the picture, its marks numbered -> ink and strokes -> what the network saw of each mark, and how sure it is
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from digits.errors import DigitsError
from digits.figure_style import (
    BLUE,
    GLYPH,
    GREY,
    LINE,
    MARGIN,
    PALE_BLUE,
    PALE_VERMILLION,
    PAPER,
    POINT,
    ROW_GAP,
    SMALL,
    VERMILLION,
    WIDTH,
    draw_image,
    grid,
    open_sheet,
    save_png,
    whole_percent,
    write,
)
from digits.mnist import SIDE
from digits.reading.results import BLANK, NO_DIGIT, UNCLEAR, Digit, Reading

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]  # x, y, w, h in px of the sheet
LARGEST = (WIDTH - 2 * MARGIN, 640)  # px across and down for the picture
HALF = ((WIDTH - 3 * MARGIN) // 2, 400)  # px for each step below it
HEADING = 46  # px, of a section's name
GAP = 40  # px between sections
COLUMNS, ENLARGED, ANSWERS, BAR = 5, 6, 3, 32  # marks a row; px a pixel; bars a mark; px a bar
TILE = ENLARGED * SIDE  # px
PITCH = 48 + TILE + ANSWERS * BAR + ROW_GAP  # px from one row of marks to the next
SOLE = 14  # px a pixel, of a mark that is alone
CRISP = 4  # px a pixel from which on pixels are shown as squares
MOST = 30  # marks; of more, those are drawn that it was least sure of
CROWDED = 40  # marks, whose numbers have to be small
LONGEST = 36  # characters of the answer in the title
REASONS = {
    UNCLEAR: "Unclear: no digit is likely enough.",
    NO_DIGIT: "Not a digit: it looks like something else.",
}


def explain(reading: Reading, path: Path) -> None:
    """Save the steps of a reading that was made with `explain=True` as the PNG `path`."""
    try:
        save_png(explain_figure(reading), path)
    except OSError as error:
        raise DigitsError(
            f"could not write {path}: {error.strerror or error}; name another file with --explain"
        ) from error


def explain_figure(reading: Reading) -> Figure:
    """The picture with its marks, the steps, and each mark as the network saw it."""
    picture = reading.steps["picture"]
    steps = [name for name in reading.steps if name != "picture"]
    shown = _shown(reading.digits)
    size = _fitted(picture, LARGEST)
    step_sizes = [_fitted(reading.steps[name], HALF) for name in steps]
    step_rows = [max(h for _, h in step_sizes[i : i + 2]) for i in range(0, len(steps), 2)]
    text = _summary(reading)
    sections = [HEADING + size[1], *(HEADING + 30 + height for height in step_rows)]
    body = sum(sections) + GAP * len(sections) + _marks_height(len(shown))
    figure, canvas, y = open_sheet(_title(reading), text, body)

    write(canvas, MARGIN, y + 12, "The picture, every mark numbered", weight="bold")
    place = (MARGIN, y + HEADING, *size)
    _draw(canvas, picture, place)
    for number, digit in enumerate(reading.digits, 1):
        if digit.reason != BLANK:
            box = _placed(digit.box, reading, place)
            _number(canvas, number, digit, box, crowded=len(reading.digits) > CROWDED)
    y += sections[0] + GAP
    for i, name in enumerate(steps):
        left, top = MARGIN + (HALF[0] + MARGIN) * (i % 2), y + (HEADING + 30)
        _draw_step(canvas, reading, name, (left, top, *step_sizes[i]))
        if i % 2 == 1 or name == steps[-1]:
            y += sections[1 + i // 2] + GAP
    _draw_marks(canvas, shown, len(reading.digits), y)
    return figure


def _shown(digits: Sequence[Digit]) -> list[tuple[int, Digit]]:
    """The marks to show large, with their numbers: all that have ink, or those it was least sure of."""
    inked = [(number, digit) for number, digit in enumerate(digits, 1) if digit.reason != BLANK]
    return sorted(sorted(inked, key=lambda mark: mark[1].probability)[:MOST], key=lambda mark: mark[0])


def _title(reading: Reading) -> str:
    rows = reading.text.split("\n") if reading.text else []
    answer = " / ".join(rows)
    if len(answer) > LONGEST:
        return f"{len(answer.replace(' / ', '')):,} digits read in {len(rows):,} line{'s' * (len(rows) > 1)}"
    return f"Read as {answer}" if answer else "No digit read"


def _summary(reading: Reading) -> str:
    """What was found, and what the reasons for refusing mean."""
    marks = [digit for digit in reading.digits if digit.reason != BLANK]
    size = f"{reading.width:,} × {reading.height:,} pixels"
    if not marks:
        return f"{size}: no ink that could be a digit."
    ink = "light ink on dark paper" if reading.light_ink else "dark ink on light paper"
    reasons = dict.fromkeys(REASONS[digit.reason] for digit in marks if digit.reason)
    accepted = sum(digit.accepted for digit in marks)
    found = "1 mark" if len(marks) == 1 else f"{len(marks):,} marks"
    return " ".join([f"{size}, {ink}; {found} found, {accepted:,} accepted.", *reasons])


def _fitted(pixels: Pixels, largest: tuple[int, int]) -> tuple[int, int]:
    """Width and height in px of an image made as large as there is room; squares for pixels are all alike."""
    height, width = pixels.shape[:2]
    scale = min(largest[0] / width, largest[1] / height)
    scale = int(scale) if scale >= CRISP else scale
    return max(1, round(width * scale)), max(1, round(height * scale))


def _draw(canvas: Axes, pixels: Pixels, place: Box, *, inverted: bool = False) -> None:
    x, y, width, height = place
    crisp = width >= CRISP * pixels.shape[1]
    how = Image.Resampling.NEAREST if crisp else Image.Resampling.BICUBIC
    resized = np.asarray(Image.fromarray(pixels).resize((int(width), int(height)), how))
    draw_image(canvas, x, y, resized, 1, colours="gray_r" if inverted else "gray")


def _placed(box: tuple[int, int, int, int], reading: Reading, place: Box) -> Box:
    """A box of the original picture on the sheet."""
    across, down = place[2] / reading.width, place[3] / reading.height
    return place[0] + box[0] * across, place[1] + box[1] * down, box[2] * across, box[3] * down


def _number(canvas: Axes, number: int, digit: Digit, box: Box, *, crowded: bool) -> None:
    """A frame, and the mark's number on a tag at its upper left corner."""
    x, y, width, height = box
    colour = BLUE if digit.accepted else VERMILLION
    style = "solid" if digit.accepted else "dashed"
    size = SMALL * (0.65 if crowded else 1)
    canvas.add_patch(
        Rectangle(
            (x - 2, y - 2), width + 4, height + 4, fill=False, color=colour, linewidth=1.6, linestyle=style
        )
    )
    _tag(canvas, number, max(x - 3, MARGIN), y - size * POINT * 1.25 - 2, colour, size)


def _tag(canvas: Axes, number: int, x: float, y: float, colour: str, size: float = SMALL) -> float:
    """A number in white on colour, its top left corner at (x, y); returns its width in px."""
    height = size * POINT * 1.25
    width = len(str(number)) * size * POINT * GLYPH + 10
    canvas.add_patch(Rectangle((x, y), width, height, color=colour, linewidth=0, zorder=3))
    text = {"color": "white", "weight": "bold", "ha": "center", "zorder": 4}
    write(canvas, x + width / 2, y + height / 2, str(number), size, **text)
    return width


def _draw_step(canvas: Axes, reading: Reading, name: str, place: Box) -> None:
    x, y = place[:2]
    titles = {
        "ink": ("Ink", f"{'lighter' if reading.light_ink else 'darker'} than the paper around it"),
        "strokes": ("Strokes", "no rules or specks; lines underlined"),
    }
    title, text = titles.get(name, (name.capitalize(), ""))
    write(canvas, x, y - HEADING - 30 + 12, title, weight="bold")
    write(canvas, x, y - 30, text, SMALL, color=GREY)
    _draw(canvas, reading.steps[name], place, inverted=True)
    if name == "strokes":
        written = [digit for digit in reading.digits if digit.reason != BLANK]
        for _, row in groupby(written, lambda digit: digit.row):
            _underline(canvas, [_placed(digit.box, reading, place) for digit in row])


def _underline(canvas: Axes, boxes: Sequence[Box]) -> None:
    """The line of writing, below its marks from the first to the last, with a point for each."""
    xs = [x + width / 2 for x, _, width, _ in boxes]
    ys = [y + height + 6 for _, y, _, height in boxes]
    ends = ([boxes[0][0], *xs, boxes[-1][0] + boxes[-1][2]], [ys[0], *ys, ys[-1]])
    canvas.plot(*ends, color=BLUE, linewidth=1.6, solid_capstyle="round")
    canvas.plot(xs, ys, "o", color=BLUE, markersize=3)


def _marks_height(count: int) -> float:
    if count <= 1:
        return count * (HEADING + SOLE * SIDE)
    return HEADING + 10 + -(-count // COLUMNS) * PITCH - ROW_GAP


def _draw_marks(canvas: Axes, marks: Sequence[tuple[int, Digit]], found: int, y: float) -> None:
    """Each mark as the network saw it, with its likeliest answers; one alone gets the room of all."""
    if not marks:
        return
    which = f"; the {len(marks)} of {found:,} it was least sure of" if found > len(marks) else ""
    write(canvas, MARGIN, y + 12, f"What the network saw, and its answers{which}", weight="bold")
    if len(marks) == 1:
        _draw_sole(canvas, *marks[0], y + HEADING)
        return
    places = grid(len(marks), COLUMNS, TILE, PITCH, y + HEADING + 10)
    for (x, top), (number, digit) in zip(places, marks, strict=True):
        _verdict(canvas, number, digit, x, top + 12, TILE)
        draw_image(canvas, x, top + 40, digit.image, ENLARGED, limits=(0, 1))
        _bars(canvas, digit, x, top + 48 + TILE, TILE, ANSWERS)


def _draw_sole(canvas: Axes, number: int, digit: Digit, top: float) -> None:
    draw_image(canvas, MARGIN, top, digit.image, SOLE, limits=(0, 1))
    left = 2 * MARGIN + SOLE * SIDE
    width = WIDTH - MARGIN - left
    _verdict(canvas, number, digit, left, top + 12, width)
    _bars(canvas, digit, left, top + 38, width, 11)


def _verdict(canvas: Axes, number: int, digit: Digit, x: float, y: float, width: float) -> None:
    """The mark's number, and what became of it."""
    colour = BLUE if digit.accepted else VERMILLION
    _tag(canvas, number, x, y - SMALL * POINT * 0.625, colour)
    words = f"read as {digit.digit}" if digit.accepted else str(digit.reason)
    write(canvas, x + width, y, words, SMALL, color=colour, weight="bold", ha="right")


def _bars(canvas: Axes, digit: Digit, x: float, y: float, width: float, most: int) -> None:
    """The likeliest answers as bars; being none of the ten digits is one of them."""
    answers = [(chance, str(i)) for i, chance in enumerate(digit.probabilities)]
    answers.append((max(0.0, 1 - sum(digit.probabilities)), "no digit"))
    ranked = sorted(answers, key=lambda answer: -answer[0])[:most]
    for row, (chance, name) in enumerate(ranked):
        best = PALE_BLUE if digit.accepted else PALE_VERMILLION
        top, middle = y + row * BAR, y + (row + 0.5) * BAR
        canvas.add_patch(Rectangle((x, top + 2), width, BAR - 4, color=PAPER, linewidth=0))
        colour = best if row == 0 else LINE
        canvas.add_patch(Rectangle((x, top + 2), width * chance, BAR - 4, color=colour, linewidth=0))
        write(canvas, x + 6, middle, name, SMALL, weight="bold" if row == 0 and len(name) == 1 else "normal")
        write(canvas, x + width - 6, middle, whole_percent(chance), SMALL, ha="right")
