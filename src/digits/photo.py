"""A picture of handwriting in, digits the way MNIST has them out.

The path: ink against paper (`ink.ink_of`), ruled lines away, connected strokes, strokes to characters,
characters to rows in reading order, touching digits apart, and each character into the 20-pixel box,
centred by mass, with MNIST's stroke width (`mnist_form`). Coordinates are (y, x) pixels.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.ink import INK, Array, Ink, Mask, contrast_of, ink_of, running, stroke_width, with_margin
from digits.options import THRESHOLD
from digits.pictures import Limits, Picture, Source, open_picture
from digits.strokes import Stroke, extent, gap, strokes_of, union
from digits.touching import take_apart

Classify: TypeAlias = Callable[[Array], npt.NDArray[np.floating]]  # (N, 28, 28) -> (N, 10) probabilities

SIDE = 28  # px, a picture of MNIST
SMALL = 32  # px; pictures up to this side show neither tables nor ruled lines: what seems so is a stroke
BOX = 20  # px; MNIST's digits were scaled into a 20 x 20 box, then centred by mass
THIN, THICK = 2.0, 3.6  # px in that box: of MNIST's training images a quarter is thinner, 1 in 20 thicker
CLOSE_UP = 80  # px; characters are taken apart at this height, four times that of the box
DOUBT = 1.5  # weight of the classifier's doubt against that of odd shapes and cuts
# A character alone in its row is one digit if it is NARROW, or if it is WIDE at most and one for certain:
# with THRESHOLD, as a mark alone is accepted. It is several only if each is; in a WORD one may be less.
NARROW, WIDE, WORD = 0.8, 1.2, 1.6  # times its height
LEAST_WIDTH = 4.0  # px of a stroke at that height, 1 px in MNIST's box: thinner ones would break


@dataclass(frozen=True)
class Mark:
    """One thing that may be a digit: `image` (28, 28) in [0, 1], white on black; `box` (x, y, w, h).

    The box is in pixels of the upright original. `row` counts lines of writing from 0. A `blank` mark says
    that there was no ink: its box is the whole picture, its image black.
    """

    image: Array
    box: tuple[int, int, int, int]
    row: int = 0
    blank: bool = False


@dataclass(frozen=True)
class Page:
    """What a picture holds: `marks` in reading order and, if asked for, the `steps` as named pictures."""

    width: int
    height: int
    marks: tuple[Mark, ...]
    light_ink: bool
    steps: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)


def read_page(
    source: Source,
    *,
    single: bool = False,
    classify: Classify | None = None,
    explain: bool = False,
    limits: Limits | None = None,
    name: str = "",
) -> Page:
    """`find` on whatever `open_picture` opens."""
    return find(open_picture(source, limits, name=name), single=single, classify=classify, explain=explain)


def find(
    picture: Picture, *, single: bool = False, classify: Classify | None = None, explain: bool = False
) -> Page:
    """The digits of a picture.

    `single` says that there is one at most: exactly one mark comes out, `blank` if there is no ink at all.
    `classify` helps to take touching digits apart: (N, 28, 28) to probabilities (N, 10); rows that sum to
    less than 1 leave the rest to "no digit". Without it the shape alone decides.
    """
    ready = _already_mnist(picture.pixels)
    if ready is not None:
        steps = {"picture": picture.pixels} if explain else {}
        return Page(SIDE, SIDE, (Mark(ready, _around(picture.pixels > 0)),), light_ink=True, steps=steps)
    contrast, light = contrast_of(picture.pixels)
    small = max(contrast.shape) <= SMALL
    ink = ink_of(contrast) if small else _without_rim(contrast if single else _unruled(contrast))
    steps = {"picture": picture.pixels, "ink": _grey(ink.amount)} if explain else {}
    ink = ink if small else without_rules(ink, several=not single)
    strokes = _unless_noise(strokes_of(ink.mask), ink.mask.shape)
    strokes = _one(strokes, ink) if single else _clean(strokes, ink.mask.shape)
    card = _on_a_card(picture, strokes, explain=explain) if single else None
    if card is not None:
        return card
    sheet = _close_up(ink, strokes)
    if explain:
        steps["strokes"] = _grey(sheet.amount)
    rows = [[sheet.strokes]] if single else read_rows(sheet, classify)
    marks = [
        Mark(mnist_form(_cut_out(sheet.amount, parts)), _original_box(parts, sheet, picture), row)
        for row, characters in enumerate(rows)
        for parts in characters
        if parts
    ]
    if single and not marks:
        whole = (0, 0, picture.width, picture.height)
        marks = [Mark(np.zeros((SIDE, SIDE), np.float32), whole, blank=True)]
    return Page(picture.width, picture.height, tuple(marks), light, steps)


def _around(seen: Mask) -> tuple[int, int, int, int]:
    """x, y, w, h of what is seen."""
    top, bottom, left, right = extent(seen)
    return left, top, right - left, bottom - top


def _grey(values: Array) -> npt.NDArray[np.uint8]:
    return np.asarray(values * np.float32(255), dtype=np.uint8)


def _already_mnist(pixels: npt.NDArray[np.uint8]) -> Array | None:
    """A picture made as MNIST's were needs no finding: 28 x 28, white on black, boxed and centred by mass."""
    if pixels.shape != (SIDE, SIDE) or pixels[:3].any() or pixels[-3:].any():
        return None
    if pixels.max() < 200:
        return None
    top, bottom, left, right = extent(pixels > 0)
    if max(bottom - top, right - left) != BOX:
        return None
    ink = pixels.astype(np.float32) / np.float32(255)
    y, x = centre_of_mass(ink)
    off = max(abs(y - (SIDE - 1) / 2), abs(x - (SIDE - 1) / 2))
    return ink if off <= 1.01 else None


