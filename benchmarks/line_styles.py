"""Pen strokes of rare digits, signs and letters for the line recogniser's training lines.

Coordinates are as in `digits.data.digit_styles`: y is 0 at the top and 1 at the base of a digit.
"""

import math
from collections.abc import Callable

import nondigits
import numpy as np
from numpy.random import Generator

from digits.data.digit_styles import Path, Stroke, Style


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float, points: int = 8) -> Stroke:
    angles = np.radians(np.linspace(start, end, points))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def five_tick(rng: Generator) -> Path:
    """Return a 5 like a tick: its belly is almost a straight line, and its bar rises to the right."""
    turn = (rng.uniform(0.3, 0.5), rng.uniform(0.85, 1.0))
    elbow = (rng.uniform(0.05, 0.2), rng.uniform(0.3, 0.5))
    body = [
        (rng.uniform(0.1, 0.25), 0.05),
        elbow,
        elbow,
        (0.45, rng.uniform(0.45, 0.6)),
        turn,
        (rng.uniform(0.0, 0.2), 1.0),
    ]
    return [body, [(0.2, 0.05), (rng.uniform(0.7, 1.1), rng.uniform(-0.15, 0.05))]]


def five_open(rng: Generator) -> Path:
    """Return a 5 like an S, with a small belly."""
    top = (rng.uniform(0.55, 0.8), rng.uniform(-0.05, 0.1))
    return [
        [
            top,
            (0.3, 0.02),
            (0.15, 0.25),
            (0.35, 0.45),
            (rng.uniform(0.45, 0.6), 0.7),
            (0.3, 0.95),
            (0.0, rng.uniform(0.85, 1.0)),
        ]
    ]


def nine_like_p(rng: Generator) -> Path:
    """Return a 9 with a wide open bowl to the left, like a mirrored P."""
    bowl = _arc(
        0.4,
        0.25,
        rng.uniform(0.25, 0.4),
        rng.uniform(0.18, 0.28),
        rng.uniform(-50, 0),
        rng.uniform(-330, -270),
    )
    x = rng.uniform(0.5, 0.68)
    return [bowl, [(x, rng.uniform(-0.05, 0.1)), (x + rng.uniform(-0.12, 0.05), 1.0)]]


def nine_from_stem(rng: Generator) -> Path:
    """Return a 9 whose bowl stands to the right of the stem, like a P."""
    x = rng.uniform(0.2, 0.35)
    bowl = _arc(x + 0.05, 0.25, rng.uniform(0.25, 0.4), 0.25, 250, 250 + rng.uniform(190, 240))
    return [bowl, [(x, 0.05), (x + rng.uniform(-0.1, 0.1), 1.0)]]


def seven_like_t(rng: Generator) -> Path:
    """Return a 7 whose cross bar is longer than its top bar, like a t or an F."""
    x, y = rng.uniform(0.35, 0.55), rng.uniform(0.4, 0.6)
    top: Stroke = [
        (x - rng.uniform(0.15, 0.4), rng.uniform(0.0, 0.12)),
        (x + 0.05, 0.02),
        (x + 0.05, 0.02),
        (x, 0.5),
        (x - rng.uniform(0.0, 0.2), 1.0),
    ]
    return [
        top,
        [(x - rng.uniform(0.25, 0.45), y), (x + rng.uniform(0.25, 0.45), y + rng.uniform(-0.1, 0.05))],
    ]


def four_like_h(rng: Generator) -> Path:
    """Return a 4 whose right stem is short, like an h."""
    x, height = rng.uniform(0.45, 0.65), rng.uniform(0.45, 0.65)
    left: Stroke = [
        (rng.uniform(0.05, 0.2), 0.0),
        (rng.uniform(0.0, 0.12), height),
        (rng.uniform(0.0, 0.12), height),
        (x + 0.1, height - rng.uniform(0.0, 0.1)),
    ]
    return [left, [(x, height - rng.uniform(0.05, 0.3)), (x + rng.uniform(-0.08, 0.05), 1.0)]]


