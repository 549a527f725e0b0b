"""The layers of a trained network in NumPy."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.mnist import SIDE

Array: TypeAlias = npt.NDArray[np.float32]
PLACE = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2  # pixels from the middle
FAINT = 1e-6  # divides where there is no ink


@dataclass(frozen=True)
class Dense:
    """Every input times every output's weight: (N, inputs) to (N, outputs)."""

    weights: Array  # (inputs, outputs)
    bias: Array
    relu: bool

    def __call__(self, x: Array) -> Array:
        return _finished(x.reshape(len(x), -1) @ self.weights, self.bias, self.relu)


@dataclass(frozen=True)
class Convolution:
    """Kernels moved over a picture, then ReLU: (N, H, W, inputs) to (N, H', W', outputs)."""

    kernels: Array  # (height, width, inputs, outputs)
    bias: Array
    stride: int
    padding: int  # pixels of 0 all round

    def __call__(self, x: Array) -> Array:
        if self.padding:
            bordered = np.zeros((len(x), *(n + 2 * self.padding for n in x.shape[1:3]), x.shape[3]), x.dtype)
            bordered[:, self.padding : -self.padding, self.padding : -self.padding] = x
            x = bordered
        n, height, width, inputs = x.shape
        kh, kw, _, outputs = self.kernels.shape
        rows, columns = (height - kh) // self.stride + 1, (width - kw) // self.stride + 1
        x = np.ascontiguousarray(x)
        a, b, c, _ = x.strides
        windows = np.lib.stride_tricks.as_strided(  # a view; a row of a window is in one piece in memory
            x,
            (n, rows, columns, kh, kw * inputs),
            (a, b * self.stride, c * self.stride, b, x.itemsize),
            writeable=False,
        )
        flat = windows.reshape(n * rows * columns, kh * kw * inputs)
        return _finished(flat @ self.kernels.reshape(-1, outputs), self.bias, True).reshape(
            n, rows, columns, outputs
        )


@dataclass(frozen=True)
class Pool:
    """The largest of each 2 x 2: (N, H, W, C) to (N, H // 2, W // 2, C)."""

    def __call__(self, x: Array) -> Array:
        rows, columns = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
        tall = np.maximum(x[:, 0:rows:2, :columns], x[:, 1:rows:2, :columns])
        return np.maximum(tall[:, :, ::2], tall[:, :, 1::2])


@dataclass(frozen=True)
class Mean:
    """The mean over each picture: (N, H, W, C) to (N, C)."""

    def __call__(self, x: Array) -> Array:
        return np.asarray(x.mean(axis=(1, 2)))


@dataclass(frozen=True)
class Upright:
    """Rows moved sideways so that digits do not lean, as `models.upright`: (N, 28, 28, 1) to the same."""

    def __call__(self, x: Array) -> Array:
        images = x[..., 0]  # (N, 28, 28)
        rows, right = images.sum(axis=2), images @ PLACE  # (N, 28): ink, and how far right it is
        ink = np.maximum(rows.sum(axis=1, keepdims=True), FAINT)  # (N, 1)
        high = PLACE - (rows @ PLACE)[:, None] / ink  # (N, 28): rows from the ink's centre
        spread = np.maximum((rows * high**2).sum(axis=1, keepdims=True), FAINT)
        lean = np.clip((right * high).sum(axis=1, keepdims=True) / spread, -1, 1)  # (N, 1): pixels a row
        moves = (lean * high)[..., None]  # (N, 28, 1), shorter than an image is wide
        whole = np.floor(moves)
        paper = np.pad(images, ((0, 0), (0, 0), (SIDE, SIDE)))
        at = whole.astype(np.int64) + np.arange(SIDE, 2 * SIDE)  # (N, 28, 28): columns to take from
        near, far = (np.take_along_axis(paper, column, axis=2) for column in (at, at + 1))
        return np.asarray(near + (moves - whole) * (far - near), np.float32)[..., None]


Layer: TypeAlias = Upright | Dense | Convolution | Pool | Mean
Layers: TypeAlias = tuple[Layer, ...]


def _finished(sums: Array, bias: Array, relu: bool) -> Array:
    sums += bias
    return np.maximum(sums, 0, out=sums) if relu else sums


def forward(layers: Layers, x: Array) -> Array:
    """Logits (N, classes) of images (N, 28, 28, 1)."""
    for layer in layers:
        x = layer(x)
    return x


def softmax(logits: Array) -> Array:
    """(N, classes) to probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
