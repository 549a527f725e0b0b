"""Networks: images (B, 1, 28, 28) in [0, 1] in, logits (B, classes) out.

Normalisation is inside, as buffers: whoever holds the network cannot feed it wrongly normalised images.
There is no softmax at the end. `cross_entropy` takes logits and applies log-softmax itself, in one
numerically safe step; a softmax before it would squash the gradients twice. Ask `probabilities` for
probabilities.
"""

import torch
from torch import Tensor, nn

PIXELS = 28 * 28
CLASSES = 10
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # of the 60,000 training images, pixels in [0, 1]


class MLP(nn.Module):
    """A fully connected network, 784 -> hidden1 -> hidden2 -> classes, with ReLU between the layers."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        hidden1: int = 128,
        hidden2: int = 64,
        classes: int = CLASSES,
        mean: float = MNIST_MEAN,
        std: float = MNIST_STD,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))
        self.hidden1 = nn.Linear(PIXELS, hidden1)
        self.hidden2 = nn.Linear(hidden1, hidden2)
        self.output = nn.Linear(hidden2, classes)

    def normalise(self, images: Tensor) -> Tensor:
        """(B, 1, 28, 28) in [0, 1] -> (B, 784) with mean 0 and deviation 1 over the training images."""
        return (images.flatten(1) - self.mean).div_(self.std)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 1, 28, 28) in [0, 1]."""
        x = self.normalise(images)  # (B, 784)
        x = torch.relu(self.hidden1(x))  # (B, hidden1)
        x = torch.relu(self.hidden2(x))  # (B, hidden2)
        logits: Tensor = self.output(x)  # (B, classes)
        return logits

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Softmax of the logits: (B, classes), every row sums to 1."""
        probabilities: Tensor = self(images).softmax(dim=1)
        return probabilities
