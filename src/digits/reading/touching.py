"""Digits that touch, taken apart: too many cuts first, then the cheapest path through what they offer.

The lattice of Matan et al. (1992) and Fujisawa et al. (1992): every character is cut wherever a seam
through little ink exists; every few neighbouring pieces together may be a digit; the reading is the path
from left to right whose digits, cuts and leavings cost least. What a digit costs is said by the caller.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.components import Component, extent, label, union
from digits.reading.filters import Array, Mask, running

Cost: TypeAlias = Callable[
    [Sequence[Component]], npt.NDArray[np.float64]
]  # of taking each stroke for a digit
MOST_PIECES = 9  # that make one digit
WIDEST = 1.4  # usual heights; no digit is wider
CUT, PEN = 0.8, 0.7  # what a cut costs, and each width of a pen that it goes through
MOST_CANDIDATES = 600  # on a page, so that a scribble costs no more than a page of digits


@dataclass(frozen=True)
class Piece:
    """A part of a character; `cut` is the ink that was cut through on its left, 0 where there was paper."""

    stroke: Component
    cut: float
    character: int
    pen: float = 1.0


@dataclass(frozen=True)
class Candidate:
    """What may be one digit: the pieces from `first` up to `last`, exclusive."""

    first: int
    last: int
    whole: Component


def take_apart(characters: Sequence[Component], amount: Array, usual: float, cost: Cost) -> list[Component]:
    """The digits of a row, from left to right.

    `amount` is the page's soft ink, `usual` a character's height in pixels. Pieces that make no digit and
    are small enough to be punctuation are left out.
    """
    pieces = [
        piece
        for number, character in enumerate(characters)
        for piece in cut_up(character, amount, usual, number)
    ]
    candidates = candidates_of(pieces, usual)
    if len(candidates) > MOST_CANDIDATES:
        return list(characters)
    costs = cost([candidate.whole for candidate in candidates])
    near = [min(usual, height) for height in _heights_near(characters)]
    best = [0.0] + [math.inf] * len(pieces)
    came: list[tuple[int, Component | None]] = [(0, None)] * (len(pieces) + 1)
    for place in range(len(pieces)):
        leave = best[place] + _leaving(pieces[place], near[pieces[place].character])
        if leave < best[place + 1]:
            best[place + 1], came[place + 1] = leave, (place, None)
        for candidate, digit in zip(candidates, costs, strict=True):
            first, last = candidate.first, candidate.last
            total = best[first] + float(digit) + _joining(pieces[first:last], usual) + _cutting(pieces[first])
            if first == place and total < best[last]:
                best[last], came[last] = total, (first, candidate.whole)
    found: list[Component] = []
    place = len(pieces)
    while place:
        place, whole_or_none = came[place]
        if whole_or_none is not None:
            found.append(whole_or_none)
    return found[::-1]


def candidates_of(pieces: Sequence[Piece], usual: float) -> list[Candidate]:
    """Every few neighbouring pieces, and again with the walls that they share with their neighbours."""
    found: list[Candidate] = []
    for first in range(len(pieces)):
        for last in range(first + 1, min(first + MOST_PIECES, len(pieces)) + 1):
            if not _may_be_one(pieces[first:last], usual):
                continue
            whole = union([piece.stroke for piece in pieces[first:last]])
            found.append(Candidate(first, last, whole))
            beside = [pieces[first - 1]] if pieces[first].cut else []
            beside += [pieces[last]] if last < len(pieces) and pieces[last].cut else []
            closed = whole
            for neighbour in beside:
                closed = _closed(closed, neighbour, usual)
            if closed is not whole:
                found.append(Candidate(first, last, closed))
    return found


def _closed(whole: Component, neighbour: Piece, usual: float) -> Component:
    """With the wall that closes a ring: digits side by side may share one, and the cut gives it to either."""
    both = union([whole, neighbour.stroke])
    own, other = _within(both, whole), _within(both, neighbour.stroke)
    ring = _holes(both.mask) & ~_holes(own) & ~_holes(other)
    if ring.sum() < RING * usual * usual:
        return whole
    wall = other & running(np.maximum, ring, 1 + 2 * math.ceil(neighbour.pen))
    return _cropped(both, own | wall)


def _within(frame: Component, s: Component) -> Mask:
    """The stroke's mask in a larger frame."""
    mask = np.zeros(frame.mask.shape, bool)
    top, left = s.top - frame.top, s.left - frame.left
    mask[top : top + s.height, left : left + s.width] = s.mask
    return mask


RING = 0.03  # usual heights squared; the least paper that a ring holds


def _may_be_one(pieces: Sequence[Piece], usual: float) -> bool:
    width = max(p.stroke.right for p in pieces) - min(p.stroke.left for p in pieces)
    if width > WIDEST * usual:
        return len({p.character for p in pieces}) == 1 and pieces[0].cut == 0 and len(pieces) == 1
    return all(_paper_between(a, b) <= 0.35 * usual for a, b in itertools.pairwise(pieces))


def _paper_between(left: Piece, right: Piece) -> float:
    return 0 if right.cut else max(0, right.stroke.left - left.stroke.right)


def _cutting(piece: Piece) -> float:
    """A cut costs by the ink it goes through, in stroke widths."""
    return CUT + PEN * piece.cut if piece.cut else 0.0


def _joining(pieces: Sequence[Piece], usual: float) -> float:
    """Two characters with paper between them are hardly one digit."""
    apart = [_paper_between(a, b) / usual for a, b in itertools.pairwise(pieces) if not b.cut]
    return sum(2.0 + 4 * gap for gap in apart)