# The rim ---------------------------------------------------------------------------------------------------


def _without_rim(contrast: Array) -> Ink:
    """The ink, looked for again without tables, carpets and fingers that come in over the picture's border.

    They are darker than any pen: next to them faint writing would pass for paper.
    """
    ink = ink_of(contrast)
    shape = ink.mask.shape
    strokes = strokes_of(ink.mask)
    rim = [s for s in strokes if _is_edge(s, shape) or _is_round(s, shape)]
    again = _without(contrast, rim)
    if again is not None:
        return again
    touching = [s for s in strokes if _is_outside(s, shape)]
    again = _without(contrast, touching)
    hidden = again is not None and float(ink.amount[again.mask].mean()) < INK
    return again if again is not None and hidden else ink


def _without(contrast: Array, strokes: Sequence[Stroke]) -> Ink | None:
    """The ink without these, if any writing is left."""
    if not strokes:
        return None
    rim = np.zeros(contrast.shape, bool)
    for s in strokes:
        rim[s.top : s.bottom, s.left : s.right] |= s.mask
    margin = 1 + 2 * max(1, round(0.01 * max(rim.shape)))
    again = ink_of(np.where(running(np.maximum, rim, margin), 0, contrast).astype(np.float32))
    left = _unless_noise(strokes_of(again.mask), rim.shape)
    fringe = running(np.maximum, rim, 3 * margin)
    written = max(
        (s.size for s in left if not _is_edge(s, rim.shape) and not _is_within(s, fringe)), default=0
    )
    return again if written >= 0.1 * min(rim.shape) else None


def _is_within(s: Stroke, area: Mask) -> bool:
    """Whether most of a stroke lies there."""
    return float(area[s.top : s.bottom, s.left : s.right][s.mask].mean()) > 0.5


def _is_outside(s: Stroke, shape: tuple[int, ...]) -> bool:
    """On the border and not in the middle half of the picture."""
    return _is_beside(s, shape) and _touches(s, shape)


def _is_beside(s: Stroke, shape: tuple[int, ...]) -> bool:
    """Wholly in a quarter along one side of the picture."""
    height, width = shape
    return s.bottom < height / 4 or s.top > 3 * height / 4 or s.right < width / 4 or s.left > 3 * width / 4


def _touches(s: Stroke, shape: tuple[int, ...]) -> bool:
    near = round(0.008 * max(shape))
    return min(s.top, s.left, shape[0] - s.bottom, shape[1] - s.right) <= near


