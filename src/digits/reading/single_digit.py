"""Choose the strokes of the only digit in a picture."""

import math
from collections.abc import Sequence

import numpy as np

from digits.reading.cleaning import is_line
from digits.reading.components import Component, gap, union
from digits.reading.filters import running
from digits.reading.ink import Ink
from digits.reading.page_edges import is_beside, is_edge, is_outside, touches_border


def single_digit(strokes: list[Component], ink: Ink) -> list[Component]:
    """The strokes of the only digit: of all groups of strokes near one another that of the weightiest.

    What comes in over the border weighs less, and least if it stays away from the middle.
    """
    shape = ink.mask.shape
    masses = {id(s): ink_mass(s, ink) * (0.1 if is_edge(s, shape) else 1.0) for s in strokes}
    rest = sorted(strokes, key=lambda s: -masses[id(s)] * place_weight(s, shape))
    best: tuple[float, list[Component]] = (-1.0, [])
    while rest:
        group = _grown_group(rest, masses, shape)
        weight = masses[id(group[0])] * place_weight(union(group), shape)
        if weight > best[0]:
            best = (weight, group)
        members = {id(s) for s in group}
        rest = [s for s in rest if id(s) not in members and masses[id(s)] > best[0]]
    return best[1]


def ink_mass(s: Component, ink: Ink) -> float:
    return float(ink.amount[s.top : s.bottom, s.left : s.right][s.mask].sum())


def place_weight(s: Component, shape: tuple[int, ...]) -> float:
    """How much ink counts there."""
    return 0.05 if is_outside(s, shape) else 0.5 if touches_border(s, shape) else 1.0


def _grown_group(
    strokes: Sequence[Component], masses: dict[int, float], shape: tuple[int, ...]
) -> list[Component]:
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
            and (touches_border(group[0], shape) or not touches_border(s, shape) or _is_part(s, whole))
            and (is_beside(s, shape) or not is_beside(whole, shape))
            and not is_edge(s, shape)
            and not (is_line(s) and s.size > 1.3 * whole.size)
        ]
        if not near:
            return group
        group += near
        rest = [s for s in rest if all(s is not n for n in near)]


def _is_part(s: Component, whole: Component) -> bool:
    """Whether what the picture's border cuts off is no neighbour: as good as joined, or above or below."""
    if gap(s, whole) > 0.1 * whole.size:
        return False
    shared = min(s.right, whole.right) - max(s.left, whole.left)
    return shared >= 0.4 * min(s.width, whole.width) or _is_joined(s, whole, 0.03 * whole.size)


def _is_joined(a: Component, b: Component, reach: float) -> bool:
    """Whether some ink of both is no further apart."""
    both = union([a, b])
    here, there = (np.zeros(both.mask.shape, bool) for _ in range(2))
    for s, mask in ((a, here), (b, there)):
        mask[s.top - both.top : s.bottom - both.top, s.left - both.left : s.right - both.left] = s.mask
    return bool((running(np.maximum, here, 1 + 2 * math.ceil(reach)) & there).any())
