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
    """A data set of images and labels, all in memory.

    `digits[i]` returns one image and its label.
    The image is float32 (1, 28, 28) in [0, 1]. The label is an int.

    Args:
        images: uint8 (N, 28, 28), paper 0, ink 255; N is at least 1.
        labels: Integers (N,), the class of each image; stored as int64.
        transform: Function that changes the image of `digits[i]`, or None.
    Raises:
        DataError: if a shape or a type is wrong, or N is 0.
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
        """Number of classes: the highest label plus 1, but at least 10."""
        return max(CLASSES, int(self.labels.max()) + 1)

    def at(self, indices: Tensor) -> "Digits":
        """Return a new data set with some of the images.

        Args:
            indices: int64 (M,), each from 0 to N - 1.
        Returns:
            M images with their labels, in the order of `indices`.
        """
        return Digits(self.images[indices], self.labels[indices], self.transform)

    def mean_and_std(self) -> tuple[float, float]:
        """Return the mean and standard deviation of all pixels.

        Returns:
            Two numbers in [0, 1]. MNIST's training images have 0.1307 and 0.3081.
        Raises:
            DataError: if all pixels are equal.
        """
        counts = torch.bincount(self.images.flatten(), minlength=256).double()  # of each pixel value, (256,)
        if int((counts > 0).sum()) == 1:
            raise DataError("every pixel of every training image is the same; expected images of digits")
        # float64 numbers of the 256 values are exact, unlike a sum of millions of float32 pixels.
        values, shares = torch.arange(256, dtype=torch.float64) / 255, counts / self.images.numel()
        mean = (shares * values).sum().item()
        std = (shares * (values - mean) ** 2).sum().item() ** 0.5
        return mean, std

    def sha256(self) -> str:
        """Return the SHA-256 digest of all images and labels.

        Equal images and labels in equal order give equal digests.

        Returns:
            64 hexadecimal digits.
        """
        digest = hashlib.sha256(self.images.numpy().data)
        digest.update(self.labels.numpy().data)
        return digest.hexdigest()


def as_digits(data: object) -> Digits:
    """Return images with labels as Digits.

    Args:
        data: Digits, or a `torch.utils.data.Subset` of such, as `random_split` makes them.
    Raises:
        DataError: if it is something else.
    """
    if isinstance(data, Digits):
        return data
    if isinstance(data, torch_data.Subset):
        return as_digits(data.dataset).at(torch.as_tensor(data.indices))
    raise DataError(
        f"the images and labels are of type {type(data).__name__}; expected Digits, such as "
        "digits.split(digits.load_data()).train, or a Subset of them"
    )


def as_fractions(images: Tensor) -> Tensor:
    """Convert pixels from 0..255 to float32 in [0, 1].

    Args:
        images: uint8, any shape.
    Returns:
        float32, the same shape.
    """
    return images.float().div_(255)
