"""Cut a data set into batches, an epoch at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

from digits.data.dataset import Digits, as_fractions
from digits.errors import DataError
from digits.seeds import generator


class Batches:
    """The loader: cuts a `Digits` into batches (images (B, 1, 28, 28) float in [0, 1], labels (B,) int64).

    `for images, labels in batches:` gives one epoch after another, each in its own order, drawn from
    (seed, epoch). With several processes each gets its share of every batch.
    """

    def __init__(
        self,
        digits: Digits,
        batch_size: int = 64,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int = 0,
        device: torch.device | str = "cpu",
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.images, self.labels = digits.images.to(device), digits.labels.to(device)
        self.batch_size, self.shuffle, self.drop_last, self.seed = batch_size, shuffle, drop_last, seed
        self.rank, self.processes = rank, processes
        self._next_epoch = 0
        if batch_size < 1 or len(self) == 0:
            raise DataError(
                f"{len(digits)} images do not fill one batch of {batch_size}; "
                "choose a smaller --batch-size or leave out --drop-last"
            )

    def __len__(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.labels), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    @property
    def images_per_epoch(self) -> int:
        """Images an epoch, over all processes."""
        return min(len(self) * self.batch_size, len(self.labels))

    def size(self, step: int) -> int:
        """Images in the global batch number `step`, over all processes."""
        return min(self.batch_size, len(self.labels) - step * self.batch_size)

    def order(self, epoch: int) -> Tensor:
        """The order (images_per_epoch,) in which epoch number `epoch` takes the images."""
        if not self.shuffle:
            return torch.arange(self.images_per_epoch)
        draws = generator(self.seed, "order", epoch)
        return torch.randperm(len(self.labels), generator=draws)[: self.images_per_epoch]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch, from batch number `start` on."""
        for batch in self.order(epoch).split(self.batch_size)[start:]:
            indices = batch[self.rank :: self.processes].to(self.images.device)
            images = as_fractions(self.images.index_select(0, indices)).unsqueeze(1)
            yield images, self.labels.index_select(0, indices)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self._next_epoch += 1
        return self.epoch(self._next_epoch - 1)
