"""Compute the layers of a trained network with NumPy.

A layer is an object that is called like a function. It takes and returns a float32 array. For N images the
array has the shape (N, height, width, channels), for N vectors (N, length). The channels come last, because
then a convolution is one matrix product.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.mnist import SIDE

Array: TypeAlias = npt.NDArray[np.float32]
# Pixels; x of each column, or y of each row, measured from the middle of the image: -13.5 to 13.5.
FROM_MIDDLE = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
LEAST_INK = 1e-6  # sum of pixel values; smallest divisor, so that an image without ink gives no division by 0


@dataclass(frozen=True)
class Dense:
    """A fully connected layer."""

    weights: Array  # (inputs, outputs)
    bias: Array  # (outputs,)
    relu: bool  # True: ReLU is applied to the output

    def __call__(self, x: Array) -> Array:
        """Compute the output of the layer.

        Args:
            x: (N, ...) with `inputs` numbers for each image.

        Returns:
            (N, outputs).
        """
        return _add_bias(x.reshape(len(x), -1) @ self.weights, self.bias, self.relu)


@dataclass(frozen=True)
class Convolution:
    """A convolution followed by ReLU."""

    kernels: Array  # (height, width, inputs, outputs)
    bias: Array  # (outputs,)
    stride: int  # pixels between two positions of a kernel
    padding: int  # pixels; width of the border of zeros around the image

    def __call__(self, x: Array) -> Array:
        """Compute the output of the layer.

        Args:
            x: images (N, height, width, inputs).

        Returns:
            (N, rows, columns, outputs), one number for each position of each kernel.
        """
        if self.padding:
            padded = np.zeros((len(x), *(n + 2 * self.padding for n in x.shape[1:3]), x.shape[3]), x.dtype)
            padded[:, self.padding : -self.padding, self.padding : -self.padding] = x
            x = padded
        n, height, width, inputs = x.shape
        kh, kw, _, outputs = self.kernels.shape
        rows, columns = (height - kh) // self.stride + 1, (width - kw) // self.stride + 1
        x = np.ascontiguousarray(x)
        a, b, c, _ = x.strides
        # The part of the image under a kernel, for each position of the kernel. This is a view that copies no
        # pixels. The numbers of one row of a window are neighbours in memory, so they form one dimension.
        windows = np.lib.stride_tricks.as_strided(
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
    """A max pooling layer for blocks of 2 x 2 pixels."""

    def __call__(self, x: Array) -> Array:
        """Return the largest value of each block.

        Args:
            x: images (N, H, W, C); a last odd row or column is ignored.

        Returns:
            (N, H // 2, W // 2, C).
        """
        rows, columns = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
        row_pairs = np.maximum(x[:, 0:rows:2, :columns], x[:, 1:rows:2, :columns])  # (N, H // 2, columns, C)
        return np.maximum(row_pairs[:, :, ::2], row_pairs[:, :, 1::2])


@dataclass(frozen=True)
class Mean:
    """A layer that computes the mean of each channel."""

    def __call__(self, x: Array) -> Array:
        """Return the mean of each channel.

        Args:
            x: images (N, H, W, C).

        Returns:
            (N, C).
        """
        return np.asarray(x.mean(axis=(1, 2)))


@dataclass(frozen=True)
class Upright:
    """A layer that removes the slant of digits; see `digits.networks.upright`."""

    def __call__(self, x: Array) -> Array:
        """Return images with upright digits.

        Args:
            x: images (N, 28, 28, 1) in [0, 1].

        Returns:
            float32 (N, 28, 28, 1) in [0, 1].
        """
        images = x[..., 0]  # (N, 28, 28)
        row_ink = images.sum(axis=2)  # (N, 28): sum of the pixels of each row
        row_moment = images @ FROM_MIDDLE  # (N, 28): sum of pixel times x
        ink = np.maximum(row_ink.sum(axis=1, keepdims=True), LEAST_INK)  # (N, 1)
        y = FROM_MIDDLE - (row_ink @ FROM_MIDDLE)[:, None] / ink  # (N, 28): y from the centre of mass
        spread = np.maximum((row_ink * y**2).sum(axis=1, keepdims=True), LEAST_INK)  # (N, 1)
        slope = np.clip((row_moment * y).sum(axis=1, keepdims=True) / spread, -1, 1)  # (N, 1): pixels per row
        moves = (slope * y)[..., None]  # (N, 28, 1): pixels by which a row moves, less than SIDE
        whole = np.floor(moves)
        padded = np.pad(images, ((0, 0), (0, 0), (SIDE, SIDE)))
        at = whole.astype(np.int64) + np.arange(SIDE, 2 * SIDE)  # (N, 28, 28): column to take each pixel from
        left, right = (np.take_along_axis(padded, column, axis=2) for column in (at, at + 1))
        # A move by 2.3 pixels takes 0.7 of the pixel that is 2 pixels away and 0.3 of the next one.
        return np.asarray(left + (moves - whole) * (right - left), np.float32)[..., None]


Layer: TypeAlias = Upright | Dense | Convolution | Pool | Mean
Layers: TypeAlias = tuple[Layer, ...]


def forward(layers: Layers, x: Array) -> Array:
    """Apply all layers of a network in order.

    Args:
        layers: the layers, first to last.
        x: images, float32 (N, 28, 28, 1) in [0, 1], white ink on black.

    Returns:
        The logits, float32 (N, classes).
    """
    for layer in layers:
        x = layer(x)
    return x


def softmax(logits: Array) -> Array:
    """Convert logits to class probabilities.

    Args:
        logits: (N, classes).

    Returns:
        (N, classes); each row sums to 1.
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _add_bias(sums: Array, bias: Array, relu: bool) -> Array:
    """Add a bias and apply ReLU, both in place.

    Args:
        sums: (rows, outputs); changed in place.
        bias: (outputs,).
        relu: whether to apply ReLU.

    Returns:
        `sums`.
    """
    sums += bias
    return np.maximum(sums, 0, out=sums) if relu else sums
