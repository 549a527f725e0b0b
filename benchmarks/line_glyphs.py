"""Write single characters as one writer does: with MNIST's digits, with a pen, or with a font.

Some digits of a writer come from MNIST's training images, others are drawn by a pen
(`digits.data.digit_styles`, `line_styles`), because MNIST lacks many styles. Fonts are Matplotlib's, printed,
and those of a folder: fonts of people's handwriting, whose characters are bent a little each time.
"""

import functools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import matplotlib
import nondigits
import numpy as np
import numpy.typing as npt
from line_styles import RARE_STYLES, SIGNS, boxy, letter_strokes, seven_segments
from line_texts import DISPLAY, DOODLE, Character
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from digits.data.digit_styles import STYLES
from digits.data.digit_styles import Path as PenPath
from digits.data.synthetic import curve

Ink: TypeAlias = npt.NDArray[np.float32]
Grey: TypeAlias = npt.NDArray[np.uint8]

SIZE = 44  # px; height of a digit while a line is composed
DIGITS = "0123456789"
PRINTED = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic",
    "DejaVuSansMono", "STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol",
    "cmr10", "cmss10", "cmtt10", "cmti10",
)  # fmt: skip
DOODLES = (nondigits.doodle, nondigits.scribble, nondigits.shape, nondigits.flower)
DRAWN = {
    "1": 0.45,
    "7": 0.3,
    "5": 0.25,
    "4": 0.2,
    "9": 0.2,
}  # share of writers who do not write it as in MNIST
KINDS = ("mnist", "pen", "script", "print")
NO_DIGITS = (np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.int64))


@dataclass
class Hand:
    """How one writer writes a line. Lengths are in heights of a digit.

    Attributes:
        kind: "mnist", "pen", "script" (a font of handwriting) or "print".
        slant: Columns to the right for each row upwards.
        pen: Width of the pen.
        width: Factor for the widths of characters.
        gap: Mean gap between characters; negative where they overlap.
        uneven: Standard deviation of the logarithm of the characters' heights.
        rough: Standard deviation of the places of the points of a character.
        font: File of the font for what the pen does not know.
        drawn: Digits that this writer does not write as in MNIST.
        boxy: True for digits of straight lines.
        straight: True if pen strokes have corners instead of curves.
        styles: Digit -> its style, chosen when it is first written.
    """

    kind: str
    slant: float
    pen: float
    width: float
    gap: float
    uneven: float
    rough: float
    font: Path
    drawn: frozenset[str] = frozenset()
    boxy: bool = False
    straight: bool = False
    styles: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MnistDigits:
    """MNIST's training digits, cropped to their ink, sorted by digit and by the width of their pen."""

    images: dict[int, list[Grey]]

    @staticmethod
    def of(images: Grey, labels: npt.NDArray[np.int64]) -> "MnistDigits":
        """Sort digits (N, 28, 28) with labels (N,)."""
        inner = images[:, 1:-1, 1:-1] > 127
        inside = (images[:, :-2, 1:-1] > 127) & (images[:, 2:, 1:-1] > 127)
        inside &= (images[:, 1:-1, :-2] > 127) & (images[:, 1:-1, 2:] > 127)
        thickness = inner.sum((1, 2)) / np.maximum((inner & ~inside).sum((1, 2)), 1)
        found: dict[int, list[Grey]] = {}
        for digit in range(10):
            places = np.flatnonzero(labels == digit)
            places = places[np.argsort(thickness[places], kind="stable")]
            found[digit] = [_trimmed(images[i], 40) for i in places]
        return MnistDigits(found)

    def pick(self, digit: int, thickness: float, rng: Generator) -> Grey:
        """Return a digit whose pen is at about the quantile `thickness` in [0, 1]."""
        found = self.images[digit]
        at = float(np.clip(thickness + rng.normal(0, 0.12), 0, 1))
        return found[min(int(at * len(found)), len(found) - 1)]


def _trimmed(image: Grey, above: int) -> Grey:
    seen = image > above
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else image[:1, :1]