def _is_round(s: Stroke, shape: tuple[int, ...]) -> bool:
    """Thin ink round half the picture: the edges of the sheet, or a box to write into."""
    if s.height < 0.5 * shape[0] or s.width < 0.5 * shape[1] or s.area > 0.12 * s.height * s.width:
        return False
    band = max(1, round(0.04 * s.size))
    sides = (s.mask[:band].any(0), s.mask[-band:].any(0), s.mask[:, :band].any(1), s.mask[:, -band:].any(1))
    return sum(float(side.mean()) > 0.6 for side in sides) >= 2


# Ruled lines -----------------------------------------------------------------------------------------------


def _unruled(contrast: Array) -> Array:
    """The contrast without ruled lines: one that several digits stand on would bind them together."""
    ink = ink_of(contrast)
    ruled = (ink.amount > 0) & (without_rules(ink, several=True).amount == 0)
    return np.where(ruled, np.float32(0), contrast)


def without_rules(ink: Ink, *, several: bool = False) -> Ink:
    """Ink without the lines of ruled or squared paper; strokes that cross them stay.

    Where there are `several` digits, a line from border to border is less likely to be part of one.
    """
    ruled = _rules(ink.mask, upright=False, several=several) | _rules(ink.mask.T, upright=True).T
    if not ruled.any():
        return ink
    kept = ink.mask & ~ruled
    fringe = running(np.maximum, ruled, 5) & ~running(np.maximum, kept, 3)
    return Ink(np.where(ruled | fringe, 0, ink.amount).astype(np.float32), kept)


def _rules(mask: Mask, *, upright: bool, several: bool = False) -> Mask:
    """The pixels of nearly horizontal thin lines from border to border, but for where strokes cross them."""
    height, width = mask.shape
    starts, columns, lengths = _column_runs(mask)
    thickest = max(3, round(0.012 * max(height, width)))
    if several:  # of a strip no higher than its writing
        thickest = max(thickest, min(5, round(0.06 * height)))
    thin = lengths <= thickest
    found: list[npt.NDArray[np.intp]] = []
    left = thin.copy()
    while len(found) < MOST_RULES:
        slope, row, covered = _straightest(starts[left], columns[left], width)
        if covered < 0.5 * width:
            break
        near = np.abs(starts - np.rint(slope * (columns - width / 2)) - row) <= 1.5
        found.append(np.flatnonzero(left & near))
        left &= ~near
    rules = [line for line in found if np.ptp(columns[line]) >= 0.85 * width]
    removed = np.zeros_like(mask)
    for line in rules:
        for y, x, length in zip(starts[line], columns[line], lengths[line], strict=True):
            removed[y : y + length, x] = True
    least = 1.2 if several else 2.0
    if rules and (len(rules) >= 3 or _is_beyond_writing(mask & ~removed, removed, upright, least)):
        return removed
    return np.zeros_like(mask)


MOST_RULES = 60
SLOPE = 0.06  # of ruled lines against the picture's edge, at most


