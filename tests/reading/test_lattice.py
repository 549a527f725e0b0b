"""Laying the pieces of a row on texts, against every possible laying of small rows."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from digits.networks.line_network import ALPHABET
from digits.reading.lattice import UNSEEN_COST, Lattice, layings

TEXTS = ["3", "07", "7-7", "1.5", "x", "2x2", "123"]


def random_lattice(rng: np.random.Generator) -> Lattice:
    """Return up to five pieces with random costs; groups have up to three pieces."""
    pieces = int(rng.integers(1, 6))
    spans = [(a, b) for a in range(pieces) for b in range(a + 1, min(a + 3, pieces) + 1)]
    first, last = np.array(spans).T
    return Lattice(pieces, first, last, rng.uniform(0, 5, (len(spans), 11)), rng.uniform(0, 5, pieces))


def every_way(lattice: Lattice, place: int, text: str, free_signs: bool) -> Iterator[float]:
    """Yield the cost of every way to lay the pieces from `place` on on a text."""
    if place == lattice.pieces and not text:
        yield 0.0
    if place < lattice.pieces:
        for cost in every_way(lattice, place + 1, text, free_signs):
            yield cost + lattice.skip_costs[place]
    if text and not text[0].isdigit():
        for cost in every_way(lattice, place, text[1:], free_signs):
            yield cost + UNSEEN_COST.get(text[0], 0.0)
    for group in np.flatnonzero(lattice.first == place):
        if text:
            column = int(text[0]) if text[0].isdigit() else 10
            for cost in every_way(lattice, int(lattice.last[group]), text[1:], free_signs):
                yield cost + lattice.costs[group, column]
        if free_signs:
            for cost in every_way(lattice, int(lattice.last[group]), text, free_signs):
                yield cost + lattice.costs[group, 10]


@pytest.mark.parametrize("free_signs", [False, True])
def test_a_laying_is_the_cheapest_of_all(free_signs: bool) -> None:
    """The cost is the smallest of all ways, and the groups that are named cost that much."""
    rng = np.random.default_rng(5)
    for _ in range(30):
        lattice = random_lattice(rng)
        for text, laying in zip(TEXTS, layings(lattice, TEXTS, free_signs=free_signs), strict=True):
            least = min(every_way(lattice, 0, text, free_signs), default=math.inf)
            assert laying.cost == pytest.approx(least)
            if free_signs or not math.isfinite(least):
                continue
            taken = {p for g in laying.groups if g >= 0 for p in range(lattice.first[g], lattice.last[g])}
            cost = sum(lattice.skip_costs[p] for p in set(range(lattice.pieces)) - taken)
            for character, group in zip(text, laying.groups, strict=True):
                column = int(character) if character.isdigit() else 10
                cost += UNSEEN_COST.get(character, 0.0) if group < 0 else lattice.costs[group, column]
            assert cost == pytest.approx(least)
            places = [lattice.first[g] for g in laying.groups if g >= 0]
            assert places == sorted(places)


def test_a_text_with_more_digits_than_pieces_does_not_fit() -> None:
    """Every digit needs ink of its own."""
    lattice = Lattice(1, np.array([0]), np.array([1]), np.zeros((1, 11)), np.zeros(1))
    found = layings(lattice, ["12", "1"])
    assert [laying.cost for laying in found] == [math.inf, 0.0]
    assert found[0].groups == (-1, -1)


def test_texts_do_not_change_one_another() -> None:
    """A text costs the same alone and beside others."""
    lattice = random_lattice(np.random.default_rng(8))
    together = layings(lattice, TEXTS)
    alone = list(itertools.chain.from_iterable(layings(lattice, [text]) for text in TEXTS))
    assert [laying.cost for laying in together] == pytest.approx([laying.cost for laying in alone])
    assert set("".join(TEXTS)) <= set(ALPHABET)
