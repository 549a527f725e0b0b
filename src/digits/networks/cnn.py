"""The convolutional neural network (CNN): six convolutions with batch normalisation."""

import torch
from torch import Tensor, nn

from digits.mnist import CLASSES, MNIST_MEAN, MNIST_STD
from digits.networks.dropout import Dropout
from digits.networks.network import Network
from digits.options import View


class CNN(Network):
    """A convolutional network: six convolutions, each followed by batch normalisation and ReLU.

        size of the image   layer
        28 x 28             convolution 5 x 5, channels[0]
        24 x 24             convolution 2 x 2 with stride 2, channels[0]: learned pooling
        12 x 12             two convolutions 3 x 3, channels[1]
        10 x 10             max pooling 2 x 2
         5 x  5             two convolutions 3 x 3, channels[2]
         3 x  3             mean over the image, dropout, linear layer

    Of each two 3 x 3 convolutions, the first pads the image with a border of one pixel of zeros, the second
    does not. The convolutions have no bias, because batch normalisation adds one (Ioffe and Szegedy 2015,
    section 3.2).

    Args:
        channels: output channels of the first, second and third pair of convolutions.
        classes: number of outputs.
        mean, std, view: as for `Network`.
        dropout: probability of zeroing an input of the linear layer during training.
    """

    def __init__(
        self,
        channels: tuple[int, int, int] = (32, 64, 128),
        classes: int = CLASSES,
        mean: float = MNIST_MEAN,
        std: float = MNIST_STD,
        dropout: float = 0.0,
        view: View = "as-is",
    ) -> None:
        super().__init__(mean, std, view)
        a, b, c = channels
        self.stem = nn.Sequential(*_convolution(1, a, 5), *_convolution(a, a, 2, stride=2))
        self.middle = nn.Sequential(*_convolution(a, b, 3, padding=1), *_convolution(b, b, 3))
        self.top = nn.Sequential(*_convolution(b, c, 3, padding=1), *_convolution(c, c, 3))
        self.dropout = Dropout(c, dropout)
        self.output = nn.Linear(c, classes)
        # Channels innermost in memory: convolutions on a CPU take two thirds of the time (docs/log.md).
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, classes) of images (B, 1, 28, 28) in [0, 1]."""
        x = self.stem(self.normalise(images))  # (B, channels[0], 12, 12)
        x = nn.functional.max_pool2d(self.middle(x), 2)  # (B, channels[1], 5, 5)
        x = self.top(x).mean(dim=(2, 3))  # (B, channels[2])
        logits: Tensor = self.output(self.dropout(x)) / self.temperature  # (B, classes)
        return logits.float()  # under autocast the layers compute in bfloat16; a loss needs float32

    def first_layer(self) -> Tensor:
        """Return the kernels of the first convolution as images (channels[0], 5, 5)."""
        (kernels, *_) = self.stem.parameters()
        return kernels.detach().squeeze(1)


def _convolution(
    inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int = 0
) -> list[nn.Module]:
    """Return a convolution with square kernels of `size` pixels, its batch normalisation and its ReLU."""
    return [
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
