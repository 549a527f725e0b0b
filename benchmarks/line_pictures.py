"""Compose pictures of lines of writing, with their texts, to train the line recogniser.

A line is numbers, words, signs, drawings or nothing, by one random writer (`line_texts`, `line_glyphs`). The
ink's height is 28 of the 32 rows, as the reader brings every row of a page into this form.

The label of a digit or of a sign in `line_network.ALPHABET` is the character itself; that of a letter, a
drawing or another sign is OTHER. Rules, frames, dirt and the space between words have no label.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from line_glyphs import DIGITS, SIZE, Grey, Hand, Ink, MnistDigits, fonts_in, glyph, new_hand
from line_texts import Character, text
from numpy.random import Generator
from PIL import Image

from digits.networks.line_network import ALPHABET, INK_ROWS, OTHER, ROWS

Bounds: TypeAlias = tuple[
    int, int, int, int
]  # top, bottom, left and right of ink; bottom and right are not in it

CANVAS_ROWS, CANVAS_COLUMNS = 5 * SIZE, 44 * SIZE  # px; the canvas on which a line is composed
TOP = 2 * SIZE  # px; row of the canvas at which digits begin
WIDEST = 512  # px; a wider line is not used


@dataclass(frozen=True)
class Composer:
    """Makes lines.

    Attributes:
        mnist: MNIST's training digits.
        scripts: Font files of handwriting; none are needed.
    """

    mnist: MnistDigits
    scripts: tuple[Path, ...] = ()

    @staticmethod
    def of(images: Grey, labels: npt.NDArray[np.int64], fonts: Path | None) -> "Composer":
        """Make a composer from MNIST's training images (N, 28, 28), labels (N,), and a folder of fonts."""
        return Composer(MnistDigits.of(images, labels), fonts_in(fonts))

    def compose(self, rng: Generator) -> tuple[Grey, str]:
        """Compose one line.

        Returns:
            The picture, uint8 (32, W), white ink on black, and its label over ALPHABET.
        """
        while True:
            line = self.line(text(rng), rng)
            if line is None:
                continue
            picture, label = line
            if picture.shape[1] <= WIDEST and 2 * (picture.shape[1] // 4) >= 2 * len(label) + 1:
                return picture, label

    def line(self, characters: Sequence[Character], rng: Generator) -> tuple[Grey, str] | None:
        """Write characters by a random hand, on unclean paper; None if they do not fit the canvas."""
        letters = sum(c.text.isalpha() for c in characters) > len(characters) / 3
        hand = new_hand(rng, self.scripts, letters)
        canvas = np.zeros((CANVAS_ROWS, CANVAS_COLUMNS), np.float32)
        places = self._write(characters, hand, canvas, rng)
        if places is None:
            return None
        if not characters:
            paper = canvas[TOP : TOP + SIZE, SIZE : round(SIZE * rng.uniform(2, 7))]
            _add_dirt(paper, int(rng.integers(2, 40)), rng)
        bounds = _bounds(canvas)
        if bounds is None:
            return None
        canvas = canvas[:, : bounds[3] + SIZE]
        _add_lines(canvas, bounds, places, rng)
        if rng.random() < 0.04:
            self._add_neighbour(canvas, bounds, hand, rng)
        canvas = _worn(canvas, rng)
        label = "".join(label_of(c.text) for c in characters if c.text != " ")
        return _finished(canvas, _frame(canvas, bounds, rng), rng), label

    def _write(
        self, characters: Sequence[Character], hand: Hand, canvas: Ink, rng: Generator
    ) -> list[int] | None:
        """Write characters onto a canvas and return their columns; None if they do not fit."""
        right = np.full(CANVAS_ROWS, -(10**6))  # of each row: the last column with ink
        slope = rng.normal(0, 0.02) if rng.random() < 0.85 else rng.uniform(-0.12, 0.12)
        wave, phase = rng.uniform(0, 0.06) * SIZE, rng.uniform(0, 6.3)
        pitch = SIZE * rng.uniform(0.9, 1.5) if rng.random() < 0.06 else 0.0  # of form cells
        joined = rng.random() < 0.12  # zeros are written without lifting the pen
        end, space, places, before = SIZE, 0.0, list[int](), ""
        for character in characters:
            if character.text == " ":
                space += rng.uniform(0.45, 1.4) if rng.random() < 0.8 else rng.uniform(1.4, 3.5)
                continue
            base = TOP + SIZE + slope * end + wave * math.sin(end / SIZE + phase)
            found = glyph(character, hand, self.mnist, base, rng)
            if found is None:
                return None
            ink, top = found
            at = _next_column(ink, top, right, end, hand, space, rng)
            if pitch:
                at = max(at, round(SIZE + len(places) * pitch + max(0, (pitch - ink.shape[1]) / 2)))
            if top < 0 or top + len(ink) > CANVAS_ROWS or at + ink.shape[1] + SIZE > CANVAS_COLUMNS:
                return None
            part = canvas[top : top + len(ink), at : at + ink.shape[1]]
            np.maximum(part, ink, out=part)
            seen = ink > 0.35
            last = at + ink.shape[1] - 1 - seen[:, ::-1].argmax(1)
            rows = right[top : top + len(ink)]
            rows[:] = np.where(seen.any(1), np.maximum(rows, last), rows)
            if joined and before == character.text == "0":
                _join(canvas, (places[-1], at + ink.shape[1]), top, hand, rng)
            end, space, before = max(end, at + ink.shape[1]), 0.0, character.text
            places.append(at)
        return places

    def _add_neighbour(self, canvas: Ink, bounds: Bounds, hand: Hand, rng: Generator) -> None:
        """Add pieces of digits of the line above or below."""
        top, bottom, left, right = bounds
        for _ in range(int(rng.integers(1, 4))):
            found = glyph(Character(DIGITS[int(rng.integers(10))]), hand, self.mnist, TOP + SIZE, rng)
            if found is None:
                continue
            ink, seen = found[0], round(SIZE * rng.uniform(0.05, 0.25))
            at = int(rng.integers(left, max(right, left + 1)))
            if rng.random() < 0.5:
                ink, y = ink[-seen:], max(top - round(seen * rng.uniform(0.3, 1.3)), 0)
            else:
                ink, y = ink[:seen], bottom - round(seen * rng.uniform(0.0, 0.5))
            part = canvas[y : y + len(ink), at : at + ink.shape[1]]
            np.maximum(part, ink[: len(part), : part.shape[1]], out=part)


def label_of(character: str) -> str:
    """Return the label of one character."""
    return character if character in ALPHABET and character != OTHER else OTHER


def _next_column(
    ink: Ink, top: int, right: npt.NDArray[np.int64], end: int, hand: Hand, space: float, rng: Generator
) -> int:
    """Return the column at which a character begins: its ink keeps the hand's gap from the ink before it."""
    gap = SIZE * (hand.gap + rng.normal(0, 0.05 if hand.kind != "print" else 0.0) + space)
    if hand.gap > 0.4:
        gap *= rng.uniform(0.6, 1.4)
    seen = ink > 0.35
    first = np.where(seen.any(1), seen.argmax(1), 10**6)
    if top < 6 or top + len(ink) + 6 > len(right):
        return end
    near = np.maximum.reduce([right[top + k : top + k + len(ink)] for k in (-6, -3, 0, 3, 6)])
    touching = int((near - first).max())  # the column at which the nearest rows would just meet
    at = max(touching, end - round(0.3 * SIZE) - ink.shape[1] // 3) if touching > -(10**5) else end
    return max(round(at + 1 + gap), 0)


def _join(canvas: Ink, columns: tuple[int, int], top: int, hand: Hand, rng: Generator) -> None:
    """Draw a stroke from one zero to the next, near their tops."""
    left, right = columns
    start, end = (
        left + rng.uniform(0.3, 0.6) * (right - left) / 2,
        right - rng.uniform(0.3, 0.6) * (right - left) / 2,
    )
    across = np.linspace(start, end, 24)
    bow = rng.uniform(-0.05, 0.2) * SIZE * np.sin(np.linspace(0, math.pi, 24))
    high = top + rng.uniform(0.02, 0.3) * SIZE + bow + np.linspace(0, rng.normal(0, 0.06) * SIZE, 24)
    thick = max(round(hand.pen * SIZE * 0.8), 2)
    for x, y in zip(across.astype(int).tolist(), high.astype(int).tolist(), strict=True):
        canvas[max(y, 0) : y + thick, x : x + thick] = 1


def _bounds(canvas: Ink) -> Bounds | None:
    """Return top, bottom, left and right of the ink; None without ink."""
    columns = np.flatnonzero(canvas.max(0) > 0.3)
    if not len(columns):
        return None
    rows = np.flatnonzero(canvas[:, columns[0] : columns[-1] + 1].max(1) > 0.3)
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


# ------------------------------------------------------------------------------- what else is on the paper


def _add_lines(canvas: Ink, bounds: Bounds, places: list[int], rng: Generator) -> None:
    """Add what is left of ruled lines, hatching, form cells and the edges of sheets."""
    if rng.random() < 0.13:
        _add_rule(canvas, bounds, rng)
    if rng.random() < 0.035:
        _add_hatching(canvas, bounds, rng)
    if len(places) > 1 and rng.random() < 0.05:
        _add_walls(canvas, bounds, places, rng)
    if rng.random() < 0.025:
        _add_edge(canvas, bounds, rng)


def _add_rule(canvas: Ink, bounds: Bounds, rng: Generator) -> None:
    """Add a rule near the base, whole or in pieces."""
    _, bottom, _, right = bounds
    y, strength = round(rng.uniform(bottom - 0.2 * SIZE, bottom + 0.1 * SIZE)), rng.uniform(0.4, 1.0)
    tilt, thick = rng.normal(0, 0.01), rng.uniform(0.02, 0.08) * SIZE
    pieces = 1 if rng.random() < 0.5 else int(rng.integers(2, 7))
    for _ in range(pieces):
        start = round(rng.uniform(0, right))
        stop = start + round(rng.exponential(1.5) * SIZE)
        if pieces == 1 and rng.random() < 0.5:
            stop = canvas.shape[1]
        _add_bar(canvas, y, start, stop, tilt, thick, strength)


def _add_hatching(canvas: Ink, bounds: Bounds, rng: Generator) -> None:
    """Add a pattern against forgery: many thin, level, broken lines."""
    top, bottom, left, right = bounds
    step, strength = rng.uniform(0.08, 0.3) * SIZE, rng.uniform(0.25, 0.9)
    for y in np.arange(top - 0.1 * SIZE, bottom + 0.1 * SIZE, step).tolist():
        for _ in range(int(rng.integers(0, 5))):
            start = round(rng.uniform(left - SIZE / 2, right))
            stop = start + round(rng.exponential(0.8) * SIZE)
            _add_bar(canvas, round(y), start, stop, 0.0, 1.6, strength)


def _add_walls(canvas: Ink, bounds: Bounds, places: list[int], rng: Generator) -> None:
    """Add some of the walls of form cells, each before a character or behind the last one."""
    top, bottom, left, right = bounds
    thick, strength = max(1, round(SIZE * rng.uniform(0.02, 0.07))), rng.uniform(0.4, 1.0)
    for x in [max(left - SIZE // 6, 0), *(place - thick - 2 for place in places[1:]), right + SIZE // 3]:
        if rng.random() < 0.4:
            above, below = rng.uniform(0.12, 0.5, 2) * SIZE  # taller than a digit: it must not look like a 1
            part = canvas[max(round(top - above), 0) : round(bottom + below), max(x, 0) : x + thick]
            np.maximum(part, strength, out=part)


def _add_edge(canvas: Ink, bounds: Bounds, rng: Generator) -> None:
    """Add the edge of a sheet: a bar before or behind the digits, much taller than they are."""
    top, bottom, left, right = bounds
    thick, high = round(SIZE * rng.uniform(0.05, 0.3)), SIZE * rng.uniform(0.5, 1.2)
    x = max(left - SIZE // 2 - thick, 0)
    if rng.random() < 0.7:
        x = right + round(SIZE * rng.uniform(0.1, 0.5))
    part = canvas[max(round(top - high), 0) : round(bottom + high * rng.uniform(0.3, 1)), x : x + thick]
    np.maximum(part, rng.uniform(0.3, 1.0, (len(part), 1)).astype(np.float32), out=part)


def _add_bar(canvas: Ink, y: int, start: int, stop: int, tilt: float, thick: float, strength: float) -> None:
    """Add a nearly level bar, in steps of a quarter of a digit's height."""
    for x in range(max(start, 0), min(stop, canvas.shape[1]), SIZE // 4):
        row = max(y + round(tilt * x), 0)
        part = canvas[row : row + max(1, round(thick)), x : min(x + SIZE // 4, stop)]
        np.maximum(part, strength, out=part)


def _add_dirt(canvas: Ink, count: int, rng: Generator) -> None:
    """Add specks of up to 3 × 3 px."""
    for _ in range(count):
        y, x = int(rng.integers(len(canvas))), int(rng.integers(max(canvas.shape[1] - 3, 1)))
        canvas[y : y + int(rng.integers(1, 4)), x : x + int(rng.integers(1, 4))] = rng.uniform(0.3, 1)


def _worn(canvas: Ink, rng: Generator) -> Ink:
    """Change the ink as pens, paper and the removal of rules do."""
    high, wide = canvas.shape
    if rng.random() < 0.08:  # strokes with gaps
        noise = Image.fromarray((rng.random((high // 4, wide // 4)) * 255).astype(np.uint8))
        smooth = np.asarray(noise.resize((wide, high), Image.Resampling.BILINEAR), np.float32) / 255
        canvas = canvas * np.clip((smooth - rng.uniform(0.1, 0.3)) * 6, 0, 1)
    if rng.random() < 0.06:  # a rule was taken away
        y, thick = round(TOP + SIZE * rng.uniform(0.0, 1.1)), int(rng.integers(1, 4))
        start = 0 if rng.random() < 0.6 else int(rng.integers(wide))
        canvas[y : y + thick, start:] = 0
    if rng.random() < 0.15:
        _add_dirt(canvas[TOP : TOP + SIZE], int(rng.integers(1, 12)), rng)
    return canvas


def _frame(canvas: Ink, bounds: Bounds, rng: Generator) -> Bounds:
    """Return the bounds of what the reader takes for the line; it may be cut off or have empty rows."""
    top, bottom, left, right = _bounds(canvas) or bounds
    cut = round((bottom - top) * rng.uniform(0.03, 0.12))
    chance = rng.random()
    if chance < 0.04:
        top += cut
    elif chance < 0.08:
        bottom -= cut
    elif chance < 0.13:  # a speck far above or below makes the digits small
        far = round((bottom - top) * rng.uniform(0.1, 0.8))
        top, bottom = (top - far, bottom) if rng.random() < 0.5 else (top, bottom + far)
    return top, bottom, left, right


def _finished(canvas: Ink, bounds: Bounds, rng: Generator) -> Grey:
    """Bring the ink of a line into 28 of 32 rows; it may be blurred as if written small."""
    top, bottom, left, right = bounds
    stretch = rng.uniform(0.97, 1.06) * INK_ROWS / (bottom - top)  # output px for each canvas px
    middle = (top + bottom) / 2 + rng.normal(0, 0.01) * (bottom - top)
    reach, margin, pad = ROWS / 2 / stretch, 3 / stretch, 3 * SIZE
    columns = max(8, math.ceil((right - left + 2 * margin) * stretch))
    picture = Image.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    padded = Image.new("L", (picture.width + 2 * pad, picture.height + 2 * pad), 0)
    padded.paste(picture, (pad, pad))
    box = (left - margin + pad, middle - reach + pad, right + margin + pad, middle + reach + pad)
    if rng.random() < 0.32:  # written or photographed small
        rows = float(rng.uniform(10, 30))
        small = (max(3, round(columns * rows / ROWS)), max(3, round(rows)))
        line = _noisy(padded.resize(small, Image.Resampling.BOX, box), rng)
        line = line.resize((columns, ROWS), Image.Resampling.BICUBIC)
    else:
        resampling = Image.Resampling.BOX if stretch < 0.8 else Image.Resampling.BILINEAR
        line = padded.resize((columns, ROWS), resampling, box)
    grey = np.asarray(line)
    ink = grey.astype(np.float32) / 255
    ink = np.clip((ink - 0.5) * math.exp(rng.uniform(-0.4, 1.2)) + 0.5 + rng.normal(0, 0.08), 0, 1)
    if rng.random() < 0.1:  # paper shows through
        ink = ink * np.clip(rng.normal(0.9, rng.uniform(0.05, 0.3), ink.shape), 0, 1)
    ink = np.where(grey < 8, 0, ink)
    if rng.random() < 0.25:
        ink = ink * rng.uniform(0.3, 1.0)
    return (np.clip(ink, 0, 1) * 255).astype(np.uint8)


def _noisy(picture: Image.Image, rng: Generator) -> Image.Image:
    """Return a picture after a compression with losses, one time in four."""
    if rng.random() >= 0.25:
        return picture
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=int(rng.integers(20, 80)))
    return Image.open(held)
