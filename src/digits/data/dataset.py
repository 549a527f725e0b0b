"""A set of images with labels, as a PyTorch Dataset."""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import data as torch_data

from digits.errors import DataError
from digits.mnist import CLASSES, SIDE


class Digits(torch_data.Dataset[tuple[Any, int]]):
    """Images (N, 28, 28) uint8 and labels (N,) int64, both in memory.

    Item i is the pair (image, label): the image as (1, 28, 28) float in [0, 1], the label as an int. If
    `transform` is given, it is applied to the image, as in torchvision's datasets. Raises DataError for
    tensors of another type or shape, and for no images at all.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, transform: Callable[[Tensor], Any] | None = None
    ) -> None:
        if images.dtype != torch.uint8 or images.shape != (len(labels), SIDE, SIDE) or len(labels) == 0:
            raise DataError(
                f"images are {images.dtype} {tuple(images.shape)} for {len(labels)} labels; "
                f"expected uint8 (N, {SIDE}, {SIDE}) with N labels, N above 0"
            )
        self.images, self.labels, self.transform = images.contiguous(), labels.long().contiguous(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = as_fractions(self.images[index]).unsqueeze(0)  # (1, 28, 28)
        return (self.transform(image) if self.transform else image), int(self.labels[index])

    @property
    def classes(self) -> int:
        """Number of classes: ten, or more if there is a higher label."""
        return max(CLASSES, int(self.labels.max()) + 1)

    def at(self, indices: Tensor) -> "Digits":
        """Return a copy of the images and labels at `indices` (M,), in that order."""
        return Digits(self.images[indices], self.labels[indices], self.transform)

    def mean_and_std(self) -> tuple[float, float]:
        """Return mean and standard deviation of all pixels, in [0, 1].

        They are exact; MNIST's are 0.1307 and 0.3081. Raises DataError if all pixels are the same, because
        images cannot be normalised by a deviation of 0.
        """
        counts = torch.bincount(self.images.flatten(), minlength=256).double()  # of each value, 0 to 255
        if int((counts > 0).sum()) == 1:
            raise DataError("every pixel of every training image is the same; expected pictures of digits")
        values, shares = torch.arange(256, dtype=torch.float64) / 255, counts / self.images.numel()
        mean = (shares * values).sum().item()
        std = (shares * (values - mean) ** 2).sum().item() ** 0.5
        return mean, std

    def sha256(self) -> str:
        """Return the digest of images and labels: equal for the same data in the same order."""
        digest = hashlib.sha256(self.images.numpy().data)
        digest.update(self.labels.numpy().data)
        return digest.hexdigest()


def as_fractions(images: Tensor) -> Tensor:
    """Return pixels 0 to 255 as float32 in [0, 1]; the shape stays the same."""
    return images.float().div_(255)
