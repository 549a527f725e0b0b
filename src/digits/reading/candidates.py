"""Bring components of a page into MNIST's form and classify them, each only once."""

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
    """A component that may be one digit: its image (28, 28), and its probabilities (10,) once classified."""

    component: Component
    image: Array
    probabilities: Probabilities | None = None

    @property
    def confidence(self) -> float:
        """Probability of the likeliest digit; 0 if the candidate is not classified."""
        return 0.0 if self.probabilities is None else float(self.probabilities.max())


def candidate_of(component: Component, strength: Array) -> Candidate:
    """Bring a component of a page into MNIST's form; `strength` (H, W) is the page's ink in [0, 1]."""
    return Candidate(component, mnist_form(cut_out(strength, component)))


class Candidates:
    """Makes the candidates of one page and remembers their probabilities: no image is classified twice."""

    def __init__(self, strength: Array, classify: Classify | None) -> None:
        """Take the page's ink `strength` (H, W), in [0, 1]; without `classify` nothing is classified."""
        self._strength, self._classify = strength, classify
        self._known: dict[bytes, Probabilities] = {}  # by the image's bytes

    def unclassified(self, component: Component) -> Candidate:
        """Return the candidate of a component; it has probabilities only if its image is known already."""
        candidate = candidate_of(component, self._strength)
        return replace(candidate, probabilities=self._known.get(candidate.image.tobytes()))

    def classified(self, components: Sequence[Component]) -> list[Candidate]:
        """Return the candidates of components, with probabilities; new images are classified in one batch."""
        candidates = [self.unclassified(component) for component in components]
        if self._classify is None:
            return candidates
        new = {c.image.tobytes(): c.image for c in candidates if c.probabilities is None}
        if new:
            self._known.update(zip(new, self._classify(np.stack(list(new.values()))), strict=True))
        return [replace(c, probabilities=self._known[c.image.tobytes()]) for c in candidates]