def _column_runs(mask: Mask) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First row, column and length of every run of ink down a column."""
    padded = np.pad(mask, ((1, 1), (0, 0))).T
    flips = np.flatnonzero(np.diff(padded.ravel(), prepend=False))
    columns, starts = np.divmod(flips[::2], padded.shape[1])
    return starts - 1, columns, flips[1::2] - flips[::2]


def _straightest(
    starts: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], width: int
) -> tuple[float, float, int]:
    """Slope and middle row of the line that most runs begin on, and how many do."""
    best = (0.0, 0.0, 0)
    if starts.size < 0.5 * width:
        return best
    for slope in np.linspace(-SLOPE, SLOPE, 2 * min(20, math.ceil(SLOPE * width / 2)) + 1):
        rows = starts - np.rint(slope * (columns - width / 2)).astype(int)
        low = int(rows.min())
        counts = np.convolve(np.bincount(rows - low), [1, 1, 1], mode="same")
        most = int(counts.argmax())
        if counts[most] > best[2]:
            best = (float(slope), float(most + low), int(counts[most]))
    return best


def _is_beyond_writing(writing: Mask, lines: Mask, upright: bool, least: float) -> bool:
    """Whether lines are the paper's: a 7's bar or a 1's stem ends where the digit does.

    Level lines may cross writing that is `least` times as wide as high.
    """
    if not writing.any():
        return False
    top, bottom, left, right = extent(writing)
    length = lines.shape[1]
    if left >= 0.2 * length and right <= 0.8 * length:
        return True
    wide = length >= least * (bottom - top) and right - left >= 0.4 * length
    return bool(not upright and wide and writing.sum() >= lines.sum())


def _unless_noise(strokes: list[Stroke], shape: tuple[int, ...]) -> list[Stroke]:
    """Nothing, if the ink is all grains: paper in dim light has hundreds, and none as long as a stroke."""
    if len(strokes) <= 50:
        return strokes
    sizes = np.array([s.size for s in strokes])
    order = np.argsort(sizes)
    ink = np.cumsum(np.array([s.area for s in strokes])[order])
    typical = sizes[order][np.searchsorted(ink, ink[-1] / 2)]
    return [] if typical < max(6, 0.012 * max(shape)) else strokes


def _one(strokes: list[Stroke], ink: Ink) -> list[Stroke]:
    """The strokes of the only digit: of all groups of strokes near one another that of the weightiest.

    What comes in over the border weighs less, and least if it stays away from the middle.
    """
    shape = ink.mask.shape
    masses = {id(s): _mass(s, ink) * (0.1 if _is_edge(s, shape) else 1.0) for s in strokes}
    rest = sorted(strokes, key=lambda s: -masses[id(s)] * _place(s, shape))
    best: tuple[float, list[Stroke]] = (-1.0, [])
    while rest:
        group = _grown_group(rest, masses, shape)
        weight = masses[id(group[0])] * _place(union(group), shape)
        if weight > best[0]:
            best = (weight, group)
        members = {id(s) for s in group}
        rest = [s for s in rest if id(s) not in members and masses[id(s)] > best[0]]
    return best[1]


def _mass(s: Stroke, ink: Ink) -> float:
    return float(ink.amount[s.top : s.bottom, s.left : s.right][s.mask].sum())


def _place(s: Stroke, shape: tuple[int, ...]) -> float:
    """How much ink counts there."""
    return 0.05 if _is_outside(s, shape) else 0.5 if _touches(s, shape) else 1.0


def _grown_group(strokes: Sequence[Stroke], masses: dict[int, float], shape: tuple[int, ...]) -> list[Stroke]:
    """The first stroke and what is near enough and large enough to belong to the same digit."""
    group, rest = [strokes[0]], strokes[1:]
    while True:
        whole = union(group)
        near = [
            s
            for s in rest
            if masses[id(s)] >= 0.02 * masses[id(group[0])]
            and s.size >= 0.1 * whole.size
            and gap(s, whole) <= 0.5 * max(whole.size, s.size)
            and (_touches(group[0], shape) or not _touches(s, shape) or _is_part(s, whole))
            and (_is_beside(s, shape) or not _is_beside(whole, shape))
            and not _is_edge(s, shape)
            and not (_is_line(s) and s.size > 1.3 * whole.size)
        ]
        if not near:
            return group
        group += near
        rest = [s for s in rest if all(s is not n for n in near)]


def _is_part(s: Stroke, whole: Stroke) -> bool:
    """Whether what the picture's border cuts off is no neighbour: as good as joined, or above or below."""
    if gap(s, whole) > 0.1 * whole.size:
        return False
    shared = min(s.right, whole.right) - max(s.left, whole.left)
    return shared >= 0.4 * min(s.width, whole.width) or _is_joined(s, whole, 0.03 * whole.size)


def _is_joined(a: Stroke, b: Stroke, reach: float) -> bool:
    """Whether some ink of both is no further apart."""
    both = union([a, b])
    here, there = (np.zeros(both.mask.shape, bool) for _ in range(2))
    for s, mask in ((a, here), (b, there)):
        mask[s.top - both.top : s.bottom - both.top, s.left - both.left : s.right - both.left] = s.mask
    return bool((running(np.maximum, here, 1 + 2 * math.ceil(reach)) & there).any())


