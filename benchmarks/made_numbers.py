"""Measure how well made pictures of numbers are read: digits of MNIST's test images, on paper, in rows.

    python benchmarks/made_numbers.py [--each 80 --out FILE]

Nothing was learned or chosen from these digits and pictures. Each picture has one writer, who writes

    whole numbers    one to three rows of one number each
    signs            an amount, a negative number, a date, a time or a fraction
    far apart        two or three numbers on a row, with wide gaps between them
    framed           a number in a rectangle
    cells            a number in a row of form cells

The signs are drawn by the code that drew those of the line recogniser's training (`line_glyphs`). `text` is
right if all digits are, `numbers` if every number is right as a unit: with its point and its minus, and
separated from the others. Prints the figures and writes benchmarks/results/made-numbers.json.
"""

import argparse
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from figures import circumstances
from handwriting import RESULTS, Outcome, Sample, SetFigures, figures_of, measure, report, save
from line_glyphs import SIZE, Grey, Hand, Ink, MnistDigits, glyph, new_hand
from line_texts import Character
from numpy.random import Generator
from PIL import Image, ImageFilter

from digits.data import loading
from digits.reading.reader import Reader

SEED = 14
ALL_MADE = "made numbers"
MARGIN = round(1.2 * SIZE)  # px of empty paper around the writing, at least
ROWS_OF_LINE = 3 * SIZE  # px; the base is at 2 * SIZE
Paper: TypeAlias = tuple[Ink, tuple[str, ...]]  # ink in [0, 1], and the rows of text


def numbers_in(row: str) -> list[str]:
    """Return the numbers of a row: a point or comma between digits belongs to one, a minus before it, too."""
    return re.findall(r"(?:(?<!\d)-)?\d+(?:[.,]\d+)*", row)


def _number(rng: Generator, least: int = 2, most: int = 7) -> str:
    return "".join(map(str, rng.integers(0, 10, int(rng.integers(least, most + 1)))))


def _with_signs(rng: Generator) -> str:
    n = _number(rng, 12, 12)
    texts = (
        f"{int(n[:3])}.{n[3:5]}",
        f"{int(n[:2]) + 1},{n[3:6]}.{n[6:8]}",
        f"-{int(n[:3])}",
        f"-{n[0]}.{n[1]}",
        f"{n[:2]}/{n[2:4]}/{n[4:8]}",
        f"{n[:4]}-{n[4:6]}-{n[6:8]}",
        f"{n[:2]}:{n[2:4]}",
        f"{int(n[:2])}/{int(n[2:4])}",
        f"({n[:3]}) {n[3:6]}-{n[6:10]}",
        f"{int(n[:3])},{n[3:5]}",
    )
    return texts[int(rng.integers(len(texts)))]


# ------------------------------------------------------------------------------------------------ writing


def writer(rng: Generator) -> Hand:
    """Invent a writer of MNIST's digits whose digits do not overlap much."""
    hand = new_hand(rng, (), words=False)
    gap = float(rng.uniform(-0.02, 0.4))
    return replace(
        hand,
        kind="mnist",
        drawn=frozenset(),
        boxy=False,
        gap=gap,
        pen=float(rng.uniform(0.03, 0.2)),
        slant=float(rng.normal(0.06, 0.12)),
        width=math.exp(rng.normal(0, 0.12)),
        uneven=float(rng.uniform(0.02, 0.12)),
        rough=0.01,
    )