def one_roof(rng: Generator) -> Path:
    """Return a 1 whose up-stroke is as long as its stem, like a Greek capital lambda."""
    top = (rng.uniform(0.35, 0.5), 0.0)
    return [
        [(rng.uniform(0.0, 0.12), rng.uniform(0.7, 1.0)), top, top, (top[0] + rng.uniform(0.05, 0.35), 1.0)]
    ]


def six_straight(rng: Generator) -> Path:
    """Return a 6 with a straight stem and a small ring at its foot, like a b."""
    loop = rng.uniform(0.16, 0.26)
    x = rng.uniform(0.1, 0.25)
    return [
        [
            (x + rng.uniform(0.0, 0.3), 0.0),
            (x, 0.6),
            *_arc(x + 0.22, 1 - loop, 0.22, loop, 180, 180 - rng.uniform(320, 400)),
        ]
    ]


def six_open(rng: Generator) -> Path:
    """Return a 6 whose ring does not close."""
    loop = rng.uniform(0.18, 0.28)
    return [
        [
            (rng.uniform(0.4, 0.75), rng.uniform(0.0, 0.1)),
            (0.15, 0.45),
            *_arc(0.33, 1 - loop, 0.28, loop, 180, 180 - rng.uniform(200, 290)),
        ]
    ]


def six_flat(rng: Generator) -> Path:
    """Return a low wide 6, as in quick writing."""
    loop = rng.uniform(0.2, 0.3)
    return [
        [
            (rng.uniform(0.7, 1.1), 0.0),
            (0.3, 0.35),
            *_arc(0.4, 1 - loop, 0.4, loop, 190, 190 - rng.uniform(300, 390)),
        ]
    ]


def eight_open(rng: Generator) -> Path:
    """Return an 8 that does not close at its top."""
    start = (rng.uniform(0.6, 0.85), rng.uniform(0.0, 0.15))
    end = (rng.uniform(0.45, 0.7), rng.uniform(-0.05, 0.15))
    return [
        [
            start,
            (0.35, 0.02),
            (0.15, 0.2),
            (0.4, 0.48),
            (0.62, 0.78),
            (0.35, 1.0),
            (0.1, 0.8),
            (0.4, 0.5),
            end,
        ]
    ]


def two_like_z(rng: Generator) -> Path:
    """Return a 2 with corners, like a Z."""
    right = (rng.uniform(0.55, 0.75), rng.uniform(0.0, 0.12))
    foot = (rng.uniform(0.0, 0.12), 1.0)
    return [
        [
            (0.05, rng.uniform(0.0, 0.15)),
            right,
            right,
            foot,
            foot,
            (rng.uniform(0.6, 0.95), rng.uniform(0.92, 1.05)),
        ]
    ]


def three_flowing(rng: Generator) -> Path:
    """Return a 3 like a wave, without a notch."""
    return [
        [
            (0.05, rng.uniform(0.0, 0.15)),
            (0.45, 0.02),
            (0.5, 0.25),
            (0.35, rng.uniform(0.4, 0.5)),
            (0.6, 0.7),
            (0.4, 0.95),
            (rng.uniform(-0.1, 0.1), rng.uniform(0.85, 1.05)),
        ]
    ]


def zero_open(rng: Generator) -> Path:
    """Return a 0 that does not close, like a U or a 6."""
    rx = rng.uniform(0.25, 0.4)
    return [_arc(0.4, 0.5, rx, 0.5, -60 + rng.uniform(-20, 20), -60 - rng.uniform(290, 330))]


def zero_knotted(rng: Generator) -> Path:
    """Return a 0 whose ends cross at its top, like a cursive o."""
    rx, start = rng.uniform(0.25, 0.5), rng.uniform(250, 320)
    ring = _arc(0.4, 0.5, rx, 0.5, start, start - rng.uniform(360, 420))
    (x, y), up = ring[-1], rng.uniform(-0.15, 0.1)
    first = [(ring[0][0] - rng.uniform(0.1, 0.3), ring[0][1] - up)] if rng.random() < 0.5 else []
    return [[*first, *ring, (x + rng.uniform(0.1, 0.4), y + rng.uniform(-0.2, 0.1))]]