def _on_a_card(picture: Picture, strokes: Sequence[Stroke], *, explain: bool) -> Page | None:
    """What is written on a sheet that lies on something darker and fills less than half of the picture.

    The sheet itself was taken for the ink: it is a solid block with thin strokes inside.
    """
    if not strokes:
        return None
    card = max(strokes, key=lambda s: s.area)
    if union(strokes).size > card.size:
        return None
    if min(card.height, card.width) < max(32, 0.3 * card.size) or card.area < 0.6 * card.height * card.width:
        return None
    inside = picture.pixels[card.top : card.bottom, card.left : card.right]
    if inside.shape == picture.pixels.shape:
        return None
    page = find(Picture(inside, card.width, card.height), single=True, explain=explain)
    mark = page.marks[0]
    x, y, width, height = mark.box
    solid = stroke_width(mark.image) > 0.3 * BOX
    if mark.blank or solid or max(width, height) < 0.2 * card.size:
        return None
    high, wide = picture.pixels.shape[0] / picture.height, picture.pixels.shape[1] / picture.width
    box = (int((card.left + x) / wide), int((card.top + y) / high), int(width / wide), int(height / high))
    steps = {name: _laid_out(step, card, picture) for name, step in page.steps.items()}
    if steps:
        steps["picture"] = picture.pixels
    return Page(picture.width, picture.height, (replace(mark, box=box),), page.light_ink, steps)


def _laid_out(step: npt.NDArray[np.uint8], card: Stroke, picture: Picture) -> npt.NDArray[np.uint8]:
    """What was made of the card alone, at the card's place in the picture; nothing around it."""
    whole = np.zeros(picture.pixels.shape[:2], np.uint8)
    grey = Image.fromarray(step).convert("L").resize((card.width, card.height), Image.Resampling.BOX)
    whole[card.top : card.bottom, card.left : card.right] = np.asarray(grey)
    return whole


def _is_edge(s: Stroke, shape: tuple[int, ...]) -> bool:
    """Whether this is the rim of the sheet, the table or a shadow: long on the border, or in a corner."""
    height, width = shape
    if max(shape) <= SMALL:
        return False
    near = round(0.008 * max(shape))
    sides = (s.top <= near, s.bottom >= height - near, s.left <= near, s.right >= width - near)
    if not any(sides):
        return False
    lines = (s.mask[0], s.mask[-1], s.mask[:, 0], s.mask[:, -1])
    along = [int(line.sum()) for line, side in zip(lines, sides, strict=True) if side]
    full = [n for n, side in zip((width, width, height, height), sides, strict=True) if side]
    on_border = s.top == 0 or s.bottom == height or s.left == 0 or s.right == width
    strip = on_border and s.size > 3 * min(s.height, s.width) and max(along) > 0.5 * s.size
    small = s.height < 0.4 * height and s.width < 0.4 * width
    corner = small and (sides[0] or sides[1]) and (sides[2] or sides[3])
    return strip or corner or any(a > 0.6 * n for a, n in zip(along, full, strict=True))


def _clean(strokes: list[Stroke], shape: tuple[int, ...]) -> list[Stroke]:
    """Without the picture's rim, frames, creases and specks."""
    inside = [s for s in strokes if not _is_edge(s, shape) and not _is_frame(s, strokes, shape)]
    if max((s.size for s in inside), default=0) > 0.03 * max(shape):
        strokes = inside
    short = max((s.size for s in strokes if not _is_line(s)), default=0)
    strokes = [s for s in strokes if not _is_line(s) or not short or s.size <= 2 * short]
    if not strokes:
        return []
    strokes = [s for s in strokes if not _is_far_rim(s, strokes, shape)] or strokes
    usual = _usual_height(strokes)
    return [s for s in strokes if s.size >= 0.12 * usual and s.height <= 4 * usual]


def _is_line(s: Stroke) -> bool:
    """Long and thin: a crease, an edge or a 1."""
    return min(s.height, s.width) <= 0.15 * s.size


def _is_frame(s: Stroke, others: Sequence[Stroke], shape: tuple[int, ...]) -> bool:
    """Thin ink round half the picture with writing inside."""
    if not _is_round(s, shape):
        return False
    return any(
        o is not s and o.size > 0.03 * max(shape) and s.top < o.top and o.bottom < s.bottom
        and s.left < o.left and o.right < s.right
        for o in others
    )  # fmt: skip


