"""The result of loading a data set, before it is split."""

from dataclasses import dataclass

from digits.data.catalogue import DATASETS
from digits.data.dataset import Digits
from digits.options import NO_CHANGES, Dataset, ImageChanges


@dataclass(frozen=True)
class Collection:
    """A loaded data set with its source and messages for the user."""

    dataset: Dataset  # name of the data set, such as "mnist"
    train: Digits
    test: Digits | None  # None if the source has no separate test images
    origin: str  # where the data was read, for messages; example: "files in data/mnist"
    published: bool  # True if the SHA-256 digests are those of the published data set
    notices: tuple[str, ...] = ()  # complete sentences to show to the user
    val: Digits | None = None  # None if the source has no separate validation images
    changes: ImageChanges = NO_CHANGES  # changes that were made to all images after they were read

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes 0 to 9, in this order."""
        return DATASETS[self.dataset].classes