def one_lambda(rng: Generator) -> Path:
    """Return a 1 that leans back, its up-stroke ends at the middle of the stem, like a Greek small lambda."""
    top, foot = rng.uniform(0.1, 0.3), rng.uniform(0.45, 0.75)
    y = rng.uniform(0.2, 0.5)
    x = top + (foot - top) * y
    return [[(top, 0.0), (foot, 1.0)], [(rng.uniform(-0.15, 0.05), rng.uniform(0.8, 1.0)), (x, y)]]


def one_curved(rng: Generator) -> Path:
    """Return a 1 like a written l or a hook: its foot, its top or both are bent."""
    top, foot = rng.uniform(-0.2, 0.2), rng.uniform(-0.05, 0.3)
    return [
        [(0.2 - abs(top), rng.uniform(0.0, 0.2)), (0.3, 0.03), (0.27, 0.5), (0.3, 0.93), (0.3 + foot, 0.98)]
    ]


def two_long(rng: Generator) -> Path:
    """Return a 2 with a wide head and a long foot, as first digit of an amount."""
    head = _arc(0.45, 0.25, rng.uniform(0.3, 0.45), 0.25, rng.uniform(140, 220), 400, 7)
    foot: Stroke = (
        [(0.1, 0.95), (0.0, 0.9), (0.12, 0.85)] if rng.random() < 0.5 else [(0.05, 1.0), (0.05, 1.0)]
    )
    return [[*head, (0.4, 0.7), *foot, (0.5, 0.97), (rng.uniform(0.8, 1.4), rng.uniform(0.88, 1.05))]]


def three_like_z(rng: Generator) -> Path:
    """Return a 3 with a flat top and a straight middle, and a belly that hangs below."""
    middle = (rng.uniform(0.15, 0.3), rng.uniform(0.4, 0.55))
    right = (rng.uniform(0.5, 0.7), 0.02)
    end = (rng.uniform(-0.15, 0.1), rng.uniform(0.85, 1.0))
    return [
        [
            (0.0, rng.uniform(0.0, 0.1)),
            right,
            right,
            middle,
            middle,
            (rng.uniform(0.5, 0.7), 0.7),
            (0.35, 1.0),
            end,
        ]
    ]


def four_in_one(rng: Generator) -> Path:
    """Return a 4 in one stroke: its stem begins with a loop at the right end of the bar."""
    height, x = rng.uniform(0.5, 0.7), rng.uniform(0.45, 0.6)
    corner = (rng.uniform(0.0, 0.1), height)
    loop: Stroke = [(x + 0.25, height - rng.uniform(0.0, 0.1)), (x + 0.1, height - rng.uniform(0.2, 0.4))]
    return [[(rng.uniform(0.15, 0.4), 0.0), corner, corner, *loop, (x, 1.0)]]


def five_apart(rng: Generator) -> Path:
    """Return a 5 whose bar stands apart from its body."""
    y = rng.uniform(0.12, 0.25)
    belly = _arc(0.3, 0.7, rng.uniform(0.2, 0.35), 0.3, 255, rng.uniform(400, 500), 6)
    bar = rng.uniform(-0.1, 0.08)
    return [
        [(rng.uniform(0.08, 0.2), y), (0.1, 0.42), (0.1, 0.42), *belly],
        [(rng.uniform(0.15, 0.4), bar), (rng.uniform(0.6, 1.0), bar + rng.uniform(-0.12, 0.05))],
    ]


def five_like_r(rng: Generator) -> Path:
    """Return a 5 that is almost a line with a hook, and a long bar at its top."""
    bend = (rng.uniform(0.25, 0.5), rng.uniform(0.45, 0.65))
    body = [
        (0.15, 0.03),
        (rng.uniform(0.02, 0.14), 0.4),
        bend,
        (rng.uniform(0.1, 0.35), 0.95),
        (rng.uniform(-0.2, 0.0), 1.0),
    ]
    bar = [(0.15, 0.03), (0.45, rng.uniform(-0.05, 0.08)), (rng.uniform(0.7, 1.2), rng.uniform(-0.15, 0.05))]
    return [body, bar]