def _is_far_rim(s: Stroke, others: Sequence[Stroke], shape: tuple[int, ...]) -> bool:
    """A thin line along the picture's border with no writing near: where the sheet or the light ends."""
    near = 0.02 * max(shape)
    upright = s.left <= near or s.right >= shape[1] - near
    level = s.top <= near or s.bottom >= shape[0] - near
    if not ((upright and s.height > 2.5 * s.width) or (level and s.width > 2.5 * s.height)):
        return False
    return all(o is s or gap(o, s) > 0.5 * s.size for o in others)


def _usual_height(strokes: Sequence[Stroke]) -> float:
    """The median height, counted by its square: many dots and dashes do not make it small."""
    heights = np.sort([s.height for s in strokes])
    weights = np.cumsum(heights.astype(np.float64) ** 2)
    return float(heights[np.searchsorted(weights, weights[-1] / 2)])


# Close-up --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sheet:
    """The ink of a picture at a scale at which a character is about CLOSE_UP pixels high."""

    amount: Array
    strokes: list[Stroke]


def _close_up(ink: Ink, strokes: list[Stroke]) -> Sheet:
    """Make large writing smaller, keeping its strokes from fading; small writing stays as it is."""
    if not strokes:
        return Sheet(ink.amount, [])
    usual = _usual_height(strokes) if len(strokes) > 1 else float(strokes[0].size)
    usual = max(usual, max(s.size for s in strokes) / 4)
    scale = CLOSE_UP / usual
    if scale > 0.75:
        return Sheet(ink.amount, strokes)
    whole = union(strokes)
    reach = 1 + round(LEAST_WIDTH / scale / 2)
    top, left = max(whole.top - reach, 0), max(whole.left - reach, 0)
    near = np.s_[top : whole.bottom + reach, left : whole.right + reach]
    inside = np.s_[whole.top - top : whole.bottom - top, whole.left - left : whole.right - left]
    piece = ink.amount[near]
    mask = np.zeros(piece.shape, bool)
    mask[inside] = whole.mask
    piece = piece * running(np.maximum, mask, 3)
    thin = stroke_width(piece[inside])
    if thin * scale < LEAST_WIDTH:
        piece = running(np.maximum, piece, 1 + 2 * round((LEAST_WIDTH / scale - thin) / 2))
    amount = np.zeros_like(ink.amount)
    amount[near] = piece
    height, width = (max(1, round(n * scale)) for n in amount.shape)
    amount = np.asarray(Image.fromarray(amount).resize((width, height), Image.Resampling.BOX))
    return Sheet(amount, strokes_of(amount > INK))


# Characters and rows ---------------------------------------------------------------------------------------


def read_rows(sheet: Sheet, classify: Classify | None) -> list[list[list[Stroke]]]:
    """Characters, each a list of strokes, by rows from top to bottom and from left to right."""
    if not sheet.strokes:
        return []
    usual = _usual_height(sheet.strokes)
    characters = [union(group) for group in _joined(sheet.strokes, usual)]
    characters = [c for c in characters if _is_character(c, usual)]
    judge = _Judge(sheet.amount, usual, classify)
    if len(characters) == 1 and judge.is_one(characters[0]):
        return [[characters]]  # as on most pages; to take it apart would cost five times the rest
    rows = []
    for row in _rows(characters, usual):
        digits = take_apart(row, sheet.amount, usual, judge.cost)
        if len(row) == 1 and not judge.may_be(digits, row[0]):
            digits = row
        if digits:
            rows.append([[d] for d in digits])
    return rows


@dataclass(frozen=True)
class _Judge:
    """Says what is a digit and what is not; `amount` is the page's soft ink, `usual` a character's height."""

    amount: Array
    usual: float
    classify: Classify | None

    def cost(self, wholes: Sequence[Stroke]) -> npt.NDArray[np.float64]:
        """Of taking each stroke for a digit: its odd shape, and the classifier's doubt."""
        shape = np.array([_odd_shape(w, self.usual) for w in wholes])
        if self.classify is None:
            return np.asarray(shape + [6 * max(0.0, w.width / self.usual - 0.85) for w in wholes])
        return np.asarray(shape - DOUBT * np.log(np.maximum(self._sure(self.classify, wholes), 1e-4)))

    def is_one(self, alone: Stroke) -> bool:
        """Whether the only character of a page is one digit beyond doubt, or too narrow to be several."""
        slim = alone.width / alone.height
        if slim <= NARROW or self.classify is None:
            return slim <= NARROW
        return slim <= WIDE and bool(self._sure(self.classify, [alone])[0] >= THRESHOLD)

    def may_be(self, digits: Sequence[Stroke], alone: Stroke) -> bool:
        """Whether the only character of a row may have come apart into these digits: an α does into 01."""
        if self.classify is None or not digits or digits[0].width == alone.width:
            return True
        unsure = int((self._sure(self.classify, digits) < THRESHOLD).sum())
        return unsure <= (len(digits) > 2 and alone.width > WORD * alone.height)

    def _sure(self, classify: Classify, wholes: Sequence[Stroke]) -> npt.NDArray[np.floating]:
        """The probability of each one's best guess."""
        images = np.stack([mnist_form(_cut_out(self.amount, [w])) for w in wholes])
        return np.asarray(classify(images).max(1))


