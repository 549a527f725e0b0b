"""The convolutional neural network (CNN): six convolutions with batch normalisation."""

import torch
from torch import Tensor, nn

from digits.mnist import CLASSES, MNIST_MEAN, MNIST_STD
from digits.networks.dropout import Dropout
from digits.networks.network import Network
from digits.options import View


class CNN(Network):
    """A convolutional network with six convolutions.

    Each convolution is followed by batch normalisation and ReLU.

        input size   layer
        28 x 28      convolution 5 x 5, channels[0]
        24 x 24      convolution 2 x 2 with stride 2, channels[0]
        12 x 12      convolution 3 x 3 with padding 1, channels[1]
        12 x 12      convolution 3 x 3, channels[1]
        10 x 10      max pooling 2 x 2
         5 x  5      convolution 3 x 3 with padding 1, channels[2]
         5 x  5      convolution 3 x 3, channels[2]
         3 x  3      mean over the 3 x 3 positions, dropout, linear layer

    Args:
        channels: output channels of the first, second and third pair of convolutions.
        classes: number of outputs.
        mean, std, view: see `Network`.
        dropout: probability to set an input of the linear layer to zero, 0 to below 1.
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
        # With the channels of a pixel side by side in memory, convolutions on a CPU take one third less
        # time (docs/log.md).
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits of images.

        Args:
            images: float (B, 1, 28, 28) in [0, 1], white ink on black.

        Returns:
            float32 (B, classes).
        """
        x = self.stem(self.normalise(images))  # (B, channels[0], 12, 12)
        x = nn.functional.max_pool2d(self.middle(x), 2)  # (B, channels[1], 5, 5)
        x = self.top(x).mean(dim=(2, 3))  # (B, channels[2])
        logits: Tensor = self.output(self.dropout(x)) / self.temperature  # (B, classes)
        return logits.float()  # the layers compute in bfloat16 under autocast, but the loss needs float32

    def first_layer(self) -> Tensor:
        """Return the kernels of the first convolution as images.

        Returns:
            float (channels[0], 5, 5).
        """
        (kernels, *_) = self.stem.parameters()
        return kernels.detach().squeeze(1)


def _convolution(
    inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int = 0
) -> list[nn.Module]:
    """Return a convolution, batch normalisation and ReLU as three layers.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        size: height and width of the kernels in pixels.
        stride: pixels between two positions of a kernel.
        padding: width in pixels of the border of zeros around the image.
    """
    # A bias is not needed, because batch normalisation adds one (Ioffe and Szegedy 2015, section 3.2).
    return [
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