def six_curled(rng: Generator) -> Path:
    """Return a 6 whose ring ends inside it, like a spiral."""
    loop = rng.uniform(0.22, 0.36)
    ring = _arc(0.36, 1 - loop, 0.32, loop, 190, 190 - rng.uniform(250, 300), 6)
    return [
        [
            (rng.uniform(0.45, 0.7), rng.uniform(0.0, 0.12)),
            (0.15, 0.4),
            *ring,
            (0.3, 1 - loop + rng.uniform(-0.1, 0.1)),
        ]
    ]


def seven_hooked(rng: Generator) -> Path:
    """Return a 7 with a long tick at its left end and a bent stem."""
    left = rng.uniform(0.0, 0.15)
    right = (rng.uniform(0.55, 0.75), rng.uniform(0.0, 0.12))
    tick = (left - rng.uniform(0.0, 0.05), rng.uniform(0.15, 0.4))
    stem = [(rng.uniform(0.35, 0.5), 0.45), (rng.uniform(0.2, 0.4), 1.0)]
    bar: Path = [[(0.15, 0.52), (rng.uniform(0.55, 0.8), 0.48)]] if rng.random() < 0.4 else []
    return [[tick, (left, 0.06), (left, 0.06), right, right, *stem], *bar]


def eight_footless(rng: Generator) -> Path:
    """Return an 8 whose lower ring does not close: its strokes cross below the upper ring."""
    left, right = (
        (rng.uniform(0.0, 0.15), rng.uniform(0.85, 1.0)),
        (rng.uniform(0.5, 0.8), rng.uniform(0.85, 1.0)),
    )
    ring = [(0.6, 0.2), (0.4, 0.0), (0.2, 0.2)]
    path = [left, (0.4, 0.5), *ring, (0.4, 0.5), right]
    hook = (right[0] - rng.uniform(0.15, 0.4), right[1] + rng.uniform(0.0, 0.05))
    return [[*path, hook] if rng.random() < 0.6 else path]


def eight_like_s(rng: Generator) -> Path:
    """Return an 8 that begins as an S and goes back in a nearly straight line."""
    start = (rng.uniform(0.55, 0.8), rng.uniform(0.05, 0.2))
    end = (rng.uniform(0.5, 0.95), rng.uniform(-0.12, 0.15))
    belly = [(0.55, 0.65), (0.6, 0.85), (0.35, 1.0), (0.08, 0.85)]
    return [[start, (0.4, 0.0), (0.18, 0.15), (0.3, 0.42), *belly, (0.35, 0.5), end]]


def nine_like_g(rng: Generator) -> Path:
    """Return a 9 with a bowl that is open at its top and a hooked stem."""
    x = rng.uniform(0.5, 0.65)
    bowl = [
        (x - rng.uniform(0.0, 0.1), rng.uniform(0.0, 0.12)),
        (0.25, 0.0),
        (0.03, 0.2),
        (0.2, 0.42),
        (x, rng.uniform(0.15, 0.35)),
    ]
    foot = [(x, 0.7), (rng.uniform(0.2, 0.4), 1.0), (rng.uniform(-0.05, 0.15), 0.85)]
    return [bowl, [(x, rng.uniform(-0.02, 0.1)), *foot[: int(rng.integers(2, 4))]]]


RARE_STYLES: dict[int, tuple[Style, ...]] = {
    0: (zero_open, zero_knotted, zero_knotted),
    1: (one_roof, one_roof, one_lambda, one_curved),
    2: (two_like_z, two_long),
    3: (three_flowing, three_like_z),
    4: (four_like_h, four_in_one),
    5: (five_tick, five_open, five_apart, five_like_r),
    6: (six_straight, six_open, six_flat, six_curled),
    7: (seven_like_t, seven_hooked),
    8: (eight_open, eight_footless, eight_like_s),
    9: (nine_like_p, nine_from_stem, nine_like_g),
}

