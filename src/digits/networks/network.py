"""The base class of the MLP and the CNN."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from digits.mnist import MNIST_MEAN, MNIST_STD
from digits.networks.upright import upright
from digits.options import View


class Network(nn.Module, ABC):
    """Base class of the MLP and the CNN: normalises the input, divides the logits by a temperature.

    A network maps images (B, 1, 28, 28), float32 in [0, 1], to logits (B, classes). The mean and standard
    deviation of the training images and the temperature are buffers: they are saved with the weights.

    Args:
        mean: mean of all pixels of the training images, in [0, 1].
        std: their standard deviation.
        view: "as-is", or "upright" to remove the slant of each digit before the first layer.
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
        # 1 during training; afterwards `digits.evaluation.calibration.fit_temperature` chooses it.
        self.register_buffer("temperature", torch.tensor(1.0))

    def normalise(self, images: Tensor) -> Tensor:
        """Subtract the mean from images (B, 1, 28, 28) in [0, 1] and divide by the standard deviation.

        With the view "upright", the slant of the digits is removed first.
        """
        seen = upright(images) if self.view == "upright" else images
        return (seen - self.mean).div_(self.std)

    @abstractmethod
    def first_layer(self) -> Tensor:
        """Return the weights of the first layer as one image per neuron: (neurons, height, width)."""

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Return the class probabilities (B, classes) of images (B, 1, 28, 28) in [0, 1].

        They are the softmax of the logits: each row sums to 1.
        """
        probabilities: Tensor = self(images).softmax(dim=1)
        return probabilities