def written(text: str, hand: Hand, mnist: MnistDigits, rng: Generator, pitch: float = 0.0) -> Ink:
    """Write a row of characters; a space is a gap of three to six heights.

    Args:
        text: The row.
        hand: Who writes.
        mnist: Digits to choose from.
        rng: Source of all random numbers.
        pitch: Width in px of the form cells in whose middles the characters stand; 0 without cells.

    Returns:
        Ink (3 * SIZE, W) in [0, 1]; a form cell begins at each multiple of `pitch`.
    """
    ink = np.zeros((ROWS_OF_LINE, 4 * SIZE * (len(text) + 6 * text.count(" ") + 2)), np.float32)
    end, slope = 0.0, rng.normal(0, 0.012)
    for place, character in enumerate(text):
        if character == " ":
            end += SIZE * rng.uniform(3, 6)
            continue
        found = glyph(Character(character), hand, mnist, 2 * SIZE + slope * end, rng)
        if found is None:
            raise ValueError(f"the hand does not know {character!r}; expected digits and line_styles.SIGNS")
        part, top = found
        columns = np.flatnonzero(part.max(0) > 0.3)
        part = part[:, columns[0] : columns[-1] + 1]
        if pitch:
            end = place * pitch + (pitch - part.shape[1]) / 2 + rng.normal(0, 0.04) * SIZE
        left, top = max(0, round(end)), max(0, top)
        into = ink[top : top + len(part), left : left + part.shape[1]]
        np.maximum(into, part[: len(into)], out=into)
        end = left + part.shape[1] + SIZE * max(-0.02, hand.gap + rng.normal(0, 0.05))
    return ink[:, : max(round(end), round(len(text) * pitch)) + SIZE // 4]


def whole_numbers(mnist: MnistDigits, rng: Generator) -> Paper:
    """Write one to three rows of one number each."""
    hand, texts = writer(rng), tuple(_number(rng) for _ in range(int(rng.integers(1, 4))))
    rows = [written(text, hand, mnist, rng) for text in texts]
    step = round(SIZE * rng.uniform(1.7, 2.6))
    ink = np.zeros((ROWS_OF_LINE + step * (len(rows) - 1), max(row.shape[1] for row in rows)), np.float32)
    for n, row in enumerate(rows):
        part = ink[n * step : n * step + ROWS_OF_LINE, : row.shape[1]]
        np.maximum(part, row, out=part)
    return ink, texts


def with_signs(mnist: MnistDigits, rng: Generator) -> Paper:
    """Write one row with signs."""
    text = _with_signs(rng)
    return written(text.replace(" ", ""), writer(rng), mnist, rng), (text,)


def far_apart(mnist: MnistDigits, rng: Generator) -> Paper:
    """Write two or three numbers on a row."""
    text = " ".join(_number(rng, 2, 4) for _ in range(int(rng.integers(2, 4))))
    return written(text, writer(rng), mnist, rng), (text,)


def framed(mnist: MnistDigits, rng: Generator) -> Paper:
    """Write a number in a rectangle."""
    text = _number(rng, 3)
    ink = _padded(written(text, writer(rng), mnist, rng), SIZE)
    high, wide = ink.shape
    above, below, aside = (round(SIZE * rng.uniform(0.3, 0.8)) for _ in range(3))
    _rectangle(ink, (2 * SIZE - above, high - 2 * SIZE + below, SIZE - aside, wide - SIZE + aside), rng)
    return ink, (text,)


def in_cells(mnist: MnistDigits, rng: Generator) -> Paper:
    """Write a number in form cells that share their walls, or have gaps between them."""
    text, pitch = _number(rng, 3), SIZE * rng.uniform(1.4, 1.9)
    ink = _padded(written(text, writer(rng), mnist, rng, pitch), SIZE)
    gap, pen = (SIZE * rng.uniform(0.1, 0.25) if rng.random() < 0.4 else 0.0), _pen(rng)
    top, bottom = (round(SIZE * (2 - rng.uniform(0.2, 0.4))), round(SIZE * (3 + rng.uniform(0.2, 0.4))))
    for place in range(len(text)):
        left, right = SIZE + place * pitch + gap / 2, SIZE + (place + 1) * pitch - gap / 2
        _rectangle(ink, (top, bottom, round(left), round(right)), rng, pen)
    return ink, (text,)


def _pen(rng: Generator) -> tuple[int, float]:
    """Return the width in px and the strength of a printed line."""
    return int(rng.integers(1, 5)), float(rng.uniform(0.5, 1.0))


def _rectangle(
    ink: Ink, sides: tuple[int, int, int, int], rng: Generator, pen: tuple[int, float] | None = None
) -> None:
    """Draw a rectangle from top to bottom and left to right."""
    top, bottom, left, right = sides
    thick, strength = pen or _pen(rng)
    for rows, columns in (
        (slice(top, top + thick), slice(left, right + thick)),
        (slice(bottom, bottom + thick), slice(left, right + thick)),
        (slice(top, bottom), slice(left, left + thick)),
        (slice(top, bottom), slice(right, right + thick)),
    ):
        part = ink[rows, columns]
        np.maximum(part, strength, out=part)


def _padded(ink: Ink, by: int) -> Ink:
    return np.pad(ink, by)


# ------------------------------------------------------------------------------------------------ pictures


def photographed(ink: Ink, rng: Generator) -> Grey:
    """Return ink on paper as a grey picture: smaller or larger, turned, in uneven light, with noise."""
    top, bottom, left, right = (round(MARGIN * rng.uniform(1, 3)) for _ in range(4))
    rows = np.flatnonzero(ink.max(1) > 0.3)
    page = np.pad(ink[rows[0] : rows[-1] + 1], ((top, bottom), (left, right)))
    picture = Image.fromarray((np.clip(page, 0, 1) * 255).astype(np.uint8))
    picture = picture.rotate(float(rng.normal(0, 1.5)), Image.Resampling.BICUBIC)
    factor = math.exp(rng.uniform(math.log(0.5), math.log(1.6)))  # digits of 22 to 70 px
    size = (round(picture.width * factor), round(picture.height * factor))
    picture = picture.resize(size, Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC)
    picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.03)) * SIZE * factor))
    shown = np.asarray(picture, np.float32) / 255
    across, down = np.linspace(0, 1, shown.shape[1])[None], np.linspace(0, 1, shown.shape[0])[:, None]
    light = rng.uniform(150, 250) * (1 - rng.uniform(0, 0.35) * across) * (1 - rng.uniform(0, 0.2) * down)
    grey = light * (1 - rng.uniform(0.35, 0.95) * shown) + rng.normal(0, rng.uniform(1, 6), shown.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


KINDS: dict[str, Callable[[MnistDigits, Generator], Paper]] = {
    "whole numbers": whole_numbers,
    "signs": with_signs,
    "far apart": far_apart,
    "framed": framed,
    "cells": in_cells,
}


def samples(kind: str, count: int, mnist: MnistDigits, rng: Generator) -> list[Sample]:
    """Make `count` pictures of one kind."""
    found = []
    for _ in range(count):
        ink, rows = KINDS[kind](mnist, rng)
        label = "_".join("".join(filter(str.isdecimal, row)) for row in rows)
        numbers = tuple(number for row in rows for number in numbers_in(row))
        found.append(Sample(photographed(ink, rng), label, numbers=numbers))
    return found


def main() -> None:
    """Make and read all pictures, print the figures and write them as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", type=int, default=80, help="pictures of each kind; default: 80")
    parser.add_argument("--model", default="cnn", help="bundled network, run's folder or model file")
    parser.add_argument("--out", type=Path, default=RESULTS / "made-numbers.json")
    arguments = parser.parse_args()
    about = circumstances(["python", "benchmarks/made_numbers.py", "--each", str(arguments.each)])
    reader, test = Reader.load(arguments.model), loading.load_data("mnist").test
    assert test is not None, "MNIST has test images"
    mnist = MnistDigits.of(test.images.numpy(), test.labels.numpy())
    results: dict[str, SetFigures] = {}
    together: list[Outcome] = []
    for number, kind in enumerate(KINDS):
        made = samples(kind, arguments.each, mnist, np.random.default_rng([SEED, number]))
        results[kind], outcomes = measure(reader, made, single=False)
        print(report(kind, results[kind]), flush=True)
        together += outcomes
    seconds = sum(figures.seconds for figures in results.values()) / len(results)
    results[ALL_MADE] = figures_of(together, seconds, single=False)
    print(report(ALL_MADE, results[ALL_MADE]))
    save(arguments.out, about, results)


if __name__ == "__main__":
    main()
