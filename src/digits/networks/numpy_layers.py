"""The layers of a trained network, computed with NumPy.

A layer is a function of a batch of N images or vectors, float32. Images have the channels last, (N, height,
width, channels), so that a convolution is one matrix product.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.mnist import SIDE

Array: TypeAlias = npt.NDArray[np.float32]
FROM_MIDDLE = (
    np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
)  # px; position of each column, 0 in the middle
LEAST_INK = 1e-6  # lower limit of a divisor, for images without ink; a single full pixel counts 1


@dataclass(frozen=True)
class Dense:
    """A fully connected layer: (N, ...) with `inputs` numbers for each image to (N, outputs)."""

    weights: Array  # (inputs, outputs)
    bias: Array  # (outputs,)
    relu: bool  # whether ReLU follows

    def __call__(self, x: Array) -> Array:
        return _add_bias(x.reshape(len(x), -1) @ self.weights, self.bias, self.relu)


@dataclass(frozen=True)
class Convolution:
    """A convolution followed by ReLU: (N, H, W, inputs) to (N, H', W', outputs)."""

    kernels: Array  # (height, width, inputs, outputs)
    bias: Array  # (outputs,)
    stride: int  # px
    padding: int  # px; border of zeros around the image

    def __call__(self, x: Array) -> Array:
        if self.padding:
            padded = np.zeros((len(x), *(n + 2 * self.padding for n in x.shape[1:3]), x.shape[3]), x.dtype)
            padded[:, self.padding : -self.padding, self.padding : -self.padding] = x
            x = padded
        n, height, width, inputs = x.shape
        kh, kw, _, outputs = self.kernels.shape
        rows, columns = (height - kh) // self.stride + 1, (width - kw) // self.stride + 1
        x = np.ascontiguousarray(x)
        a, b, c, _ = x.strides
        windows = np.lib.stride_tricks.as_strided(  # a view; each row of a window is contiguous in memory
            x,
            (n, rows, columns, kh, kw * inputs),
            (a, b * self.stride, c * self.stride, b, x.itemsize),
            writeable=False,
        )
        flat = windows.reshape(n * rows * columns, kh * kw * inputs)
        return _add_bias(flat @ self.kernels.reshape(-1, outputs), self.bias, True).reshape(
            n, rows, columns, outputs
        )


@dataclass(frozen=True)
class Pool:
    """Max pooling 2 x 2: (N, H, W, C) to (N, H // 2, W // 2, C). A last odd row or column is ignored."""

    def __call__(self, x: Array) -> Array:
        rows, columns = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
        tall = np.maximum(x[:, 0:rows:2, :columns], x[:, 1:rows:2, :columns])
        return np.maximum(tall[:, :, ::2], tall[:, :, 1::2])


@dataclass(frozen=True)
class Mean:
    """The mean over each image: (N, H, W, C) to (N, C)."""

    def __call__(self, x: Array) -> Array:
        return np.asarray(x.mean(axis=(1, 2)))


@dataclass(frozen=True)
class Upright:
    """Removes the slant of digits, as `digits.networks.upright` does: (N, 28, 28, 1) to the same shape."""

    def __call__(self, x: Array) -> Array:
        images = x[..., 0]  # (N, 28, 28)
        rows, right = images.sum(axis=2), images @ FROM_MIDDLE  # (N, 28): ink per row, and times its x
        ink = np.maximum(rows.sum(axis=1, keepdims=True), LEAST_INK)  # (N, 1)
        high = FROM_MIDDLE - (rows @ FROM_MIDDLE)[:, None] / ink  # (N, 28): rows from the centre of mass
        spread = np.maximum((rows * high**2).sum(axis=1, keepdims=True), LEAST_INK)
        slope = np.clip((right * high).sum(axis=1, keepdims=True) / spread, -1, 1)  # (N, 1): pixels per row
        moves = (slope * high)[..., None]  # (N, 28, 1): px, less than the width of an image
        whole = np.floor(moves)
        padded = np.pad(images, ((0, 0), (0, 0), (SIDE, SIDE)))
        at = whole.astype(np.int64) + np.arange(SIDE, 2 * SIDE)  # (N, 28, 28): columns to take from
        near, far = (np.take_along_axis(padded, column, axis=2) for column in (at, at + 1))
        return np.asarray(near + (moves - whole) * (far - near), np.float32)[..., None]


Layer: TypeAlias = Upright | Dense | Convolution | Pool | Mean
Layers: TypeAlias = tuple[Layer, ...]


def forward(layers: Layers, x: Array) -> Array:
    """Return the output of the last layer: logits (N, classes) of images (N, 28, 28, 1) in [0, 1]."""
    for layer in layers:
        x = layer(x)
    return x


def softmax(logits: Array) -> Array:
    """Return the probabilities of logits, both (N, classes); each row sums to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _add_bias(sums: Array, bias: Array, relu: bool) -> Array:
    """Add the bias to (rows, outputs) in place, and apply ReLU if wanted."""
    sums += bias
    return np.maximum(sums, 0, out=sums) if relu else sums
