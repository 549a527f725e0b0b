"""Search the digits of a row: the path of cheapest_cuts.py with as few classifications as possible.

A character is first taken as one digit. It is cut only if a cut may pay: if its neighbourhood costs more than
a cut. A group of pieces is classified only when it lies on the cheapest path; until then its cost is the
smallest that is possible. So the path that is found is the one that would be found if every group were
classified: the method is a shortest path with lower bounds (as in A*).
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from digits.mnist import CLASSES
from digits.reading.candidates import IMAGE_WORK, Candidate, Candidates
from digits.reading.cheapest_cuts import (
    CUT_COST,
    LOOP_WORK,
    MAX_PAPER,
    MAX_PIECES,
    MAX_WIDTH,
    PieceGroup,
    cheapest_path,
    forms_of,
    groups_of,
    skip_costs,
)
from digits.reading.components import Component
from digits.reading.lattice import Lattice
from digits.reading.seams import Piece, cut_work, is_too_small_to_cut, most_pieces, pieces_of
from digits.reading.work import Work

# Costs of a digit, fitted on the development pictures: docs/log.md, 2026-11-26, "Cheque amounts".
CONFIDENCE_COST = 1.5  # factor of -log(confidence)
MIN_CONFIDENCE = 1e-4  # a smaller confidence is raised to this, so that the logarithm is finite
WIDTH_COST = 6.0  # for each height of a digit by which it is wider than high
LEAST_HEIGHT = 0.6  # median heights; the width of a lower digit is compared with this height
LOW_COST, LOW_HEIGHT = 4.0, 0.9  # for each median height by which a digit is lower than LOW_HEIGHT
# Costs of a group of pieces beside the line recogniser, chosen on the development pictures.
TEXT_CONFIDENCE_COST, LEAST_LIKELIHOOD = 1.0, 0.001  # as CONFIDENCE_COST and MIN_CONFIDENCE
SIGN_COST = 6.0  # of a sign or a letter; -log(probability of no digit) is added
STROKE_COST = 2.0  # of a sign that looks like a 1, such as / ( |; -log(probability of a 1) is added
LEAST_DOUBT = 0.02  # a smaller probability of no digit is raised to this
SHAPE_ONLY_WIDTH = 0.85  # without a classifier, each median height of width above this costs WIDTH_COST
CUT_AT_A_TIME = 8  # characters; more would take the work for the search, if little is left
PATH_WORK = 2  # units for each group of a row, each time its cheapest path is computed

_Ends: TypeAlias = tuple[Component, Component]  # the first and the last piece of a group


class RowSearch:
    """The search for the digits of one row."""

    def __init__(
        self, characters: Sequence[Component], character_height: float, candidates: Candidates, work: Work
    ) -> None:
        """Begin the search with every character as one piece.

        Args:
            characters: Characters of the row, from left to right; all of them are classified.
            character_height: Median height of the page's characters in pixels.
            candidates: Candidates of the page.
            work: Work that is left for the picture.
        """
        self.characters = characters
        self._character_height, self._candidates, self._work = character_height, candidates, work
        self._costs: dict[_Ends, float] = {}  # of the groups that were classified
        self._found: dict[_Ends, Candidate] = {}  # their digits
        self._asked: dict[_Ends, list[Component]] = {}  # forms of groups, which are not yet classified
        self._cuts: dict[Component, list[Piece]] = {}  # pieces of the characters for which a cut may pay
        self._settled: list[Candidate | Component] = []  # digits and skipped pieces of the last known path
        self._finished = False
        self._arrange()
        for character in characters:
            self._learn((character, character), [character])
        path = cheapest_path(self._groups, self._costs_or([math.inf] * len(self._groups)), self._skips)
        self._settle(path)
        # Characters for which a cut may pay, until the path with their pieces is settled.
        self._unsettled = set(self._worth_cutting(path))

    def wanted(self) -> list[Component]:
        """Go on with the search.

        Returns:
            The ink that must be classified before the next call; empty at the end of the search.
        """
        self.learn()
        while not self._finished and not self._asked:
            self._step()
        return [form for forms in self._asked.values() for form in forms]

    def learn(self) -> None:
        """Learn the answers for the ink that was asked for and has been classified."""
        for ends, forms in self._asked.items():
            self._learn(ends, forms)
        self._asked = {}

    def digits(self) -> list[Candidate]:
        """Return the digits from left to right, and count the characters that could not be cut.

        Such a character is returned whole.
        """
        self._work.uncut += len(self._unsettled)
        return self._digits()

    def _digits(self) -> list[Candidate]:
        """Return the digits of the last known path; a character that could not be cut is one digit."""
        found = [
            self._candidates.of(c) if isinstance(c, Component) and c in self._unsettled else c
            for c in self._settled
        ]
        return [digit for digit in found if isinstance(digit, Candidate)]

    def text(self) -> str:
        """Return the likeliest digits of the cheapest path."""
        found = (digit.probabilities for digit in self._digits())
        return "".join(str(int(p.argmax())) for p in found if p is not None)

    def lattice(self) -> Lattice:
        """Return all pieces and groups of the row with their costs as digits and as signs."""
        costs = np.empty((len(self._groups), CLASSES + 1))
        for number, (group, ends) in enumerate(zip(self._groups, self._ends, strict=True)):
            found = self._found.get(ends)
            if found is None or found.probabilities is None:
                costs[number] = group.joints + self._bounds[number]
                costs[number, CLASSES] = group.joints + STROKE_COST
                continue
            logarithms = np.log(np.clip(found.probabilities, LEAST_LIKELIHOOD, 1))
            costs[number, :CLASSES] = self._shape_cost(found.component) - TEXT_CONFIDENCE_COST * logarithms
            doubt = max(1 - float(found.probabilities.sum()), LEAST_DOUBT)
            as_stroke = STROKE_COST - math.log(max(float(found.probabilities[1]), MIN_CONFIDENCE))
            costs[number, CLASSES] = min(SIGN_COST - math.log(doubt), as_stroke)
            costs[number] += group.joints
        first, last = (
            np.array([getattr(g, end) for g in self._groups], np.intp) for end in ("first", "last")
        )
        return Lattice(len(self._pieces), first, last, costs, np.array(self._skips))

    def ask(self, groups: Sequence[int]) -> list[Component]:
        """Return the ink that must be classified to know groups; empty if all are known or work is short.

        Args:
            groups: Indices of groups of the lattice.
        """
        self._ask([n for n in groups if self._ends[n] not in self._found])
        return [form for forms in self._asked.values() for form in forms]

    def are_known(self, groups: Sequence[int]) -> bool:
        """Check if groups were classified; -1 stands for no group."""
        return all(n < 0 or self._ends[n] in self._found for n in groups)

    def candidate(self, group: int) -> Candidate:
        """Return the digit of a known group."""
        return self._found[self._ends[group]]

    def cut_all(self) -> None:
        """Cut every character that can be cut and was not, as far as there is work for it."""
        whole = [
            c
            for c in self.characters
            if c not in self._cuts and not is_too_small_to_cut(c, self._character_height)
        ]
        for character in whole:
            if not self._work.spend(cut_work(character)):
                break
            self._cuts[character] = pieces_of(character, self._candidates.strength, self._character_height)
        self._unsettled -= set(self._cuts)
        self._arrange()

    def _arrange(self) -> None:
        """List pieces and groups of the row after characters were cut."""
        self._pieces = [p for c in self.characters for p in self._cuts.get(c, [Piece(c, c)])]
        self._groups = groups_of(self._pieces, self._character_height)
        self._skips = skip_costs(self._pieces, self._character_height)
        self._ends = [
            (self._pieces[group.first].component, self._pieces[group.last - 1].component)
            for group in self._groups
        ]
        self._bounds = [0.0 if group.has_loop else self._shape_cost(group) for group in self._groups]

    def _step(self) -> None:
        """Find the cheapest path and ask for what is unknown on it; without that, cut where it may pay."""
        if not self._work.spend(PATH_WORK * len(self._groups)):
            self._finished = True
            return
        path = cheapest_path(self._groups, self._costs_or(self._bounds), self._skips)
        unknown = [n for n in path if n is not None and self._ends[n] not in self._found]
        if unknown:
            self._ask(unknown)
            return
        self._settle(path)
        self._finished = not self._cut(self._worth_cutting(path))

    def _costs_or(self, unknown: Sequence[float]) -> list[float]:
        """Return the cost of each group, or the value in `unknown` if it was not classified."""
        return [self._costs.get(ends, cost) for ends, cost in zip(self._ends, unknown, strict=True)]

    def _ask(self, numbers: Sequence[int]) -> None:
        """Ask for the classification of groups; end the search if there is too little work for it."""
        for number in numbers:
            if not self._work.spend(IMAGE_WORK + (LOOP_WORK + IMAGE_WORK) * self._groups[number].has_loop):
                self._asked, self._finished = {}, True
                return
            forms = forms_of(self._groups[number], self._pieces, self._character_height)
            self._asked[self._ends[number]] = forms

    def _settle(self, path: Sequence[int | None]) -> None:
        """Keep the digits of a path all of whose groups are known."""
        self._settled = []
        place = 0
        for number in path:
            piece = self._pieces[place]
            self._settled.append(piece.component if number is None else self._found[self._ends[number]])
            place = place + 1 if number is None else self._groups[number].last

    def _learn(self, ends: _Ends, forms: Sequence[Component]) -> None:
        """Store the cost of a group: that of its cheaper form."""
        digits = [self._candidates.of(form) for form in forms]
        costs = [self._digit_cost(digit) for digit in digits]
        best = costs.index(min(costs))
        self._costs[ends], self._found[ends] = costs[best], digits[best]

    def _cut(self, characters: Sequence[Component]) -> bool:
        """Cut the first characters into pieces; return True if there is something new to search."""
        self._unsettled = set(characters)
        for character in characters[:CUT_AT_A_TIME]:
            if not self._work.spend(cut_work(character)):
                return False
            self._cuts[character] = pieces_of(character, self._candidates.strength, self._character_height)
        self._arrange()
        return bool(characters)

    def _worth_cutting(self, path: Sequence[int | None]) -> list[Component]:
        """Return the characters that were not cut yet and for which a cut may pay.

        Args:
            path: The cheapest path, all of whose groups are known.
        """
        costs = dict.fromkeys(self.characters, 0.0)
        place = 0
        for number in path:
            last = place + 1 if number is None else self._groups[number].last
            cost = self._skips[place] if number is None else self._cost(number)
            for character in {piece.character for piece in self._pieces[place:last]}:
                costs[character] += cost
            place = last
        # A character of many pieces is no single digit (MAX_PIECES), so that it must be cut.
        return [
            character
            for number, character in enumerate(self.characters)
            if character not in self._cuts
            and not is_too_small_to_cut(character, self._character_height)
            and (
                most_pieces(character, self._character_height) > MAX_PIECES
                or sum(costs[c] for c in self._neighbourhood(number)) >= CUT_COST
            )
        ]

    def _cost(self, number: int) -> float:
        """Return the cost of a known group, with its joints."""
        return self._costs[self._ends[number]] + self._groups[number].joints

    def _neighbourhood(self, number: int) -> list[Component]:
        """Return a character and those that may share a digit with a part of it."""
        # Two digits that meet in a character reach at most the width of a digit to its left and right.
        reach, paper = MAX_WIDTH * self._character_height, MAX_PAPER * self._character_height
        character = self.characters[number]
        found = [character]
        last = character
        for c in reversed(self.characters[:number]):
            if last.left - c.right > paper or c.right < character.left - reach:
                break
            found.append(c)
            last = c
        last = character
        for c in self.characters[number + 1 :]:
            if c.left - last.right > paper or c.left > character.right + reach:
                break
            found.append(c)
            last = c
        return found

    def _digit_cost(self, digit: Candidate) -> float:
        """Return the cost of a digit; high for an unusual shape and for low confidence."""
        shape = self._shape_cost(digit.component)
        if digit.probabilities is None:  # no classifier: only the shape counts
            wide = digit.component.width / self._character_height - SHAPE_ONLY_WIDTH
            return shape + WIDTH_COST * max(0.0, wide)
        return shape - CONFIDENCE_COST * math.log(min(1.0, max(digit.confidence, MIN_CONFIDENCE)))

    def _shape_cost(self, c: "Component | PieceGroup") -> float:
        """Return the cost of a digit's shape: 0 for a normal one; more if it is wide or low."""
        return shape_cost(c.width, c.height, self._character_height)


def shape_cost(width: float, height: float, character_height: float) -> float:
    """Return the cost of a digit's shape: 0 for a normal one; more if it is wide or low.

    Args:
        width: Width of the digit.
        height: Height of the digit, in the same unit.
        character_height: Median height of the characters, in the same unit.
    """
    wide = max(0.0, width / max(height, LEAST_HEIGHT * character_height) - 1)
    low = max(0.0, LOW_HEIGHT - height / character_height)
    return WIDTH_COST * wide + LOW_COST * low