@functools.cache
def printed_fonts() -> tuple[Path, ...]:
    """Return Matplotlib's font files."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return tuple(folder / f"{name}.ttf" for name in PRINTED)


def fonts_in(folder: Path | None) -> tuple[Path, ...]:
    """Return the font files of a folder; none without a folder."""
    return (
        tuple(sorted(p for p in folder.iterdir() if p.suffix in (".ttf", ".otf", ".woff2"))) if folder else ()
    )


def new_hand(rng: Generator, scripts: tuple[Path, ...], words: bool) -> Hand:
    """Invent a writer.

    Args:
        rng: Source of all random numbers.
        scripts: Font files of handwriting.
        words: True if the line has letters: then fonts are more frequent, as the pen knows few letters.
    """
    shares = (0.15, 0.2, 0.4, 0.25) if words else (0.48, 0.27, 0.17, 0.08)
    kind = KINDS[int(np.searchsorted(np.cumsum(shares), rng.random()))]
    if kind == "script" and not scripts:
        kind = "print" if words else "pen"
    if kind == "print":
        font = printed_fonts()[int(rng.integers(len(PRINTED)))]
        return Hand(kind, 0.0, 0.0, rng.uniform(0.85, 1.15), rng.uniform(0.0, 0.2), 0.0, 0.0, font)
    known = scripts if scripts and (kind == "script" or rng.random() < 0.6) else printed_fonts()
    spacing = rng.random()
    if spacing < 0.42:
        gap = rng.normal(-0.03, 0.06)
    else:
        gap = rng.uniform(0.03, 0.45) if spacing < 0.88 else rng.uniform(0.4, 2.0)
    factor = rng.uniform(0.0, 2.0)
    return Hand(
        kind,
        slant=rng.normal(0.06, 0.16),
        pen=rng.uniform(0.03, 0.2),
        width=math.exp(rng.normal(0, 0.18)),
        gap=float(gap),
        uneven=rng.uniform(0.02, 0.15),
        rough=rng.uniform(0.0, 0.035),
        font=known[int(rng.integers(len(known)))],
        drawn=frozenset(d for d in DIGITS if rng.random() < factor * DRAWN.get(d, 0.13)),
        boxy=rng.random() < (0.1 if kind == "pen" else 0.01),
        straight=rng.random() < 0.1,
    )


def glyph(
    character: Character, hand: Hand, mnist: MnistDigits, base: float, rng: Generator
) -> tuple[Ink, int] | None:
    """Write one character.

    Args:
        character: The character, not a space.
        hand: Who writes.
        mnist: Digits to choose from.
        base: Row of the line's base.
        rng: Source of all random numbers.

    Returns:
        The ink (H, W) in [0, 1] and the row where it begins; None if it cannot be drawn.
    """
    text, height = character.text, SIZE * character.scale * math.exp(rng.normal(0, hand.uneven))
    base -= SIZE * character.rise
    if text == DOODLE:
        return _doodle(hand, height, base, rng)
    if text in DISPLAY:
        gap, width = rng.uniform(0.15, 0.28), rng.uniform(0.45, 0.65)
        return _drawn(seven_segments(DISPLAY.index(text), gap, width), hand, height, base, rng, straight=True)
    if hand.kind in ("script", "print"):
        return _typed(text, hand, height, base, rng)
    if text in DIGITS:
        if hand.boxy:
            return _drawn(boxy(int(text), rng.uniform(0.4, 0.7), rng), hand, height, base, rng)
        if hand.kind == "mnist" and text not in hand.drawn:
            image = mnist.pick(int(text), (hand.pen - 0.03) / 0.17, rng)
            return _warped(image, height, hand, base, rng)
        return _drawn(_digit_path(text, hand, rng), hand, height, base, rng)
    if text in SIGNS:
        return _drawn(SIGNS[text](rng), hand, height, base, rng)
    if hand.font not in printed_fonts() or rng.random() < 0.3:
        found = _typed(text, hand, height, base, rng)
        if found is not None:
            return found
    return _drawn(letter_strokes(text, rng), hand, height, base, rng)


def _digit_path(text: str, hand: Hand, rng: Generator) -> PenPath:
    """Return the strokes of a digit in the hand's usual style, or now and then in another."""
    styles = (*STYLES[int(text)], *RARE_STYLES.get(int(text), ()))
    usual = hand.styles.setdefault(text, int(rng.integers(len(styles))))
    return styles[usual if rng.random() < 0.85 else int(rng.integers(len(styles)))](rng)


def _drawn(
    path: PenPath, hand: Hand, height: float, base: float, rng: Generator, *, straight: bool = False
) -> tuple[Ink, int] | None:
    """Draw strokes whose y is 0 at the top and 1 at the base of a digit of `height` px."""
    lean = hand.slant + rng.normal(0, 0.04)
    width = hand.width * math.exp(rng.normal(0, 0.06))
    lines = []
    for stroke in path:
        points = np.array(stroke, np.float64)
        moves = rng.normal(0, hand.rough, points.shape)
        for i in range(1, len(points)):
            if stroke[i] == stroke[i - 1]:
                moves[i] = moves[i - 1]
        points = points + moves
        points = points if straight or hand.straight else curve(points, 4)
        lines.append(np.stack([points[:, 0] * width + lean * (1 - points[:, 1]), points[:, 1]], 1) * height)
    pen = max(hand.pen * SIZE * math.exp(rng.normal(0, 0.08)), 1.3)
    everything = np.concatenate(lines)
    margin = pen / 2 + 1
    left, top = everything.min(0) - margin
    size = np.ceil(everything.max(0) + margin - (left, top)).astype(int)
    if size.max() > 4 * SIZE:
        return None
    picture = Image.new("L", (2 * int(size[0]), 2 * int(size[1])), 0)
    draw = ImageDraw.Draw(picture)
    thick = max(round(2 * pen), 1)
    for line in lines:
        at = [(2 * (float(x) - left), 2 * (float(y) - top)) for x, y in line]
        draw.line(at, fill=255, width=thick, joint="curve")
        for x, y in (at[0], at[-1]):
            draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=255)
    ink = np.asarray(picture.reduce(2), np.float32) / np.float32(255)
    return ink, round(base - height + top)


