"""Bring components of a page into MNIST's form and classify each of them once.

A component is one or several pieces of ink.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from digits.reading.components import Component
from digits.reading.filters import Array
from digits.reading.marks import Probabilities
from digits.reading.mnist_form import cut_out, mnist_form

Classify: TypeAlias = Callable[[Array], Probabilities]  # (N, 28, 28) in [0, 1] -> (N, 10)


@dataclass(frozen=True)
class Candidate:
    """A component that may be one digit.

    Attributes:
        component: The ink with its box on the page.
        image: float32 (28, 28) in [0, 1], in MNIST's form.
        probabilities: Probabilities (10,) of the digits; None before classification.
    """

    component: Component
    image: Array
    probabilities: Probabilities | None = None

    @property
    def confidence(self) -> float:
        """Probability of the likeliest digit, in [0, 1]; 0 before classification."""
        return 0.0 if self.probabilities is None else float(self.probabilities.max())


def candidate_of(component: Component, strength: Array) -> Candidate:
    """Create a candidate that is not classified yet.

    Args:
        component: The ink that may be a digit.
        strength: Ink strength of the page, float32 (H, W) in [0, 1].

    Returns:
        The candidate with its image in MNIST's form.
    """
    return Candidate(component, mnist_form(cut_out(strength, component)))


class Candidates:
    """The candidates of one page. Equal images are classified only once."""

    def __init__(self, strength: Array, classify: Classify | None) -> None:
        """Store the page and the classifier.

        Args:
            strength: Ink strength of the page, float32 (H, W) in [0, 1].
            classify: Function from images (N, 28, 28) to probabilities (N, 10); None to classify nothing.
        """
        self._strength, self._classify = strength, classify
        self._known: dict[bytes, Probabilities] = {}  # from the bytes of an image to its probabilities

    def unclassified(self, component: Component) -> Candidate:
        """Create a candidate without calling the classifier.

        Args:
            component: The ink that may be a digit.

        Returns:
            The candidate. It has probabilities if an equal image was classified before.
        """
        candidate = candidate_of(component, self._strength)
        return replace(candidate, probabilities=self._known.get(candidate.image.tobytes()))

    def classified(self, components: Sequence[Component]) -> list[Candidate]:
        """Create candidates and classify their new images in one batch.

        Args:
            components: N pieces of ink that may be digits.

        Returns:
            N candidates; without probabilities if there is no classifier.
        """
        candidates = [self.unclassified(component) for component in components]
        if self._classify is None:
            return candidates
        new = {c.image.tobytes(): c.image for c in candidates if c.probabilities is None}
        if new:
            self._known.update(zip(new, self._classify(np.stack(list(new.values()))), strict=True))
        return [replace(c, probabilities=self._known[c.image.tobytes()]) for c in candidates]
