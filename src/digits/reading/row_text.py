"""Decide what a row of writing says: the line recogniser and the pieces of ink decide together.

The line recogniser (networks.line_network) reads the whole row and proposes texts. The search for digits
(row_search.py) proposes one more. For each text, the pieces of ink are laid on its characters in the cheapest
way: a digit needs a group of pieces that the classifier takes for this digit, a sign takes any group.

    score of a text = log probability by the line recogniser - PIECES_WEIGHT * cost of its pieces

The text with the highest score wins. The scores of all texts give its probability.

Costs have no unit; their factors were chosen on the development pictures: docs/photos.md.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.mnist import CLASSES
from digits.networks.line_network import (
    ALPHABET,
    best_texts,
    places_of,
    text_log_probability,
    with_silent_signs,
)
from digits.reading.candidates import Candidate, Candidates
from digits.reading.lattice import Laying, layings
from digits.reading.row_probabilities import (
    LEAST_SHARE,
    CharacterEvidence,
    probabilities_of_digits,
    probability_of_right,
    right_features,
)
from digits.reading.row_search import RowSearch

TEXTS = 6  # likeliest numbers of the line recogniser that are compared
BEAMS = 16  # texts that its search keeps; several of them may be the same number with other signs
PIECES_WEIGHT = 0.8  # factor of the pieces' cost in the score
TEMPERATURE = 2.0  # divisor of the scores that makes the probabilities honest


@dataclass(frozen=True)
class RowText:
    """What a row says.

    Attributes:
        text: Characters of `line_network.ALPHABET`.
        groups: For each character the index of its group of pieces in the lattice; -1 without one.
        places: For each character its first and last answer of the line recogniser.
        characters: For each character what speaks for it.
        probabilities: For each character its probability of being each digit, float64 (len(text), 10).
        right: What speaks for all digits of the text being right, from `right_features`.
    """

    text: str
    groups: tuple[int, ...]
    places: list[tuple[int, int]]
    characters: list[CharacterEvidence]
    probabilities: npt.NDArray[np.float64]
    right: tuple[float, float, float]


class TextSearch:
    """The search for the text of one row, with as few classifications as possible; a `marks.RowEvidence`.

    A group of pieces is classified only when it lies on the cheapest laying of a text; see row_search.py.

    Attributes:
        likeliest: The text with the highest score; None if no text fits the pieces of ink.
    """

    def __init__(self, row: RowSearch, line: npt.NDArray[np.float64], candidates: Candidates) -> None:
        """Compare the likeliest texts of the line recogniser and the text of the row's search.

        Args:
            row: The row, after its search.
            line: Log probabilities (T, 17) from `LineNetwork.log_probabilities`.
            candidates: Candidates of the page.
        """
        self.line, self._row, self._candidates = line, row, candidates
        self._silent_signs = with_silent_signs(line)
        texts = _likeliest_digits(line)
        searched = row.text()
        self._searched = searched
        if digits_of(next(iter(texts), "")) != searched:
            row.cut_all()  # the readers disagree: every group that one of them needs may be looked at
        if searched and all(digits_of(text) != searched for text in texts):
            texts[searched] = text_log_probability(self._silent_signs, searched)
        self._layings = dict(zip(texts, self._laid(list(texts)), strict=True)) if texts else {}
        self._scores = {
            text: score
            for text, laying in self._layings.items()
            if math.isfinite(score := texts[text] - PIECES_WEIGHT * laying.cost)
        }
        self.likeliest = self._likeliest()

    @property
    def probability(self) -> float:
        """Probability that the digits of the likeliest text are all right and none is missing, in [0, 1]."""
        if self.likeliest is None:
            return 0.0
        are_digits = self.likeliest.probabilities.sum(axis=1)  # 0 for signs
        return probability_of_right(self.likeliest.right) * float(are_digits[are_digits > 0].min(initial=1.0))

    def _likeliest(self) -> RowText | None:
        """Return the text with the highest score; None if no text fits the pieces of ink."""
        if not self._scores:
            return None
        best = max(self._scores, key=lambda text: self._scores[text])
        total = self._log_total()
        groups = self._layings[best].groups
        probabilities = np.zeros((len(best), 10))
        for text, score in self._scores.items():
            share = math.exp(score / TEMPERATURE - total)
            for place, group in enumerate(groups):
                for character, other in zip(text, self._layings[text].groups, strict=True):
                    if character.isdigit() and self._share_pieces(group, other):
                        probabilities[place, int(character)] += share
        places = places_of(self.line, best)
        characters = [self._evidence(*of) for of in zip(best, groups, places, strict=True)]
        known = np.maximum(probabilities.sum(1), LEAST_SHARE)
        probabilities *= (np.array(probabilities_of_digits(characters)) / known)[:, None]
        digits = digits_of(best)
        right = right_features(
            math.exp(self._scores[best] / TEMPERATURE - total),
            text_log_probability(self._silent_signs, digits),
            digits == self._searched,
        )
        return RowText(best, groups, places, characters, probabilities, right)

    def _evidence(self, character: str, group: int, place: tuple[int, int]) -> CharacterEvidence:
        """Return what speaks for a character with its group of pieces and its place in the line."""
        first, last = place
        by_line = float(self.line[first : last + 1, ALPHABET.index(character)].max())
        if group < 0:
            return CharacterEvidence(character, by_line, 0.0, 0.0)
        cost = float(self._lattice.costs[group, int(character) if character.isdigit() else CLASSES])
        return CharacterEvidence(character, by_line, cost, self.candidate(group).is_digit)

    def log_probability(self, digits: str) -> float:
        """Return the natural logarithm of the probability that the row's digits are these.

        Args:
            digits: Digits from left to right, such as "4071".

        Returns:
            A number of at most 0; -inf for a text that is impossible.
        """
        by_line = text_log_probability(self._silent_signs, digits)
        if not math.isfinite(by_line):
            return -math.inf
        (laying,) = self._laid([digits], free_signs=True)
        score = (by_line - PIECES_WEIGHT * laying.cost) / TEMPERATURE
        others = [s / TEMPERATURE for text, s in self._scores.items() if digits_of(text) != digits]
        return float(score - np.logaddexp.reduce([score, *others])) if math.isfinite(score) else -math.inf

    def candidate(self, group: int) -> Candidate:
        """Return the digit of a group of pieces."""
        return self._row.candidate(group)

    def _log_total(self) -> float:
        """Return the logarithm of the sum of all texts' weights."""
        return float(np.logaddexp.reduce([score / TEMPERATURE for score in self._scores.values()]))

    def _laid(self, texts: list[str], *, free_signs: bool = False) -> list[Laying]:
        """Lay the pieces on texts; classify until all groups that are used are known, or work is short.

        Returns:
            A laying for each text; its cost is infinite if it uses a group that is not known.
        """
        while True:
            self._lattice = self._row.lattice()
            found = layings(self._lattice, texts, free_signs=free_signs)
            used = {group for laying in found for group in laying.groups if group >= 0}
            wanted = self._row.ask(sorted(used))
            if not wanted:
                return [x if self._row.are_known(x.groups) else Laying(math.inf, x.groups) for x in found]
            self._candidates.classify(wanted)
            self._row.learn()

    def _share_pieces(self, group: int, other: int) -> bool:
        """Check if two groups are about the same ink: more than half of the pieces of both together."""
        if group < 0 or other < 0:
            return False
        first, last = self._lattice.first, self._lattice.last
        both = min(last[group], last[other]) - max(first[group], first[other])
        return bool(2 * both > max(last[group], last[other]) - min(first[group], first[other]))


def _likeliest_digits(line: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the likeliest text for each of the TEXTS likeliest numbers, with its log probability.

    Texts that differ in signs only are one number; its probability is their sum.

    Args:
        line: Log probabilities (T, 17) from `LineNetwork.log_probabilities`.
    """
    texts: dict[str, str] = {}
    found: dict[str, float] = {}
    for text, log_probability in best_texts(line, BEAMS):  # the likeliest first
        digits = digits_of(text)
        texts.setdefault(digits, text)
        found[digits] = float(np.logaddexp(found.get(digits, -math.inf), log_probability))
    ordered = sorted((digits for digits in found if texts[digits]), key=lambda digits: -found[digits])
    return {texts[digits]: found[digits] for digits in ordered[:TEXTS]}


def digits_of(text: str) -> str:
    """Return a text without its signs."""
    return "".join(character for character in text if character.isdigit())
