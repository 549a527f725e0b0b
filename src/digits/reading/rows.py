"""Group strokes into characters and characters into rows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.cleaning import usual_height
from digits.reading.close_up import Sheet
from digits.reading.components import Component, gap, union
from digits.reading.filters import Array
from digits.reading.mnist_form import cut_out, mnist_form
from digits.reading.options import THRESHOLD
from digits.reading.touching import take_apart

Classify: TypeAlias = Callable[[Array], npt.NDArray[np.floating]]  # (N, 28, 28) -> (N, 10) probabilities
CONFIDENCE_WEIGHT = 1.5  # weight of the classifier's doubt against that of odd shapes and cuts
# A character alone in its row is one digit if it is NARROW, or if it is WIDE at most and one for certain:
# with THRESHOLD, as a mark alone is accepted. It is several only if each is; in a WORD one may be less.
NARROW, WIDE, WORD = 0.8, 1.2, 1.6  # times its height


def read_rows(sheet: Sheet, classify: Classify | None) -> list[list[list[Component]]]:
    """Characters, each a list of strokes, by rows from top to bottom and from left to right."""
    if not sheet.strokes:
        return []
    usual = usual_height(sheet.strokes)
    characters = [union(group) for group in _joined(sheet.strokes, usual)]
    characters = [c for c in characters if _is_character(c, usual)]
    judge = _Judge(sheet.amount, usual, classify)
    if len(characters) == 1 and judge.is_one(characters[0]):
        return [[characters]]  # as on most pages; to take it apart would cost five times the rest
    rows = []
    for row in group_rows(characters, usual):
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

    def cost(self, wholes: Sequence[Component]) -> npt.NDArray[np.float64]:
        """Of taking each stroke for a digit: its odd shape, and the classifier's doubt."""
        shape = np.array([_odd_shape(w, self.usual) for w in wholes])
        if self.classify is None:
            return np.asarray(shape + [6 * max(0.0, w.width / self.usual - 0.85) for w in wholes])
        return np.asarray(
            shape - CONFIDENCE_WEIGHT * np.log(np.maximum(self._sure(self.classify, wholes), 1e-4))
        )

    def is_one(self, alone: Component) -> bool:
        """Whether the only character of a page is one digit beyond doubt, or too narrow to be several."""
        slim = alone.width / alone.height
        if slim <= NARROW or self.classify is None:
            return slim <= NARROW
        return slim <= WIDE and bool(self._sure(self.classify, [alone])[0] >= THRESHOLD)

    def may_be(self, digits: Sequence[Component], alone: Component) -> bool:
        """Whether the only character of a row may have come apart into these digits: an α does into 01."""
        if self.classify is None or not digits or digits[0].width == alone.width:
            return True
        unsure = int((self._sure(self.classify, digits) < THRESHOLD).sum())
        return unsure <= (len(digits) > 2 and alone.width > WORD * alone.height)

    def _sure(self, classify: Classify, wholes: Sequence[Component]) -> npt.NDArray[np.floating]:
        """The probability of each one's best guess."""
        images = np.stack([mnist_form(cut_out(self.amount, [w])) for w in wholes])
        return np.asarray(classify(images).max(1))


def _odd_shape(s: Component, usual: float) -> float:
    """What a digit costs for being wider than high, or lower than its neighbours."""
    return 6 * max(0.0, s.width / max(s.height, 0.6 * usual) - 1) + 4 * max(0.0, 0.9 - s.height / usual)


def _is_character(s: Component, usual: float) -> bool:
    """Not a speck, a dot, a comma or a dash."""
    return s.size >= 0.35 * usual and s.height >= 0.3 * usual


def _joined(strokes: Sequence[Component], usual: float) -> list[list[Component]]:
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


def _belongs(small: Component, large: Component, usual: float) -> bool:
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


def group_rows(characters: Sequence[Component], usual: float) -> list[list[Component]]:
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
