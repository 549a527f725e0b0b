"""Draw docs/pictures/reading.gif, the README's first picture: digits are written and read, stroke by stroke.

    python docs/readme_picture.py [FILE]

The digits are drawn here, point by point: no image of any data set is in the picture. What stands beside
them is what the bundled network answers while they are drawn.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from augmentation_pictures import STROKES, smooth
from PIL import Image, ImageDraw, ImageFont

from digits.data.pen import render
from digits.figure_style import whole_percent
from digits.mnist import CLASSES, SIDE
from digits.reading.options import THRESHOLD
from digits.reading.reader import Reader

FILE = Path(__file__).parent / "pictures" / "reading.gif"
TEXT = "349"
WIDTH, HEIGHT = 960, 400  # px
FINER = 3  # drawn this many times larger, then scaled down: smooth edges
STEP = 5  # points of a curve from one frame to the next
FRAME, LIFTED, DONE, END = 60, 240, 700, 3200  # ms: a frame; after a stroke, a digit, all of them
COLOURS = 128  # of the GIF
# The colours of the page of `digits serve`.
GROUND, SURFACE, LINE, SUNKEN = "#f6f5f1", "#fffefb", "#dcd9cf", "#edebe4"
INK, SOFT, ACCENT, PALE = "#1d1c1a", "#67635a", "#2b59c3", "#a9b9dc"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
PAPER = (24, 24, 524, 376)  # px, left, top, right, bottom
UNIT, PEN = 12.6, 15  # px: a unit of the strokes' box of 20 x 20, and the width of the drawn line
SEEN = (556, 96)  # px, left and top of what the network sees
ENLARGED = 5  # px a pixel of it
BARS = (750, 45, 120, 31)  # px: left of the bars, middle of the first, length of 100 %, distance

Points = npt.NDArray[np.float64]
Moment = tuple[list[list[Points]], int]  # strokes of every digit so far; how long they are shown, ms


def moments() -> list[Moment]:
    """What is on the paper from frame to frame."""
    found: list[Moment] = []
    done: list[list[Points]] = []
    for digit in TEXT:
        strokes: list[Points] = []
        for stroke in STROKES[digit]:
            points = smooth(stroke)
            for end in range(STEP, len(points), STEP):
                found.append(([*done, [*strokes, points[:end]]], FRAME))
            strokes.append(points)
            found.append(([*done, list(strokes)], LIFTED))
        done.append(strokes)
        found[-1] = (list(done), END if len(done) == len(TEXT) else DONE)
    return found


class Sheet:
    """A picture on which everything is placed in px of the finished size."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), GROUND)
        self.draw = ImageDraw.Draw(self.image)

    def card(self, box: Sequence[float], fill: str, outline: str | None = None, radius: float = 12) -> None:
        """A rectangle with round corners; `box` is left, top, right, bottom."""
        scaled = [value * FINER for value in box]
        self.draw.rounded_rectangle(scaled, radius * FINER, fill, outline, FINER)

    def curve(self, points: Points, width: float) -> None:
        """A round pen's line through points (N, 2)."""
        path, radius = points * FINER, width * FINER / 2
        self.draw.line([(x, y) for x, y in path], INK, round(2 * radius), "curve")
        for x, y in path:
            self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), INK)

    def write(
        self,
        at: tuple[float, float],
        text: str,
        size: float,
        colour: str = INK,
        *,
        bold: bool = False,
        anchor: str = "lm",
    ) -> None:
        """Text `size` px high at a point; `anchor` says which point of the text, in Pillow's letters."""
        font = ImageFont.truetype(FONTS / f"DejaVuSans{'-Bold' * bold}.ttf", size * FINER)
        self.draw.text((at[0] * FINER, at[1] * FINER), text, colour, font, anchor)

    def pixels(self, at: tuple[float, float], image: npt.NDArray[np.float32], enlarged: int) -> None:
        """An image (28, 28) in [0, 1], its pixels as squares."""
        size = SIDE * enlarged * FINER
        squares = Image.fromarray((image * 255).astype(np.uint8)).resize(
            (size, size), Image.Resampling.NEAREST
        )
        self.image.paste(squares, (round(at[0] * FINER), round(at[1] * FINER)))

    def finished(self) -> Image.Image:
        """The picture in its finished size."""
        return self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def frame(digits: list[list[Points]], reader: Reader) -> Image.Image:
    """The paper with the digits so far, what the network sees of the last one, and what it answers."""
    sheet = Sheet()
    sheet.card(PAPER, SURFACE, LINE)
    answers = [reader.probabilities(render(strokes)[None])[0] for strokes in digits]  # each (10,)
    names = [str(answer.argmax()) if answer.max() >= THRESHOLD else "?" for answer in answers]
    for number, (strokes, name) in enumerate(zip(digits, names, strict=True)):
        left, top = PAPER[0] + 10 + number * 156, PAPER[1] + 68
        for stroke in strokes:
            sheet.curve(stroke * (0.82 * UNIT, UNIT) + (left, top), PEN)
        sheet.write((left + 8.3 * UNIT, PAPER[1] + 40), name, 17, ACCENT, bold=True, anchor="mm")
    left, top = SEEN
    size = SIDE * ENLARGED
    sheet.write((left, top - 24), "what the network sees", 12.5, SOFT)
    sheet.card((left - 3, top - 3, left + size + 3, top + size + 3), "black", radius=6)
    sheet.pixels(SEEN, render(digits[-1]), ENLARGED)
    sheet.write((left, top + size + 70), "".join(names), 66, bold=True)
    bars(sheet, answers[-1])
    return sheet.finished()


def bars(sheet: Sheet, answer: npt.NDArray[np.floating]) -> None:
    """The probability of each digit and of "no digit", the highest one in colour; `answer` is (10,)."""
    left, middle, length, distance = BARS
    all_of_them = [*map(float, answer), 1 - float(answer.sum())]
    for row, p in enumerate(all_of_them):
        y, highest = middle + row * distance, p == max(all_of_them)
        sheet.write((left - 16, y), str(row) if row < CLASSES else "none", 14, bold=highest, anchor="rm")
        sheet.card((left, y - 6, left + length, y + 6), SUNKEN, radius=6)
        if p * length >= 12:  # px; shorter ones would be less than their round ends
            colour = ACCENT if highest and row < CLASSES else PALE
            sheet.card((left, y - 6, left + p * length, y + 6), colour, radius=6)
        sheet.write(
            (left + length + 60, y), whole_percent(p), 13, INK if highest else SOFT, bold=highest, anchor="rm"
        )


def main(file: Path) -> None:
    """Write the animation."""
    reader, shown = Reader.load("cnn"), moments()
    frames = [frame(digits, reader) for digits, _ in shown]
    palette = frames[-1].quantize(COLOURS, dither=Image.Dither.NONE)
    flat = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in frames]
    durations = [milliseconds for _, milliseconds in shown]
    flat[0].save(file, save_all=True, append_images=flat[1:], duration=durations, loop=0, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=FILE)
    main(parser.parse_args().file)