def _doodle(hand: Hand, height: float, base: float, rng: Generator) -> tuple[Ink, int]:
    """Draw something that is no character."""
    ink = DOODLES[int(rng.integers(len(DOODLES)))](rng, *NO_DIGITS)
    return _warped(
        _trimmed((ink * 255).astype(np.uint8), 40), height * rng.uniform(0.7, 1.5), hand, base, rng
    )


@functools.cache
def _face(font: Path) -> ImageFont.FreeTypeFont:
    """Return a font whose digits are SIZE px high."""
    box = ImageFont.truetype(str(font), 200).getbbox("0")
    return ImageFont.truetype(str(font), round(200 * SIZE / (box[3] - box[1])))


@functools.lru_cache(maxsize=8000)
def _mask(font: Path, text: str, bolder: int) -> tuple[Grey, int] | None:
    """Return a font's character and the row of its top, measured from the base.

    Args:
        font: File of the font.
        text: The character.
        bolder: -1 for thinner strokes, 1 or 2 for strokes that are 2 or 4 px bolder.

    Returns:
        None if the font lacks the character.
    """
    face = _face(font)
    left, top, right, bottom = (int(v) for v in face.getbbox(text, anchor="ls"))
    if right <= left or bottom <= top or bytes(face.getmask(text)) == bytes(face.getmask("\uffff")):
        return None
    picture = Image.new("L", (right - left + 4, bottom - top + 4), 0)
    ImageDraw.Draw(picture).text((2 - left, 2 - top), text, font=face, fill=255, anchor="ls")
    if bolder:
        picture = picture.filter(ImageFilter.MaxFilter(3) if bolder > 0 else ImageFilter.MinFilter(3))
        if bolder > 1:
            picture = picture.filter(ImageFilter.MaxFilter(3))
    image = np.asarray(picture)
    return (image, top - 2) if image.max() > 100 else None


def _typed(text: str, hand: Hand, height: float, base: float, rng: Generator) -> tuple[Ink, int] | None:
    """Return a font's character; that of a handwritten font is warped."""
    bolder = hand.styles.setdefault("bolder", int(rng.choice([-1, 0, 1, 2], p=[0.15, 0.45, 0.25, 0.15])))
    found = _mask(hand.font, text, bolder if hand.kind != "print" else 0)
    if found is None:
        return None
    image, top = found
    factor = height / SIZE
    if hand.kind != "print":
        return _warped(image, max(len(image) * factor, 2), hand, base + (top + len(image)) * factor, rng)
    size = max(round(image.shape[1] * factor * hand.width), 2), max(round(len(image) * factor), 2)
    ink = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(ink, np.float32) / np.float32(255), round(base + top * factor)


def _warped(image: Grey, height: float, hand: Hand, base: float, rng: Generator) -> tuple[Ink, int]:
    """Return an image as ink of `height` rows above `base`: stretched, slanted, and bent a little."""
    rows, slant = max(round(height), 2), hand.slant * 0.6 + rng.normal(0, 0.04)
    columns = max(round(image.shape[1] * rows / len(image) * hand.width * math.exp(rng.normal(0, 0.06))), 2)
    margin = 2 + round(0.05 * rows)  # px around the ink, into which it may be bent
    wide, high = columns + math.ceil(abs(slant) * rows) + 2 * margin, rows + 2 * margin
    xs, ys = (0, wide // 2, wide), (0, high // 2, high)
    moves = rng.normal(0, 1.3 * hand.rough, (3, 3, 2)) * rows
    source = np.empty((3, 3, 2))  # where the nine points of the picture lie in the image
    for j, y in enumerate(ys):
        for i, x in enumerate(xs):
            inner_y = y - margin + moves[j, i, 1]
            shift = slant * (rows - inner_y) + max(0.0, -slant * rows)
            inner_x = x - margin - shift + moves[j, i, 0]
            source[j, i] = inner_x * image.shape[1] / columns, inner_y * len(image) / rows
    mesh = []
    for j in range(2):
        for i in range(2):
            corners = (source[j, i], source[j + 1, i], source[j + 1, i + 1], source[j, i + 1])
            mesh.append(((xs[i], ys[j], xs[i + 1], ys[j + 1]), tuple(float(v) for c in corners for v in c)))
    bent = Image.fromarray(image).transform(
        (wide, high), Image.Transform.MESH, mesh, Image.Resampling.BICUBIC
    )
    return np.asarray(bent, np.float32) / np.float32(255), round(base - rows - margin)