def _odd_shape(s: Stroke, usual: float) -> float:
    """What a digit costs for being wider than high, or lower than its neighbours."""
    return 6 * max(0.0, s.width / max(s.height, 0.6 * usual) - 1) + 4 * max(0.0, 0.9 - s.height / usual)


def _is_character(s: Stroke, usual: float) -> bool:
    """Not a speck, a dot, a comma or a dash."""
    return s.size >= 0.35 * usual and s.height >= 0.3 * usual


def _joined(strokes: Sequence[Stroke], usual: float) -> list[list[Stroke]]:
    """Groups of strokes of one character: above one another, or nearly touching."""
    groups = [[s] for s in sorted(strokes, key=lambda s: -s.area)]
    hulls = [group[0] for group in groups]
    merged = True
    while merged:
        merged = False
        for i, group in enumerate(groups):
            for j in range(len(groups) - 1, i, -1):
                if _belongs(hulls[j], hulls[i], usual):
                    group += groups.pop(j)
                    del hulls[j]
                    hulls[i] = union(group)
                    merged = True
    return groups


def _belongs(small: Stroke, large: Stroke, usual: float) -> bool:
    if min(small.size, large.size) < 0.3 * usual:  # a speck or a dot, or a crumb inside a digit
        return (
            gap(small, large) == 0
            and min(small.size, large.size) >= 0.1 * usual
            and small.bottom < large.bottom
        )
    across = min(small.right, large.right) - max(small.left, large.left)
    if across < 0.5 * min(small.width, large.width):
        return False
    apart = max(small.top - large.bottom, large.top - small.bottom)
    height = max(small.bottom, large.bottom) - min(small.top, large.top)
    return apart <= 0.2 * usual and height <= 1.6 * usual


def _rows(characters: Sequence[Stroke], usual: float) -> list[list[Stroke]]:
    """Rows from top to bottom, each from left to right, along the slope that parts the rows best."""
    if not characters:
        return []
    middle = np.array([(c.top + c.bottom) / 2 for c in characters])
    across = np.array([(c.left + c.right) / 2 for c in characters])
    best: tuple[float, list[list[int]]] = (math.inf, [])
    for slope in SLOPES:
        level = middle - slope * across
        order = np.argsort(level, kind="stable")
        breaks = np.flatnonzero(np.diff(level[order]) > 0.5 * usual) + 1
        groups = [group.tolist() for group in np.split(order, breaks)]
        spread = sum(float(np.ptp(level[g])) for g in groups) / usual
        cost = spread + len(groups) + 10 * abs(slope)
        if cost < best[0]:
            best = (cost, groups)
    return [[characters[i] for i in sorted(group, key=lambda i: across[i])] for group in best[1]]


SLOPES = np.tan(np.radians([0, 2, -2, 4, -4, 7, -7, 10, -10, 14, -14, 18, -18]))


def _original_box(parts: Sequence[Stroke], sheet: Sheet, picture: Picture) -> tuple[int, int, int, int]:
    """x, y, w, h in the original's pixels."""
    whole = union(parts)
    high, wide = sheet.amount.shape[0] / picture.height, sheet.amount.shape[1] / picture.width
    left, top = int(whole.left / wide), int(whole.top / high)
    right = min(picture.width, math.ceil(whole.right / wide))
    bottom = min(picture.height, math.ceil(whole.bottom / high))
    return left, top, max(1, right - left), max(1, bottom - top)


# MNIST's form ----------------------------------------------------------------------------------------------


