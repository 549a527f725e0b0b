"""What every network here has in common: normalisation, temperature and probabilities."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from digits.mnist import MNIST_MEAN, MNIST_STD
from digits.networks.upright import upright
from digits.options import View


class Network(nn.Module, ABC):
    """What all networks here share: normalised input, probabilities on demand.

    `view` is what the layers see of the images, in training as in use.
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
        self.register_buffer("temperature", torch.tensor(1.0))  # 1 until training is over: see `evaluate`

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 1, 28, 28) in [0, 1] -> mean 0 and deviation 1 over the training images."""
        seen = upright(images) if self.view == "upright" else images
        return (seen - self.mean).div_(self.std)

    @abstractmethod
    def first_layer(self) -> Tensor:
        """What the neurons of the first layer look for, as pictures (neurons, height, width)."""

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Softmax of the logits: (B, classes), every row sums to 1."""
        probabilities: Tensor = self(images).softmax(dim=1)
        return probabilities