# Digits of straight lines and corners, in a box of width 1 and height 1.
BOXY: dict[int, tuple[str, ...]] = {
    0: ("0,0 1,0 1,1 0,1 0,0",),
    1: ("1,0 1,1", ".5,.2 1,0 1,1"),
    2: ("0,0 1,0 1,.5 0,.5 0,1 1,1",),
    3: ("0,0 1,0 1,1 0,1|.2,.5 1,.5", "0,0 1,0 .4,.45 1,.5 1,1 0,1"),
    4: ("0,0 0,.5 1,.5|1,0 1,1", "0,0 0,.5 1,.5|.7,.2 .7,1"),
    5: ("1,0 0,0 0,.5 1,.5 1,1 0,1",),
    6: ("1,0 0,0 0,1 1,1 1,.5 0,.5", "0,0 0,1 1,1 1,.5 0,.5"),
    7: ("0,0 1,0 1,1", "0,0 1,0 .4,1", "0,.2 0,0 1,0 1,1|.6,.5 1.3,.5"),
    8: ("0,0 1,0 1,1 0,1 0,0|0,.5 1,.5",),
    9: ("1,.5 0,.5 0,0 1,0 1,1", "1,.5 0,.5 0,0 1,0 1,1 0,1"),
}


def boxy(digit: int, width: float, rng: Generator) -> Path:
    """Return a digit of straight lines and corners, as some people write into the boxes of forms."""
    text = BOXY[digit][int(rng.integers(len(BOXY[digit])))]
    strokes = []
    for stroke in text.split("|"):
        points = [(float(x) * width, float(y)) for x, y in (point.split(",") for point in stroke.split())]
        strokes.append([point for point in points for _ in range(2)])  # given twice: a corner
    return strokes


# The segments of a display, each with its two ends, and the segments of each digit.
SEGMENTS = {
    "a": (0, 0, 1, 0), "b": (1, 0, 1, 0.5), "c": (1, 0.5, 1, 1), "d": (0, 1, 1, 1), "e": (0, 0.5, 0, 1),
    "f": (0, 0, 0, 0.5), "g": (0, 0.5, 1, 0.5),
}  # fmt: skip
LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def seven_segments(digit: int, gap: float, width: float) -> Path:
    """Return a digit of a seven-segment display, whose segments do not meet."""
    strokes = []
    for x0, y0, x1, y1 in (SEGMENTS[name] for name in LIT[digit]):
        along = (gap * (x1 - x0), gap * (y1 - y0) / 2)
        ends = [(x0 + along[0], y0 + along[1]), (x1 - along[0], y1 - along[1])]
        strokes.append([(x * width, y) for x, y in ends])
    return strokes


def _point(rng: Generator) -> Path:
    x, y = rng.uniform(0.0, 0.06, 2)
    return [[(0.0, 0.97), (x, 0.97 + y)]]


def _comma(rng: Generator) -> Path:
    return [[(0.1, rng.uniform(0.85, 0.98)), (0.1, 1.02), (rng.uniform(-0.1, 0.04), rng.uniform(1.12, 1.35))]]


def _dash(rng: Generator) -> Path:
    y, length = rng.uniform(0.4, 0.65), rng.uniform(0.25, 0.7)
    return [[(0.0, y), (length / 2, y + rng.uniform(-0.04, 0.04)), (length, y + rng.uniform(-0.06, 0.06))]]


def _slash(rng: Generator) -> Path:
    width = rng.uniform(0.25, 0.6)
    return [[(width, rng.uniform(-0.25, 0.05)), (0.0, rng.uniform(0.95, 1.3))]]


def _colon(rng: Generator) -> Path:
    y = rng.uniform(0.25, 0.5)
    return [[(0.0, y), (0.02, y + 0.03)], [(0.0, 0.95), (0.02, 0.98)]]


def _bracket(side: int) -> Callable[[Generator], Path]:
    def draw(rng: Generator) -> Path:
        bow, top, foot = rng.uniform(0.12, 0.3), rng.uniform(-0.25, 0.0), rng.uniform(1.0, 1.25)
        points = [(bow, top), (0.05, 0.25), (0.0, 0.5), (0.05, 0.8), (bow, foot)]
        return [[(x if side < 0 else -x, y) for x, y in points]]

    return draw


