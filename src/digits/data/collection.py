"""A data set as it was found, before it is split."""

from dataclasses import dataclass

from digits.data.catalogue import DATASETS
from digits.data.dataset import Digits
from digits.options import Dataset


@dataclass(frozen=True)
class Collection:
    """The images of a data set, where they were found, and what the user should know about them."""

    dataset: Dataset
    train: Digits
    test: Digits | None  # None if the source has no separate test images
    origin: str  # where it was read, as a phrase: 'files in data/mnist'
    published: bool  # whether the content is the published one, judged by SHA-256
    notices: tuple[str, ...] = ()  # whole sentences, to be shown to the user

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of classes 0 to 9."""
        return DATASETS[self.dataset].classes
