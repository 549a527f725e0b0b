"""The multilayer perceptron (MLP): two fully connected hidden layers with ReLU."""

import torch
from torch import Tensor, nn

from digits.mnist import CLASSES, MNIST_MEAN, MNIST_STD, PIXELS, SIDE
from digits.networks.dropout import Dropout
from digits.networks.network import Network
from digits.options import View


class MLP(Network):
    """A fully connected network with two hidden layers.

        784 pixels -> hidden1 neurons, ReLU -> hidden2 neurons, ReLU -> logits

    Args:
        hidden1: number of neurons in the first hidden layer.
        hidden2: number of neurons in the second hidden layer.
        classes: number of outputs.
        mean, std, view: see `Network`.
        dropout: probability to set a hidden neuron to zero in training, 0 to below 1.
        input_dropout: probability to set a pixel to zero in training, 0 to below 1.
    """

    def __init__(
        self,
        hidden1: int = 128,
        hidden2: int = 64,
        classes: int = CLASSES,
        mean: float = MNIST_MEAN,
        std: float = MNIST_STD,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        view: View = "as-is",
    ) -> None:
        super().__init__(mean, std, view)
        self.hidden1 = nn.Linear(PIXELS, hidden1)
        self.hidden2 = nn.Linear(hidden1, hidden2)
        self.output = nn.Linear(hidden2, classes)
        self.dropout0 = Dropout(PIXELS, input_dropout)
        self.dropout1 = Dropout(hidden1, dropout)
        self.dropout2 = Dropout(hidden2, dropout)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits of images.

        Args:
            images: float (B, 1, 28, 28) in [0, 1], white ink on black.

        Returns:
            float (B, classes).
        """
        x = self.dropout0(self.normalise(images).flatten(1))  # (B, 784)
        x = self.dropout1(torch.relu(self.hidden1(x)))  # (B, hidden1)
        x = self.dropout2(torch.relu(self.hidden2(x)))  # (B, hidden2)
        logits: Tensor = self.output(x) / self.temperature  # (B, classes)
        return logits

    def first_layer(self) -> Tensor:
        """Return the weights of the first hidden layer as images.

        Returns:
            float (hidden1, 28, 28).
        """
        return self.hidden1.weight.detach().view(-1, SIDE, SIDE)