def _euro(rng: Generator) -> Path:
    return [_arc(0.45, 0.5, 0.38, 0.5, -50, -310), [(-0.05, 0.42), (0.5, 0.4)], [(-0.05, 0.6), (0.45, 0.58)]]


def _equals(rng: Generator) -> Path:
    gap, length = rng.uniform(0.15, 0.3), rng.uniform(0.35, 0.7)
    return [[(0.0, y), (length, y + rng.uniform(-0.04, 0.04))] for y in (0.5 - gap / 2, 0.5 + gap / 2)]


def _star(rng: Generator) -> Path:
    return [[(0.25, 0.2), (0.25, 0.7)], [(0.02, 0.32), (0.48, 0.58)], [(0.48, 0.32), (0.02, 0.58)]]


def _apostrophe(rng: Generator) -> Path:
    return [[(0.06, rng.uniform(-0.1, 0.0)), (0.0, rng.uniform(0.12, 0.25))]]


SIGNS: dict[str, Style] = {
    ".": _point,
    ",": _comma,
    "-": _dash,
    "/": _slash,
    ":": _colon,
    "(": _bracket(-1),
    ")": _bracket(1),
    "€": _euro,
    "=": _equals,
    "*": _star,
    "'": _apostrophe,
}

# Letters that look like digits; in a word they are letters all the same. Format as in nondigits.LETTERS.
LIKE_DIGITS = """
o .4,0 .05,.4 .3,1 .7,.7 .6,.1 .4,0
l .2,0 .15,1
l .1,.6 .35,.1 .2,0 .15,.9 .35,1
i .1,.1 .1,1 | .12,-.25 .13,-.22
s .5,.1 .2,0 .1,.3 .45,.6 .4,.95 .05,.9
z .05,.05 .55,.05 .55,.05 .05,.95 .05,.95 .6,.95
b .1,0 .1,1 .1,.6 .4,.5 .5,.8 .15,1
g .5,.15 .3,0 .08,.3 .3,.6 .5,.2 .5,.2 .5,.9 .25,1.1 .05,.95
q .5,.15 .3,0 .08,.3 .3,.6 .5,.2 .5,.2 .5,1.1
S .6,.12 .3,0 .1,.25 .55,.65 .4,1 .05,.88
O .4,0 .02,.5 .4,1 .78,.5 .4,0
I .2,0 .2,1
I .2,0 .2,1 | .05,0 .35,0 | .05,1 .35,1
Z .05,.02 .65,.02 .65,.02 .02,1 .02,1 .7,1
B .1,0 .1,1 | .1,0 .55,.15 .15,.48 .65,.7 .1,1
G .65,.15 .4,0 .05,.4 .3,1 .65,.8 .65,.55 .65,.55 .4,.55
"""
SMALL = set("aceghijmnopqrsuvwxyzαγεημνοπρστυχω")  # letters without an ascender


def _letters() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for line in (nondigits.LETTERS + LIKE_DIGITS).strip().splitlines():
        if not line.strip():
            continue
        name, strokes = line.split(" ", 1)
        path = [
            [(float(p.split(",")[0]), float(p.split(",")[1])) for p in s.split()]
            for s in strokes.split(" | ")
        ]
        found.setdefault(name, []).append(path)
    return found


LETTERS = _letters()


def letter_strokes(text: str, rng: Generator) -> Path:
    """Return the strokes of a letter or sign; of a random one if the pen does not know it."""
    known = LETTERS.get(text) or LETTERS.get(text.swapcase())
    if known is None:
        known = LETTERS[list(LETTERS)[int(rng.integers(len(LETTERS)))]]
    path = known[int(rng.integers(len(known)))]
    if text in SMALL:  # an x-height of about 0.6 of a digit, on the base line
        high, low = (0.62, 0.25) if text in "gjpqy" else (0.62, 0.0)
        return [[(x * high, 1 - high + y * high + low) for x, y in stroke] for stroke in path]
    return path
