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

IMAGE_WORK = 1300  # units to bring a component into MNIST's form and to classify it

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

    @property
    def is_digit(self) -> float:
        """Probability that the component is any digit, in [0, 1]; 0 before classification."""
        return 0.0 if self.probabilities is None else float(self.probabilities.sum())


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
        self.strength, self._classify = strength, classify
        self._candidates: dict[Component, Candidate] = {}
        self._known: dict[bytes, Probabilities] = {}  # from the bytes of an image to its probabilities

    def of(self, component: Component) -> Candidate:
        """Return the candidate of a component; it has probabilities only if its image was classified.

        Args:
            component: The ink that may be a digit.
        """
        if component not in self._candidates:
            self._candidates[component] = candidate_of(component, self.strength)
        candidate = self._candidates[component]
        return replace(candidate, probabilities=self._known.get(candidate.image.tobytes()))

    def classify(self, components: Sequence[Component]) -> None:
        """Classify the new images of components in one batch.

        Args:
            components: Pieces of ink that may be digits.
        """
        if self._classify is None:
            return
        images = {c.image.tobytes(): c.image for c in map(self.of, components) if c.probabilities is None}
        if images:
            self._known.update(zip(images, self._classify(np.stack(list(images.values()))), strict=True))
