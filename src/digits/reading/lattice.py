"""Lay the pieces of ink of a row on the characters of a text in the cheapest way.

A piece is a part of a character of the page, from seams.py. A group is a sequence of neighbouring pieces.
Each digit of the text takes a group as this digit; each sign takes any group, or none. Other pieces are
skipped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.networks.line_network import ALPHABET, OTHER

UNSEEN_COST = {
    OTHER: 2.0
}  # of a sign without pieces; points and dashes were left out before and cost nothing
SIGNS = ALPHABET[10:]  # the characters that are not digits


@dataclass(frozen=True)
class Lattice:
    """The pieces of a row and the groups of pieces that may be a digit.

    Attributes:
        pieces: Number of pieces.
        first: First piece of each of N groups, int (N,), ascending.
        last: Piece after the last piece of each group, int (N,).
        costs: Cost of each group as each digit, and in the last column as a sign, float64 (N, 11). They are
            the smallest that are possible for a group that was not classified.
        skip_costs: Cost of skipping each piece, float64 (pieces,).
    """

    pieces: int
    first: npt.NDArray[np.intp]
    last: npt.NDArray[np.intp]
    costs: npt.NDArray[np.float64]
    skip_costs: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Laying:
    """The cheapest way to lay the pieces of a row on the characters of a text.

    Attributes:
        cost: The cost; infinite if they do not fit.
        groups: For each character the index of its group of pieces; -1 for a sign without one.
    """

    cost: float
    groups: tuple[int, ...]


def layings(lattice: Lattice, texts: Sequence[str], *, free_signs: bool = False) -> list[Laying]:
    """Lay the pieces of a row on the characters of each text in the cheapest way.

    Args:
        lattice: The pieces and groups of the row.
        texts: At least one text over `line_network.ALPHABET`.
        free_signs: True if the texts leave out signs: a group may be a sign between any two characters.
    """
    # Dynamic programming over the places between two pieces: best[place][n, k] is the smallest cost of laying
    # the pieces before the place on the first k characters of text n.
    longest = max(map(len, texts))
    columns = np.full((len(texts), longest), len(ALPHABET))
    for n, text in enumerate(texts):
        columns[n, : len(text)] = [ALPHABET.index(character) for character in text]
    never = np.full(len(lattice.costs), math.inf)  # for the places after the end of a shorter text
    signs = np.repeat(lattice.costs[:, 10:], len(SIGNS), axis=1)
    table = np.concatenate([lattice.costs[:, :10], signs, never[:, None]], axis=1)[
        :, columns
    ]  # (N, texts, k)
    unseen = np.array([math.inf] * 10 + [UNSEEN_COST.get(sign, 0.0) for sign in SIGNS] + [math.inf])[columns]
    with_unseen = np.flatnonzero(np.isfinite(unseen).any(0)).tolist()
    best = np.full((lattice.pieces + 1, len(texts), longest + 1), math.inf)
    best[0, :, 0] = 0.0
    group = 0
    for place in range(lattice.pieces + 1):
        here = best[place]
        for k in with_unseen:
            np.minimum(here[:, k + 1], here[:, k] + unseen[:, k], out=here[:, k + 1])
        if place == lattice.pieces:
            break
        np.minimum(best[place + 1], here + lattice.skip_costs[place], out=best[place + 1])
        while group < len(lattice.first) and lattice.first[group] == place:
            later = best[lattice.last[group], :, 1:]
            np.minimum(later, here[:, :-1] + table[group], out=later)
            if free_signs:
                every = best[lattice.last[group]]
                np.minimum(every, here + lattice.costs[group, 10], out=every)
            group += 1
    return [
        _traced_back(lattice, best[:, n], table[:, n], unseen[n], len(text), free_signs)
        for n, text in enumerate(texts)
    ]


def _traced_back(
    lattice: Lattice,
    best: npt.NDArray[np.float64],
    table: npt.NDArray[np.float64],
    unseen: npt.NDArray[np.float64],
    length: int,
    free_signs: bool,
) -> Laying:
    """Follow the cheapest laying of one text back from its end.

    Args:
        lattice: The pieces and groups of the row.
        best: Smallest costs (pieces + 1, characters + 1).
        table: Cost of each group as each character, (N, characters).
        unseen: Cost of each character without a group, (characters,).
        length: Number of characters of the text.
        free_signs: As in `layings`.
    """
    cost = float(best[lattice.pieces, length])
    found = [-1] * length
    if not math.isfinite(cost):
        return Laying(cost, tuple(found))
    place, count = lattice.pieces, length
    while place or count:
        here = best[place, count]
        if count and best[place, count - 1] + unseen[count - 1] <= here:
            count -= 1
            continue
        if place and best[place - 1, count] + lattice.skip_costs[place - 1] <= here:
            place -= 1
            continue
        ending = np.flatnonzero(lattice.last == place)
        if free_signs:
            as_signs = best[lattice.first[ending], count] + lattice.costs[ending, 10]
            if as_signs.min() <= here:
                place = int(lattice.first[ending[int(as_signs.argmin())]])
                continue
        before = best[lattice.first[ending], count - 1] + table[ending, count - 1]
        group = int(ending[int(before.argmin())])
        place, count = int(lattice.first[group]), count - 1
        found[count] = group
    return Laying(cost, tuple(found))
