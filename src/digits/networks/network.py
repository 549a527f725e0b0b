"""The base class of the MLP and the CNN."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from digits.mnist import MNIST_MEAN, MNIST_STD
from digits.networks.upright import upright
from digits.options import View


class Network(nn.Module, ABC):
    """A network that maps images, float32 (B, 1, 28, 28) in [0, 1], to logits (B, classes).

    It normalises the images before the first layer: it subtracts the mean of the training pixels and divides
    by their standard deviation. It divides the logits by a temperature, which makes the probabilities fit
    the accuracy better. These three numbers are buffers, so they are saved together with the weights.

    Args:
        mean: mean of all pixels of the training images, which are in [0, 1].
        std: standard deviation of the same pixels.
        view: "upright" to remove the slant of each digit before the first layer; "as-is" to keep it.
    """

    mean: Tensor
    std: Tensor
    temperature: Tensor
    output: nn.Linear  # the last layer

    def __init__(self, mean: float = MNIST_MEAN, std: float = MNIST_STD, view: View = "as-is") -> None:
        super().__init__()
        self.view = view
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))
        # The temperature is 1 during training. Afterwards it is set to the result of
        # `digits.evaluation.calibration.fit_temperature`.
        self.register_buffer("temperature", torch.tensor(1.0))

    def normalise(self, images: Tensor) -> Tensor:
        """Subtract the mean from images, and divide the result by the standard deviation.

        With the view "upright", the slant of the digits is removed first.

        Args:
            images: float (B, 1, 28, 28) in [0, 1].

        Returns:
            float (B, 1, 28, 28). For training images, the mean is about 0 and the standard deviation about 1.
        """
        seen = upright(images) if self.view == "upright" else images
        return (seen - self.mean).div_(self.std)

    @abstractmethod
    def first_layer(self) -> Tensor:
        """Return the weights of the first layer as images, float (neurons, height, width)."""

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Return the class probabilities of images: the softmax of the logits.

        Args:
            images: float (B, 1, 28, 28) in [0, 1], white ink on black.

        Returns:
            float (B, classes); each row sums to 1.
        """
        probabilities: Tensor = self(images).softmax(dim=1)
        return probabilities
