"""Divide a data set into the batches of an epoch."""

from collections.abc import Iterator

import torch
from torch import Tensor

from digits.data.dataset import Digits, as_digits, as_fractions
from digits.errors import DataError
from digits.seeds import generator


class Batches:
    """An iterable over the batches of a data set.

    Each `for` loop over it is one epoch. The first loop is epoch 0.
    A batch is a pair: images, float32 (B, 1, 28, 28) in [0, 1], and labels, int64 (B,).

    Args:
        digits: The data set. Its images are copied to `device` once, as uint8.
        batch_size: Number of images in a batch, summed over all processes.
        shuffle: True for a new random order in each epoch.
        drop_last: True to leave out an incomplete last batch.
        seed: Seed of the random order.
        device: Device of the batches.
        rank: Number of this process, from 0 to `processes` - 1.
        processes: Number of processes that train together and share each batch.
    Raises:
        DataError: if an epoch has no batch, or `digits` is neither Digits nor a Subset of them.
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
        digits = as_digits(digits)
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
        """Return the number of batches in an epoch."""
        whole, rest = divmod(len(self.labels), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self._next_epoch += 1
        return self.epoch(self._next_epoch - 1)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch.

        With several processes, each process yields its own part of every batch.

        Args:
            epoch: Number of the epoch, from 0. It decides the random order.
            start: Number of the first batch to yield, from 0.
        Yields:
            Images, float32 (B, 1, 28, 28) in [0, 1], and labels, int64 (B,).
        """
        for batch in self.order(epoch).split(self.batch_size)[start:]:
            # Process r takes the images r, r + processes, r + 2 processes and so on.
            indices = batch[self.rank :: self.processes].to(self.images.device)
            images = as_fractions(self.images.index_select(0, indices)).unsqueeze(1)  # (B, 1, 28, 28)
            yield images, self.labels.index_select(0, indices)

    def order(self, epoch: int) -> Tensor:
        """Return the order of the images in an epoch.

        Args:
            epoch: Number of the epoch, from 0.
        Returns:
            Indices into the data set, int64 (images_per_epoch,), equal in all processes.
        """
        if not self.shuffle:
            return torch.arange(self.images_per_epoch)
        draws = generator(self.seed, "order", epoch)
        return torch.randperm(len(self.labels), generator=draws)[: self.images_per_epoch]

    @property
    def images_per_epoch(self) -> int:
        """Number of images in an epoch, summed over all processes."""
        return min(len(self) * self.batch_size, len(self.labels))

    def size(self, step: int) -> int:
        """Return the number of images in one batch.

        Args:
            step: Number of the batch in its epoch, from 0.
        Returns:
            `batch_size`, or fewer for the last batch. It is the sum over all processes.
        """
        return min(self.batch_size, len(self.labels) - step * self.batch_size)