def _cut_out(amount: Array, parts: Sequence[Stroke]) -> Array:
    """The soft ink of these strokes alone, with a margin of two pixels for their fading edges."""
    whole = union(parts)
    mask = running(np.maximum, with_margin(whole.mask, 2), 5 if whole.size > 40 else 3)
    soft = np.zeros(mask.shape, np.float32)
    top, left = max(whole.top - 2, 0), max(whole.left - 2, 0)
    piece = amount[top : whole.bottom + 2, left : whole.right + 2]
    y, x = top - whole.top + 2, left - whole.left + 2
    soft[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
    return np.asarray(soft * mask, dtype=np.float32)


def mnist_form(ink: Array) -> Array:
    """Ink of any size (H, W) as (28, 28): 20-pixel box, MNIST's stroke width, centred by mass."""
    seen = ink > 0.2
    if not seen.any():
        return np.zeros((SIDE, SIDE), np.float32)
    top, bottom, left, right = extent(seen)
    ink = ink[top:bottom, left:right]
    boxed = _boxed(ink)
    width = stroke_width(boxed)
    if not THIN <= width <= THICK:
        boxed = _boxed(_restroked(ink, width))
    return centred(boxed / max(float(boxed.max()), 1e-6))


def _boxed(ink: Array) -> Array:
    """Scaled so that the longer side is 20 pixels."""
    return ink if max(ink.shape) == BOX else scaled(ink, BOX / max(ink.shape))


def scaled(ink: Array, scale: float) -> Array:
    """Bicubic, in [0, 1]."""
    height, width = (max(1, round(n * scale)) for n in ink.shape)
    if max(ink.shape) <= 2 * SMALL:
        new = _resampling(ink.shape[0], height).T @ ink @ _resampling(ink.shape[1], width)
    else:
        new = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(new, 0, 1)


@functools.lru_cache(maxsize=512)  # at most 10 MB
def _resampling(before: int, after: int) -> Array:
    """(before, after): what each old pixel gives to each new one: Pillow's numbers in a fifth of its time."""
    identity = Image.fromarray(np.eye(before, dtype=np.float32))
    return np.asarray(identity.resize((after, before), Image.Resampling.BICUBIC))


def _restroked(ink: Array, width: float) -> Array:
    """Strokes made thicker or thinner at four times the final size, until they are as wide as MNIST's."""
    fine = scaled(ink, 4 * BOX / max(ink.shape))
    if width < THIN:
        fine = with_margin(fine, 6)
        for i in range(round(2 * (THIN - width))):
            fine = _grown(fine, np.maximum, diagonal=i % 2 == 1)
    else:
        for i in range(min(4, round(2 * (width - THICK)))):
            fine = _grown(with_margin(fine, 1), np.minimum, diagonal=i % 2 == 1)
    seen = fine > 0.2
    if not seen.any():
        return ink
    top, bottom, left, right = extent(seen)
    return fine[top:bottom, left:right]


def _grown(ink: Array, extreme: Callable[..., Array], diagonal: bool) -> Array:
    """One pixel more (or less) on either side: a cross, or a square; in turns they make an octagon."""
    if diagonal:
        return np.asarray(running(extreme, ink, 3))
    return extreme(running(extreme, ink, 3, axes=(0,)), running(extreme, ink, 3, axes=(1,)))


def centre_of_mass(ink: Array) -> tuple[float, float]:
    """(y, x) in pixels."""
    total = float(ink.sum())
    y = float(ink.sum(1) @ np.arange(ink.shape[0])) / total
    x = float(ink.sum(0) @ np.arange(ink.shape[1])) / total
    return y, x


def centred(boxed: Array) -> Array:
    """A box of at most 20 pixels laid into 28 x 28 so that its centre of mass is in the middle."""
    y, x = centre_of_mass(boxed)
    top = min(max(round((SIDE - 1) / 2 - y + 0.0), 0), SIDE - boxed.shape[0])
    left = min(max(round((SIDE - 1) / 2 - x + 0.0), 0), SIDE - boxed.shape[1])
    canvas = np.zeros((SIDE, SIDE), np.float32)
    canvas[top : top + boxed.shape[0], left : left + boxed.shape[1]] = boxed
    return canvas
