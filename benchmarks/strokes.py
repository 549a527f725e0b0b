"""Measure how many drawings of numbers are read right: strokes of a pen, as people draw them in the page.

    python benchmarks/strokes.py                 # 200 drawings of each kind
    python benchmarks/strokes.py --count 50 --seed 7 --wrong

The drawings are made in code from digits.data.digit_styles, so that everybody can make them again. A writer
has one style for each digit, one slant, size and spacing. No limit is chosen on the seeds 0 to 9.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.random import Generator

from digits.data.digit_styles import STYLES, Path, Style
from digits.data.pen import Points
from digits.data.synthetic import handwritten
from digits.reading.reader import Reader

Drawing: TypeAlias = tuple[list[Points], str]  # strokes and the text that they show


def four_apart(rng: Generator) -> Path:
    """Return a 4 whose stem does not touch its first stroke."""
    height, reach = rng.uniform(0.5, 0.7), rng.uniform(0.45, 0.6)
    first = [(rng.uniform(0.1, 0.3), 0.0), (0.05, height), (0.05, height), (reach, height)]
    x = reach + rng.uniform(0.04, 0.16)
    return [first, [(x, rng.uniform(0.0, 0.35)), (x + rng.uniform(-0.04, 0.04), 1.0)]]


def five_apart(rng: Generator) -> Path:
    """Return a 5 whose bar does not touch its body."""
    gap = rng.uniform(0.03, 0.14)
    body = [(0.12, 0.05), (0.1, 0.4), (0.1, 0.4), (0.4, 0.38), (0.65, 0.68), (0.4, 1.0), (0.05, 0.92)]
    return [body, [(0.12 + gap, 0.03), (rng.uniform(0.5, 0.75), rng.uniform(-0.05, 0.05))]]


def eight_of_rings(rng: Generator) -> Path:
    """Return an 8 of two rings that hardly touch."""
    middle, gap = rng.uniform(0.42, 0.5), rng.uniform(-0.02, 0.06)

    def ring(top: float, bottom: float, wide: float) -> list[tuple[float, float]]:
        angles = np.radians(np.linspace(-90, 275, 12))
        y, high = (top + bottom) / 2, (bottom - top) / 2
        return [(0.4 + wide * math.cos(a), y + high * math.sin(a)) for a in angles]

    return [
        ring(0.0, middle - gap / 2, rng.uniform(0.18, 0.26)),
        ring(middle + gap / 2, 1.0, rng.uniform(0.22, 0.32)),
    ]


def one_with_base_apart(rng: Generator) -> Path:
    """Return a 1 whose base does not touch its stem."""
    low = 1.0 + rng.uniform(0.02, 0.1)
    return [
        [(0.25, 0.2), (0.5, 0.0), (0.5, 0.0), (0.5, 1.0)],
        [(rng.uniform(0.1, 0.3), low), (rng.uniform(0.7, 0.9), low)],
    ]


APART: dict[int, Style] = {4: four_apart, 5: five_apart, 8: eight_of_rings, 1: one_with_base_apart}


class Writer:
    """Somebody who draws numbers in one hand."""

    def __init__(self, rng: Generator) -> None:
        """Choose style, slant, size, spacing and slope."""
        self.rng = rng
        self.height = float(rng.uniform(40, 160))
        self.lean, self.slope = rng.uniform(-0.15, 0.25), math.tan(math.radians(rng.normal(0, 2.5)))
        self.space = float(rng.uniform(-0.03, 0.4))
        self.styles = {
            digit: APART[digit]
            if digit in APART and rng.random() < 0.3
            else styles[int(rng.integers(len(styles)))]
            for digit, styles in STYLES.items()
        }

    def digit(self, digit: int) -> list[Points]:
        """Draw a digit of height 1 about the origin: x from 0, y from 0 to 1."""
        rng = self.rng
        strokes = handwritten(self.styles[digit](rng), rng)
        points = np.concatenate(strokes)
        low, high = points.min(axis=0), points.max(axis=0)
        size = rng.uniform(0.85, 1.12) / (high[1] - low[1])
        moved = [(stroke - (low[0], high[1])) * size for stroke in strokes]
        lean = self.lean
        return [np.column_stack([s[:, 0] - lean * s[:, 1], s[:, 1] + 1]) for s in moved]

    def sign(self, character: str) -> list[Points]:
        """Draw a sign beside digits of height 1."""
        rng = self.rng
        low = 1 - rng.uniform(0.0, 0.08)
        if character == ".":
            if rng.random() < 0.5:
                return [np.array([(0.0, low)])]
            side = rng.uniform(0.02, 0.08)
            return [np.array([(0, low), (side, low), (side, low + side), (0, low + side)])]
        if character == ",":
            return [np.array([(0.08, low), (0.06, low + 0.12), (0.0, low + rng.uniform(0.14, 0.24))])]
        if character == "-":
            middle, wide = rng.uniform(0.42, 0.6), rng.uniform(0.3, 0.6)
            return [
                np.array(
                    [(0.0, middle), (wide / 2, middle + 0.01), (wide, middle + rng.uniform(-0.05, 0.05))]
                )
            ]
        top, reach = rng.uniform(-0.25, -0.05), rng.uniform(0.35, 0.65)
        return [np.array([(reach, top), (reach / 2, 0.5 + top / 4), (0.0, 1 + rng.uniform(0.05, 0.25))])]

    def row(self, text: str, x: float, y: float) -> list[Points]:
        """Draw a row from (x, y), its upper left corner, in pixels."""
        strokes: list[Points] = []
        at = 0.0
        for character in text:
            drawn = self.digit(int(character)) if character.isdigit() else self.sign(character)
            left = min(float(s[:, 0].min()) for s in drawn)
            lift = self.rng.normal(0, 0.04)
            strokes += [
                np.column_stack([s[:, 0] - left + at, s[:, 1] + lift + self.slope * at]) for s in drawn
            ]
            at = (
                max(float(s[:, 0].max()) for s in strokes)
                + self.space * self.rng.uniform(0.6, 1.5)
                + (0.12 if not character.isdigit() else 0)
            )
        return [stroke * self.height + (x, y) for stroke in strokes]


def number(rng: Generator, low: int, high: int) -> str:
    """Return a random number of `low` to `high` digits."""
    return "".join(map(str, rng.integers(0, 10, rng.integers(low, high + 1))))


def rows(rng: Generator, count: int) -> Drawing:
    """Draw several rows of two to five digits."""
    writer, texts = Writer(rng), [number(rng, 2, 5) for _ in range(count)]
    pitch = writer.height * rng.uniform(1.3, 1.9)
    return [s for i, text in enumerate(texts) for s in writer.row(text, 0, i * pitch)], "\n".join(texts)


def one_row(text: str, rng: Generator) -> Drawing:
    """Draw one row."""
    return Writer(rng).row(text, 0, 0), text


def fraction(first: str, second: str, rng: Generator) -> Drawing:
    """Draw two numbers with a slash between them."""
    strokes, _ = one_row(f"{first}/{second}", rng)
    return strokes, f"{first} {second}"


KINDS: dict[str, Callable[[Generator], Drawing]] = {
    "1 digit": lambda rng: one_row(number(rng, 1, 1), rng),
    "2-4 digits": lambda rng: one_row(number(rng, 2, 4), rng),
    "5-8 digits": lambda rng: one_row(number(rng, 5, 8), rng),
    "two rows": lambda rng: rows(rng, 2),
    "three rows": lambda rng: rows(rng, 3),
    "point": lambda rng: one_row(f"{number(rng, 1, 3)}{rng.choice(['.', ','])}{number(rng, 1, 2)}", rng),
    "minus": lambda rng: one_row(f"-{number(rng, 1, 4)}", rng),
    "slash": lambda rng: fraction(number(rng, 1, 2), number(rng, 1, 2), rng),
}


def drawings(kind: str, count: int, seed: int) -> Iterator[Drawing]:
    """Make drawings of one kind."""
    for i in range(count):
        yield KINDS[kind](np.random.default_rng([seed, i, len(kind)]))


def main() -> None:
    """Print how many drawings of each kind are read right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=200, help="drawings of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong", action="store_true", help="print what was read wrong")
    options = parser.parse_args()
    reader = Reader.load("cnn")
    for kind in KINDS:
        right, start = 0, time.perf_counter()
        for i, (strokes, text) in enumerate(drawings(kind, options.count, options.seed)):
            found = reader.read_strokes(strokes).text
            right += found == text
            if options.wrong and found != text:
                print(f"  {i:3} {text!r} -> {found!r}")
        spent = (time.perf_counter() - start) / options.count
        print(
            f"{kind:12} {100 * right / options.count:5.1f} % right, {1000 * spent:.0f} ms a drawing",
            flush=True,
        )


if __name__ == "__main__":
    main()
