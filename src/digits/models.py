"""Networks: images (B, 1, 28, 28) in [0, 1] in, logits (B, classes) out.

Normalisation is inside, as buffers: whoever holds the network cannot feed it wrongly normalised images. So is
the temperature that makes its probabilities honest, by which the logits are divided.
There is no softmax at the end. `cross_entropy` takes logits and applies log-softmax itself, in one
numerically safe step; a softmax before it would squash the gradients twice. Ask `probabilities` for
probabilities.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digits.augment import SIDE, warp
from digits.options import View

PIXELS = SIDE * SIDE
CLASSES = 10
FAINT = 1e-6  # divides where there is no ink
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # of the 60,000 training images, pixels in [0, 1]


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


def upright(images: Tensor) -> Tensor:
    """Images (B, 1, 28, 28) in [0, 1], their rows moved sideways so that the digits do not lean.

    A row moves in proportion to its height above the ink's centre, by as much as leaves no correlation
    between how far right and how high a pixel of ink is; by at most a pixel a row, which is 45 degrees.
    Between pixels, and from the paper beside them, linearly. LeCun et al. 1998, section III.A: "deslanted".
    """
    place = torch.arange(SIDE, device=images.device, dtype=images.dtype) - (SIDE - 1) / 2
    image = images.squeeze(1)  # (B, 28, 28)
    rows, right = image.sum(dim=2), (image * place).sum(dim=2)  # (B, 28): ink, and how far right it is
    ink = rows.sum(dim=1, keepdim=True).clamp(min=FAINT)  # (B, 1)
    high = place - (rows * place).sum(dim=1, keepdim=True) / ink  # (B, 28): rows from the ink's centre
    spread = (rows * high**2).sum(dim=1, keepdim=True).clamp(min=FAINT)
    lean = ((right * high).sum(dim=1, keepdim=True) / spread).clamp(-1, 1)  # (B, 1): pixels a row
    x = place + (lean * high).unsqueeze(2)  # (B, 28, 28): where each pixel is taken from
    return warp(images, torch.stack([x, place.unsqueeze(1).expand_as(x)], dim=1) * (2 / SIDE))


class Dropout(nn.Module):
    """Dropout whose masks are drawn beforehand, from a generator that is passed in.

    While training, each number is zeroed with probability `p` and the others are divided by 1 - p, so that
    the expected sum stays (Srivastava et al. 2014, section 10, "inverted"). Otherwise, and with p = 0,
    nothing happens.
    """

    def __init__(self, features: int, p: float) -> None:
        super().__init__()
        self.features, self.p = features, p
        self.mask = torch.ones(1, features)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """A mask (count, features) for a batch: 0 or 1 / (1 - p)."""
        kept = torch.empty(count, self.features, device=generator.device).bernoulli_(
            1 - self.p, generator=generator
        )
        return kept.div_(1 - self.p)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, features), as it is or under the mask."""
        return x * self.mask if self.training and self.p else x


class MLP(Network):
    """A fully connected network, 784 -> hidden1 -> hidden2 -> classes, with ReLU between the layers."""

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
        """Logits (B, classes) of images (B, 1, 28, 28) in [0, 1]."""
        x = self.dropout0(self.normalise(images).flatten(1))  # (B, 784)
        x = self.dropout1(torch.relu(self.hidden1(x)))  # (B, hidden1)
        x = self.dropout2(torch.relu(self.hidden2(x)))  # (B, hidden2)
        logits: Tensor = self.output(x) / self.temperature  # (B, classes)
        return logits

    def first_layer(self) -> Tensor:
        """What each neuron of the first hidden layer looks for, (hidden1, 28, 28)."""
        return self.hidden1.weight.detach().view(-1, SIDE, SIDE)


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


class Ensemble(nn.Module):
    """Several networks that answer as one: the mean of their probabilities.

    The logits are the logarithm of that mean, so that at temperature 1 their softmax is the mean itself and
    everything that takes logits works as for a single network.
    """

    temperature: Tensor

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 1, 28, 28) in [0, 1]."""
        logs = torch.stack([member(images).log_softmax(dim=1) for member in self.members])  # (N, B, classes)
        mean = logs.logsumexp(dim=0) - torch.tensor(len(self.members), device=logs.device).log()
        return mean / self.temperature

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Softmax of the logits: (B, classes), every row sums to 1."""
        probabilities: Tensor = self(images).softmax(dim=1)
        return probabilities
