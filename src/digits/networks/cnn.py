"""The convolutional network: six convolutions with batch normalisation."""

import torch
from torch import Tensor, nn

from digits.mnist import CLASSES, MNIST_MEAN, MNIST_STD
from digits.networks.dropout import Dropout
from digits.networks.network import Network
from digits.options import View


class CNN(Network):
    """Six convolutions, each followed by batch normalisation and ReLU; three widths, three sizes of picture.

        28 x 28   5 x 5, channels[0]                     strokes' edges
        24 x 24   2 x 2 in steps of 2, channels[0]       half the size; a pooling that is learned
        12 x 12   3 x 3, 3 x 3, channels[1]              corners, arcs
        10 x 10   the larger of 2 x 2                    half the size
         5 x  5   3 x 3, 3 x 3, channels[2]              parts of digits
         3 x  3   mean                                   where a part is does not matter any more
                  linear                                 10 logits

    The first of each pair of 3 x 3 keeps the size by a border of zeros, the second does not. Batch
    normalisation: Ioffe and Szegedy 2015; it makes the convolutions' own biases superfluous.
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
        # Channels innermost in memory: two thirds of the time on processors (docs/log.md).
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 1, 28, 28) in [0, 1]."""
        x = self.stem(self.normalise(images))  # (B, channels[0], 12, 12)
        x = nn.functional.max_pool2d(self.middle(x), 2)  # (B, channels[1], 5, 5)
        x = self.top(x).mean(dim=(2, 3))  # (B, channels[2])
        logits: Tensor = self.output(self.dropout(x)) / self.temperature  # (B, classes)
        return logits.float()  # under autocast the layers compute in bfloat16, but no loss should

    def first_layer(self) -> Tensor:
        """What each kernel of the first convolution looks for, (channels[0], 5, 5)."""
        (kernels, *_) = self.stem.parameters()
        return kernels.detach().squeeze(1)


def _convolution(
    inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int = 0
) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
