"""Cut a data set into batches, an epoch at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

from digits.data.dataset import Digits, as_fractions
from digits.errors import DataError
from digits.seeds import generator


class Batches:
    """Loader of batches: images (B, 1, 28, 28) float in [0, 1], and labels (B,) int64.

    `for images, labels in batches:` yields epoch 0 the first time, epoch 1 the second time, and so on. The
    order of an epoch depends on `seed` and the epoch's number only.

    Args:
        digits: The data set; it is copied to `device` once, as bytes.
        batch_size: Images in a batch, over all processes.
        shuffle: Whether each epoch has its own random order.
        drop_last: Whether to leave out the last batch of an epoch if it is not full.
        rank: Number of this process, from 0, if several train together.
        processes: Number of processes; each gets every `processes`-th image of a batch.

    Raises DataError if there is not a single batch.
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
        """Number of batches in an epoch."""
        whole, rest = divmod(len(self.labels), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self._next_epoch += 1
        return self.epoch(self._next_epoch - 1)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch, from batch number `start` on: this process's share of each."""
        for batch in self.order(epoch).split(self.batch_size)[start:]:
            indices = batch[self.rank :: self.processes].to(self.images.device)
            images = as_fractions(self.images.index_select(0, indices)).unsqueeze(1)  # (B, 1, 28, 28)
            yield images, self.labels.index_select(0, indices)

    def order(self, epoch: int) -> Tensor:
        """Return the indices of the images of an epoch, (images_per_epoch,) int64, in order."""
        if not self.shuffle:
            return torch.arange(self.images_per_epoch)
        draws = generator(self.seed, "order", epoch)
        return torch.randperm(len(self.labels), generator=draws)[: self.images_per_epoch]

    @property
    def images_per_epoch(self) -> int:
        """Number of images in an epoch, over all processes."""
        return min(len(self) * self.batch_size, len(self.labels))

    def size(self, step: int) -> int:
        """Return the number of images in batch number `step` of an epoch, over all processes."""
        return min(self.batch_size, len(self.labels) - step * self.batch_size)
