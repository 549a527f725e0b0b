"""Make non-digits in MNIST's form: letters, signs, doodles, scribbles, pieces of digits.

`benchmarks/rejection.py` trains the rejection network on them. All are made in code: letters are written by
the pen of `digits.data.synthetic` or set in the fonts of Matplotlib; doodles and scribbles are random paths;
pieces, pairs and rotated digits are made of MNIST's training images. Whatever looks like a digit is left out.

Every maker draws random numbers and returns one image (28, 28) in [0, 1], white on black. It also gets
MNIST's training images (N, 28, 28), uint8, and labels (N,), which some makers use. An image without ink is
not used.
"""

import functools
import math
import unicodedata
from collections.abc import Callable, Container
from pathlib import Path
from typing import TypeAlias

import matplotlib
import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from digits.data.pen import Points, render
from digits.data.synthetic import PEN_WIDTHS, curve, handwritten
from digits.reading.mnist_form import mnist_form

Ink: TypeAlias = npt.NDArray[np.float32]
Digits: TypeAlias = npt.NDArray[np.uint8]
Maker: TypeAlias = Callable[[Generator, Digits, npt.NDArray[np.int64]], Ink]

# Paths as in digits.data.synthetic: (x, y) in a box of height 1, a point given twice is a corner.
LETTERS = """
A 0,1 .35,0 .35,0 .7,1 | .12,.62 .6,.62
C .65,.15 .4,0 .05,.35 .1,.8 .4,1 .68,.85
D .1,0 .1,1 | .1,0 .55,.12 .65,.5 .5,.9 .1,1
E .6,0 .1,0 .1,0 .1,1 .1,1 .65,1 | .1,.5 .5,.48
F .6,0 .1,0 .1,0 .1,1 | .1,.45 .5,.45
H .1,0 .1,1 | .65,0 .65,1 | .1,.5 .65,.5
J .6,0 .6,.75 .4,1 .1,.85
K .1,0 .1,1 | .6,0 .1,.55 .1,.55 .65,1
L .1,0 .1,1 .1,1 .65,1
M 0,1 .1,0 .1,0 .4,.7 .4,.7 .7,0 .7,0 .8,1
N .1,1 .1,0 .1,0 .65,1 .65,1 .65,0
P .1,1 .1,0 .1,0 .6,.08 .6,.45 .1,.5
Q .4,0 .02,.5 .4,1 .78,.5 .4,0 | .4,.65 .55,.85 .85,1.1
Q .4,0 .05,.4 .3,1 .7,.7 .6,.1 .4,0 | .45,.7 .8,1.05
R .1,1 .1,0 .1,0 .6,.1 .55,.45 .1,.5 .1,.5 .65,1
T 0,0 .7,0 | .35,0 .35,1
U .1,0 .1,.7 .35,1 .65,.7 .65,0
V 0,0 .35,1 .35,1 .7,0
W 0,0 .2,1 .2,1 .4,.3 .4,.3 .6,1 .6,1 .8,0
X 0,0 .65,1 | .65,0 0,1
Y 0,0 .35,.5 | .7,0 .2,1
a .1,.15 .4,0 .6,.2 .6,.9 .75,1 | .6,.45 .1,.6 .15,1 .6,.75
a .6,.15 .3,0 .05,.5 .25,1 .55,.7 .62,.1 .62,.1 .65,.8 .8,1
c .6,.2 .35,0 .05,.4 .2,.95 .6,.85
d .55,.6 .3,.45 .05,.7 .25,1 .55,.8 .58,0 .58,0 .6,1
e .1,.55 .62,.5 .5,.05 .1,.25 .1,.8 .4,1 .7,.85
f .65,.1 .4,0 .3,.3 .3,1 | .05,.4 .6,.4
h .1,0 .1,1 .1,1 .1,.6 .4,.45 .55,.7 .55,1
j .5,.2 .5,.85 .3,1.1 .05,.95 | .5,0 .51,.01
k .1,0 .1,1 | .5,.4 .1,.7 .1,.7 .55,1
m 0,.1 .03,1 .03,1 .05,.3 .25,.05 .35,.3 .37,1 .37,1 .38,.3 .6,.05 .72,.3 .75,1
n .05,.1 .08,1 .08,1 .12,.3 .4,.05 .58,.3 .6,1
p .1,0 .1,1.1 | .1,.15 .4,0 .6,.25 .4,.6 .1,.5
r .1,.1 .13,1 .13,1 .15,.4 .35,.1 .6,.2
t .3,0 .3,.8 .5,1 .65,.9 | .05,.3 .6,.3
u .05,.05 .08,.7 .3,1 .55,.7 .58,.05 .58,.05 .6,.8 .75,1
v 0,.1 .3,1 .3,1 .6,.1
w 0,.1 .12,.9 .3,.9 .4,.2 .4,.2 .5,.9 .7,.9 .8,.1
x 0,0 .2,.2 .45,.8 .65,1 | .6,0 .05,1
y .05,0 .1,.4 .35,.5 .55,0 | .6,0 .5,.7 .25,1 .05,.9
α .75,.05 .5,.6 .25,.95 .03,.55 .2,.1 .45,.35 .6,.8 .8,.95
α 1,.1 .7,.6 .35,.95 .05,.7 .1,.3 .4,.15 .7,.55 1,.95
α .95,0 .8,.5 .45,.95 .1,.8 .05,.35 .3,.05 .6,.35 .75,.85 1,.9
α 1.2,.1 .8,.55 .4,.9 .05,.6 .3,.15 .8,.5 1.2,.9
α .7,.1 .65,.7 .3,1 .02,.6 .15,.1 .5,.05 .65,.5 .75,1 .9,.9
β 0,1.2 .15,.3 .45,0 .6,.2 .3,.48 .65,.6 .5,.9 .2,.85
β .05,1.1 .12,.3 .35,0 .55,.2 .25,.45 .25,.45 .6,.6 .45,.95 .15,.85
γ 0,.1 .2,.1 .35,.5 .35,1 .25,1 .3,.6 .65,.05
γ 0,.05 .15,.1 .3,.5 .3,.5 .65,0 .65,0 .3,.55 .1,1
γ 0,0 .25,.45 .25,.45 .6,0 .6,0 .3,.5 .2,1
γ 0,.2 .1,.05 .25,.2 .3,.6 .3,.6 .7,0 .7,0 .3,.6 .15,1
γ 0,.1 .2,0 .32,.3 .3,1 .2,.85 .35,.4 .7,.05
y .05,0 .08,.35 .3,.5 .55,.3 .6,0 .6,0 .55,.6 .3,1.05 .05,.9
y 0,0 .3,.5 | .65,0 .3,.5 .0,1.1
y .05,.1 .1,.45 .4,.45 .6,.05 .6,.05 .5,.8 .2,1.2 .1,.95 .7,.6
δ .6,.05 .35,0 .3,.25 .55,.6 .35,1 .08,.75 .3,.42 .45,.45
ε .6,.12 .3,0 .1,.22 .4,.45 .4,.45 .05,.7 .25,1 .62,.88
η .05,.1 .15,.05 .15,.7 .15,.7 .2,.2 .45,.05 .55,.3 .52,1.1
λ .1,0 .25,.05 .6,1 | .33,.4 .03,1
λ .05,.1 .2,0 .35,.4 .55,1 | .35,.4 .0,1
μ .1,.1 .08,1.1 | .1,.6 .3,.75 .5,.5 .52,.1 .52,.1 .55,.7 .7,.7
ξ .5,.05 .15,.05 .15,.3 .45,.38 .1,.5 .1,.75 .5,.85 .4,1.1
π 0,.1 .75,.05 | .22,.08 .18,1 | .55,.07 .55,.8 .7,.95
ρ .1,1.1 .12,.4 .35,0 .6,.35 .4,.7 .12,.55
τ 0,.1 .65,.03 | .33,.07 .28,.7 .45,1
φ .35,0 .3,1.2 | .33,.35 .05,.45 .1,.85 .33,.9 .6,.8 .6,.45 .33,.35
χ .05,.05 .2,.1 .5,.95 .65,1 | .6,0 .05,1
χ .0,.15 .12,0 .25,.2 .45,.85 .6,1 .7,.85 | .65,0 .3,.5 .05,1
ψ .05,.1 .1,.6 .35,.75 .65,.5 .65,.1 | .38,0 .32,1.1
ω .15,.1 .02,.6 .2,.95 .4,.55 .4,.55 .5,.95 .75,.8 .65,.1
Δ .4,0 0,1 0,1 .8,1 .8,1 .4,0
Σ .65,0 .05,0 .05,0 .4,.5 .4,.5 0,1 0,1 .7,1
Ω .1,1 .3,1 .3,.9 .05,.4 .4,0 .75,.4 .5,.9 .5,1 .7,1
И .1,0 .1,1 .1,1 .65,0 .65,0 .65,1
Ж .4,0 .4,1 | 0,0 .35,.5 0,1 | .8,0 .45,.5 .8,1
Я .6,1 .6,0 .6,0 .15,.1 .15,.45 .6,.5 .6,.5 .1,1
+ .35,.1 .35,.9 | 0,.5 .75,.5
= 0,.35 .8,.35 | 0,.65 .8,.65
# .2,0 .15,1 | .55,0 .5,1 | 0,.33 .75,.33 | 0,.66 .75,.66
% .7,0 .05,1 | .15,.05 .05,.2 .2,.3 .25,.1 .15,.05 | .6,.7 .5,.85 .65,.95 .7,.75 .6,.7
? .05,.25 .3,0 .6,.2 .35,.5 .33,.7 | .33,.95 .34,.96
$ .6,.15 .3,.05 .1,.3 .55,.6 .45,.9 .05,.85 | .35,-.1 .3,1.1
& .7,1 .15,.25 .35,0 .5,.2 .1,.6 .2,1 .6,.8 .7,.5
@ .55,.4 .35,.35 .3,.65 .55,.6 .6,.35 .6,.6 .8,.6 .7,.1 .3,0 .02,.5 .3,1 .7,.9
→ 0,.5 .9,.5 | .65,.3 .9,.5 .9,.5 .65,.7
↑ .4,1 .4,0 | .15,.25 .4,0 .4,0 .65,.25
✓ 0,.5 .3,1 .3,1 .9,0
★ .4,0 .6,1 .6,1 .05,.35 .05,.35 .75,.35 .75,.35 .2,1 .2,1 .4,0
♥ .5,1 .05,.4 .25,0 .5,.3 .5,.3 .75,0 .95,.4 .5,1
∞ .5,.5 .2,.2 .02,.5 .2,.8 .5,.5 .8,.2 .98,.5 .8,.8 .5,.5
□ .05,0 .8,0 .8,0 .8,.9 .8,.9 .05,.9 .05,.9 .05,0
△ .4,0 0,.8 0,.8 .85,.8 .85,.8 .4,0
◇ .4,0 0,.5 0,.5 .4,1 .4,1 .8,.5 .8,.5 .4,0
☾ .6,0 .1,.2 .1,.8 .6,1 .3,.7 .3,.3 .6,0
⌂ 0,.45 .45,0 .45,0 .9,.45 | .1,.4 .1,1 .1,1 .8,1 .8,1 .8,.4 | .35,1 .35,.6 .35,.6 .55,.6 .55,.6 .55,1
"""
LIKE_DIGITS = set("oOIl|iLsSzZbBgqGDTJoОоЗзбБЧчІіοΟΙιζΖϴΘθσØøßþðıÐ0123456789!/\\()[]{}1²³¹'`´,.·:;-_")
LIKE_DIGITS |= set("ЭэЬьЪъЗɜƷاهةوى∅∘∙∖∣∕∂⊘⊙⊖○●☉☊☋☌♁♀♂")
FONTS = ("DejaVuSans", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansMono", "cmmi10")
RANGES = (  # of characters: Latin, signs, Latin with accents, Greek, Cyrillic, Arabic, arrows, symbols
    *((0x41, 0x7B), (0x21, 0x41), (0xC0, 0x180), (0x391, 0x3C9), (0x410, 0x450), (0x621, 0x64B)),
    *((0x2190, 0x21C0), (0x2200, 0x2280), (0x2600, 0x2670)),
)


def make(
    count: int, seed: int, images: Digits, labels: npt.NDArray[np.int64], *, without: Container[Maker] = ()
) -> Digits:
    """Return non-digits (count, 28, 28), uint8; `images` and `labels` are MNIST's training digits.

    The makers in `without` are not used.
    """
    numbers = np.random.default_rng([seed, 2])
    makers = [maker for maker in KINDS if maker not in without]
    shares = np.array([KINDS[maker] for maker in makers])
    found: list[Digits] = []
    while len(found) < count:
        ink = makers[int(numbers.choice(len(makers), p=shares / shares.sum()))](numbers, images, labels)
        if ink.max() > 0:
            found.append(np.asarray(np.rint(ink * 255), dtype=np.uint8))
    return np.stack(found)


@functools.cache
def letter_paths() -> list[list[list[tuple[float, float]]]]:
    """Return the strokes of each letter in LETTERS, as lists of points (x, y)."""
    paths = []
    for line in LETTERS.strip().splitlines():
        strokes = line.split(" ", 1)[1].split(" | ")
        pairs = [[tuple(map(float, point.split(","))) for point in stroke.split()] for stroke in strokes]
        paths.append([[(x, y) for x, y in stroke] for stroke in pairs])
    return paths


def letter(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Write a letter or sign by hand."""
    paths = letter_paths()
    strokes = handwritten(paths[int(numbers.integers(len(paths)))], numbers)
    return render(strokes, pen=float(numbers.uniform(*PEN_WIDTHS)))


@functools.cache
def glyphs() -> list[tuple[str, str]]:
    """Return font and character of every glyph in RANGES that the fonts have and that looks like no digit."""
    found = []
    for font in FONTS:
        face = _font(font)
        blank = bytes(face.getmask("\uffff"))
        for low, high in RANGES:
            for character in map(chr, range(low, high)):
                mask = face.getmask(character)
                if _base(character) not in LIKE_DIGITS and mask.getbbox() and bytes(mask) != blank:
                    found.append((font, character))
    return found


def _base(character: str) -> str:
    """Return the letter without its accent."""
    return unicodedata.normalize("NFD", character)[0]


@functools.cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", 60)


def glyph(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Set a character of a font, slanted; in one of ten images, two characters."""
    known = glyphs()
    font, text = known[int(numbers.integers(len(known)))]
    if numbers.random() < 0.1:
        text += known[int(numbers.integers(len(known)))][1]
    picture = Image.new("L", (200, 120), 0)
    ImageDraw.Draw(picture).text((40, 20), text, font=_font(font), fill=255)
    lean = numbers.uniform(-0.2, 0.3)
    picture = picture.transform(
        picture.size, Image.Transform.AFFINE, (1, lean, -60 * lean, 0, 1, 0), Image.Resampling.BILINEAR
    )
    return mnist_form(np.asarray(picture, np.float32) / np.float32(255))


def _blob(numbers: Generator, points: int, size: float = 1.0) -> Points:
    return numbers.uniform(0, size, (points, 2))


def scribble(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Draw one to three random lines or zigzags."""
    strokes = []
    for _ in range(int(numbers.integers(1, 4))):
        points = _blob(numbers, int(numbers.integers(5, 16)))
        if numbers.random() < 0.4:  # zigzag
            points[:, 0] = np.linspace(0, 1, len(points)) + numbers.normal(0, 0.03, len(points))
        strokes.append(curve(points) if numbers.random() < 0.6 else points)
    return render(strokes, pen=float(numbers.uniform(*PEN_WIDTHS)))


def doodle(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Draw three to seven rings, boxes, rays and lines, inside and beside one another."""
    strokes: list[Points] = []
    for _ in range(int(numbers.integers(3, 8))):
        at, size = numbers.uniform(0, 1, 2), numbers.uniform(0.08, 0.6)
        strokes += [at + size * part for part in _figure(numbers)]
    return render(strokes, pen=float(numbers.uniform(1.0, 3.0)))


def _figure(numbers: Generator) -> list[Points]:
    """Return the strokes of a ring, a box, rays or a line, each about 1 long."""
    kind = int(numbers.integers(4))
    if kind == 0:
        turns = np.linspace(0, 2 * math.pi, 20)
        return [np.stack([np.cos(turns), numbers.uniform(0.5, 1) * np.sin(turns)], axis=1)]
    if kind == 1:
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
        return [corners * (1, numbers.uniform(0.4, 1.2))]
    if kind == 2:
        turns = np.linspace(0, 2 * math.pi, int(numbers.integers(3, 9)), endpoint=False)
        return [np.outer([0.5, 1], [math.cos(turn), math.sin(turn)]) for turn in turns]
    return [curve(_blob(numbers, int(numbers.integers(2, 6))))]


def shape(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Draw a filled shape: a polygon, a ring with corners, a level bar, dots, or a spot of smooth noise."""
    picture = Image.new("L", (100, 100), 0)
    draw = ImageDraw.Draw(picture)
    kind = int(numbers.integers(5))
    if kind == 0:
        corners = _blob(numbers, int(numbers.integers(3, 8)), 100)
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=255)
    elif kind == 1:
        hole = float(numbers.uniform(0, 35))  # in something round it would be a 0
        for radius, grey in ((40.0, 255), (hole, 0)):
            sides, turn = int(numbers.integers(3, 5 if hole > 10 else 9)), float(numbers.uniform(0, 90))
            draw.regular_polygon((50, 50, radius), sides, turn, fill=grey)
    elif kind == 2:
        width, slope = numbers.uniform(4, 16), numbers.uniform(-15, 15)
        draw.line((10, 50 - slope, 90, 50 + slope), fill=255, width=int(width))
    elif kind == 3:
        for x, y in _blob(numbers, int(numbers.integers(2, 12)), 90):
            radius = numbers.uniform(2, 9)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    else:
        noise = Image.fromarray(numbers.uniform(0, 255, (9, 9)).astype(np.uint8))
        field = np.asarray(noise.resize((100, 100), Image.Resampling.BICUBIC), np.float32)
        return mnist_form(np.clip(field / 42 - 3, 0, 1).astype(np.float32))
    return mnist_form(np.asarray(picture, np.float32) / np.float32(255))


def turned(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Rotate a digit by 90 degrees, mirror a 3, 4 or 7, or turn a 4 or 7 upside down.

    A 3 is not turned upside down: it stays a 3.
    """
    chance = numbers.random()
    if chance < 0.6:
        image = _pick(numbers, images, labels, (1, 2, 3, 4, 5, 6, 7, 8, 9))
        return mnist_form(np.rot90(image, 1 if numbers.random() < 0.5 else 3).copy())
    if chance < 0.8:
        return mnist_form(_pick(numbers, images, labels, (3, 4, 7))[:, ::-1].copy())
    return mnist_form(_pick(numbers, images, labels, (4, 7))[::-1].copy())


def pair(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Put two digits beside each other as one character, apart or touching."""
    left, right = (_trimmed(_pick(numbers, images, labels, range(10))) for _ in range(2))
    gap = int(numbers.integers(-2, 5))
    joined = np.zeros((28, left.shape[1] + right.shape[1] + max(gap, 0) + 2), np.float32)
    joined[: len(left), : left.shape[1]] = left
    start = left.shape[1] + gap
    place = joined[2 : 2 + len(right), start : start + right.shape[1]]
    np.maximum(place, right[: len(place), : place.shape[1]], out=place)
    return mnist_form(joined)


def piece(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Cut a digit in two and return one part; black if the part is as narrow as a 1 or too small."""
    image = _trimmed(_pick(numbers, images, labels, (0, 2, 3, 4, 5, 6, 8, 9)))
    at = int(image.shape[1] * numbers.uniform(0.35, 0.65))
    part = _trimmed(image[:, :at] if numbers.random() < 0.5 else image[:, at:])
    if part.shape[1] < 0.45 * part.shape[0] or part.sum() < 0.3 * image.sum():
        return np.zeros((28, 28), np.float32)
    return mnist_form(part)


def fragment(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Cut a part off a letter, sign, doodle or flower, as segmentation would; black if it is too small."""
    maker = (letter, glyph, doodle, flower)[int(numbers.integers(4))]
    image = _trimmed(maker(numbers, images, labels))
    low, high = np.sort(numbers.uniform(0, 1, 2))
    low, high = (0.0, max(high, 0.3)) if numbers.random() < 0.5 else (min(low, 0.7), 1.0)
    part = _trimmed(image[:, int(low * image.shape[1]) : int(np.ceil(high * image.shape[1]))])
    if min(part.shape) == 0 or part.shape[1] < 0.3 * part.shape[0] or part.max() < 0.5:
        return np.zeros((28, 28), np.float32)
    return mnist_form(part)


def flower(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64]) -> Ink:
    """Draw three to eight petals around a centre."""
    count, size = int(numbers.integers(3, 9)), numbers.uniform(0.1, 0.35)
    turns = np.linspace(0, 2 * math.pi, 16)
    petal = np.stack([0.6 + 0.45 * np.cos(turns), size * np.sin(turns)], axis=1)
    strokes = []
    for turn in numbers.uniform(0, 6) + np.linspace(0, 2 * math.pi, count, endpoint=False):
        cos, sin = math.cos(turn), math.sin(turn)
        strokes.append(petal @ np.array([[cos, sin], [-sin, cos]]))
    return render(strokes, pen=float(numbers.uniform(1.0, 3.0)))


def _pick(numbers: Generator, images: Digits, labels: npt.NDArray[np.int64], wanted: Container[int]) -> Ink:
    """Return a random digit (28, 28) in [0, 1] whose label is in `wanted`."""
    while True:
        i = int(numbers.integers(len(images)))
        if int(labels[i]) in wanted:
            return np.asarray(images[i] / np.float32(255))


def _trimmed(image: Ink) -> Ink:
    seen = image > 0.2
    if not seen.any():
        return image
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


OF_MNIST = (turned, pair, piece)  # these makers use pixels of MNIST; the others draw everything in code
KINDS: dict[Maker, float] = {  # each maker and its share of the images
    letter: 0.34,
    glyph: 0.26,
    doodle: 0.12,
    scribble: 0.07,
    shape: 0.07,
    turned: 0.05,
    pair: 0.06,
    piece: 0.02,
    fragment: 0.07,
    flower: 0.02,
}