def _heights_near(characters: Sequence[Component]) -> list[float]:
    """For each character the height of the taller of the two next to it."""
    middles = np.array([(c.left + c.right) / 2 for c in characters])
    found: list[float] = []
    for number, middle in enumerate(middles):
        nearest = [i for i in np.argsort(np.abs(middles - middle), kind="stable") if i != number][:2]
        found.append(float(max((characters[i].height for i in nearest), default=characters[number].height)))
    return found


def _leaving(piece: Piece, near: float) -> float:
    """What it costs to take a piece for punctuation or dirt: little for what is small among neighbours."""
    least = 0.45 if piece.stroke.width > 1.2 * piece.stroke.height else 0.3  # dashes are flat
    return 1.5 + 12 * max(0.0, piece.stroke.height / near - least) + (2.5 if piece.cut else 0.0)


def cut_up(character: Component, amount: Array, usual: float, number: int = 0) -> list[Piece]:
    """The pieces between the seams through little ink, from left to right; one, if narrow or low."""
    whole = [Piece(character, 0.0, number)]
    if character.width < 0.6 * usual or character.height < max(4, 0.4 * usual):
        return whole
    ink = amount[character.top : character.bottom, character.left : character.right] * character.mask
    pen = _pen(ink)
    ink = ink + _holes(character.mask).astype(np.float32) * np.float32(HOLE * pen / character.height)
    seams, prices = _seams(ink, max(3, round(0.13 * usual)), pen)
    columns = np.arange(character.width)
    edges = [np.zeros(character.height, int), *seams, np.full(character.height, character.width)]
    pieces: list[Piece] = []
    least = 0.02 * usual * usual
    start, price = edges[0], 0.0
    for edge, next_price in zip(edges[1:], [*prices, 0.0], strict=True):
        inside = (columns >= start[:, None]) & (columns < edge[:, None]) & character.mask
        if inside.sum() < least and edge is not edges[-1]:
            continue
        pieces.append(Piece(_cropped(character, inside), price, number, pen))
        start, price = edge, next_price
    if len(pieces) > 1 and pieces[-1].stroke.area < least:  # the last crumb goes to its neighbour
        last, crumb = pieces[-2], pieces[-1]
        pieces[-2:] = [Piece(union([last.stroke, crumb.stroke]), last.cut, number, pen)]
    return pieces if len(pieces) > 1 else whole


def _holes(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Paper that ink encloses: the inside of 0, 6, 8 and 9, which no cut should cross."""
    labels, count = label(~np.pad(mask, 1), diagonal=False)
    return (labels != labels[0, 0])[1:-1, 1:-1] & ~mask if count > 1 else np.zeros_like(mask)


def _pen(ink: Array) -> float:
    """The width of the pen: the median run of ink along columns."""
    flips = np.flatnonzero(np.diff(np.pad(ink > 0.4, ((1, 1), (0, 0))).T.ravel(), prepend=False))
    return max(1.0, float(np.quantile(flips[1::2] - flips[::2], 0.4))) if flips.size else 1.0


def _cropped(whole: Component, inside: npt.NDArray[np.bool_]) -> Component:
    if not inside.any():
        return Component(whole.top, whole.left, whole.top + 1, whole.left + 1, np.zeros((1, 1), bool))
    top, bottom, left, right = extent(inside)
    return Component(
        whole.top + top,
        whole.left + left,
        whole.top + bottom,
        whole.left + right,
        inside[top:bottom, left:right],
    )


def _seams(ink: Array, apart: int, pen: float) -> tuple[list[npt.NDArray[np.int64]], list[float]]:
    """Paths from top to bottom, a column for each row, through little ink; and how many pens' widths."""
    height, width = ink.shape
    middle = height // 2
    upper, from_above = _cheapest(ink[: middle + 1])
    lower, from_below = _cheapest(ink[:middle:-1])
    total = upper + lower
    seams: list[npt.NDArray[np.int64]] = []
    prices: list[float] = []
    taken = np.zeros(width, bool)
    taken[:apart] = taken[-apart:] = True
    for column in np.argsort(total, kind="stable"):
        price = float(total[column]) / pen
        if price > MOST_INK or len(seams) >= 12:
            break
        if taken[column]:
            continue
        taken[max(0, column - apart + 1) : column + apart] = True
        seams.append(np.concatenate([_trace(from_above, column)[::-1], _trace(from_below, column)]))
        prices.append(price)
    order = np.argsort([int(seam[middle]) for seam in seams], kind="stable")
    return [seams[i] for i in order], [max(prices[i], 0.01) for i in order]


HOLE = 4.0  # pens' widths; what crossing a hole as high as the character costs
MOST_INK = 5.0  # pens' widths; a seam through more ink parts nothing that touches by chance
SIDEWAYS = 0.03  # of full ink, the price of leaving the vertical by one column


def _cheapest(ink: Array) -> tuple[npt.NDArray[np.float64], list[npt.NDArray[np.int64]]]:
    """The ink that the cheapest path from the first row to each pixel of the last crosses; and its steps."""
    cost = ink[0].astype(np.float64)
    steps = []
    for row in ink[1:]:
        left = np.concatenate([[np.inf], cost[:-1]]) + SIDEWAYS
        right = np.concatenate([cost[1:], [np.inf]]) + SIDEWAYS
        step = np.where(left < cost, -1, 0)
        least = np.minimum(left, cost)
        step = np.where(right < least, 1, step)
        cost = np.minimum(right, least) + row
        steps.append(step)
    return cost, steps


def _trace(steps: list[npt.NDArray[np.int64]], column: int) -> npt.NDArray[np.int64]:
    """The path's columns, from the last row back to the first."""
    path = [int(column)]
    for step in reversed(steps):
        path.append(path[-1] + int(step[path[-1]]))
    return np.array(path)
