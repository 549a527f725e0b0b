"""Load trained networks and predict with NumPy alone: reading and serving work without PyTorch."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from digits.errors import CheckpointError
from digits.mnist import PIXELS, SIDE
from digits.networks import file_format
from digits.networks.architecture import Architecture, read_architecture
from digits.networks.bundled import model_path
from digits.networks.file_format import brief
from digits.networks.numpy_layers import (
    Array,
    Convolution,
    Dense,
    Layers,
    Mean,
    Pool,
    Upright,
    forward,
    softmax,
)

Tensors: TypeAlias = dict[str, npt.NDArray[Any]]
IMAGES_AT_A_TIME = 32  # so few that the numbers between two layers stay in the processor's cache
BATCH_NORM_EPSILON = 1e-5  # added to the variance; default of torch.nn.BatchNorm2d, which trained the network
LEAST_PROBABILITY = 1e-38  # about the smallest float32; the logarithm of 0 would be infinite


@dataclass(frozen=True)
class Classifier:
    """A trained network or ensemble, ready to classify images; made by `load`."""

    members: tuple[Layers, ...]  # the layers of each network; one network is an ensemble of one
    temperature: float  # of the ensemble; that of a single network is part of its last layer
    classes: int
    meta: dict[str, Any]  # the model file's meta data: "architecture", "classes", "data", "epoch" and others

    @classmethod
    def load(cls, name: str | Path) -> "Classifier":
        """Load a network for prediction.

        `name` is a bundled network ("cnn" or "mlp"), the folder of a run, or a model file. Raises
        CheckpointError if the file is missing, damaged or impossible.
        """
        path = model_path(str(name))
        meta, tensors = file_format.read(path, "model")
        try:
            return _classifier(meta, {name: _as_float32(array) for name, array in tensors.items()})
        except CheckpointError as error:
            raise CheckpointError(f"{path} {error}") from None

    def logits(self, images: Array) -> Array:
        """Return the logits (N, classes), float32, of images (N, 28, 28) in [0, 1], white on black.

        They are divided by the temperature, so their softmax is calibrated. Raises ValueError if the
        images have another shape.
        """
        images = np.asarray(images, np.float32)
        if images.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"images are {images.shape}; expected (N, {SIDE}, {SIDE})")
        starts = range(0, len(images), IMAGES_AT_A_TIME)
        parts = [self._logits(images[i : i + IMAGES_AT_A_TIME, ..., None]) for i in starts]
        return np.concatenate(parts) if parts else np.zeros((0, self.classes), np.float32)

    def probabilities(self, images: Array) -> Array:
        """Return the class probabilities (N, classes) of images (N, 28, 28) in [0, 1]; rows sum to 1."""
        return softmax(self.logits(images))

    def _logits(self, x: Array) -> Array:
        """Return the logits (N, classes) of a small batch of images (N, 28, 28, 1)."""
        answers = [forward(layers, x) for layers in self.members]
        if len(answers) == 1:
            return answers[0]
        mean = np.mean([softmax(answer) for answer in answers], axis=0)
        return np.asarray(np.log(np.maximum(mean, LEAST_PROBABILITY)) / self.temperature, dtype=np.float32)


def _classifier(meta: dict[str, Any], tensors: Tensors) -> Classifier:
    """Return the classifier made of a model file's content; the tensors are removed from the dictionary.

    Raises CheckpointError if tensors are missing, left over or do not fit the architecture.
    """
    found = read_architecture(meta.get("architecture"))
    if isinstance(found, tuple):
        members = tuple(_layers(each, _Tensors(tensors, f"members.{i}.")) for i, each in enumerate(found))
        temperature = _positive(_Tensors(tensors, "").take("temperature"))
    else:
        members, temperature = (_layers(found, _Tensors(tensors, "")),), 1.0
    if tensors:
        raise CheckpointError(f"has an unknown tensor {brief(min(tensors))}; it belongs to another network")
    classes = {len(layers[-1].bias) for layers in members if isinstance(layers[-1], Dense)}
    if len(classes) > 1:
        raise CheckpointError("holds an ensemble whose members know different classes")
    known = classes.pop()
    names = meta.get("classes", [""] * known)
    if not isinstance(names, list) or len(names) != known or known == 0:
        raise CheckpointError(f"knows {known} classes and calls them {brief(names)}")
    return Classifier(members, temperature, known, meta)


def _as_float32(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return floating-point numbers as float32, other arrays as they are."""
    with np.errstate(over="ignore"):  # a number too large becomes infinite and is refused by `take`
        return array.astype(np.float32) if array.dtype.kind == "f" else array


class _Tensors:
    """The tensors of one network in a model file; each is taken out once and checked."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self.tensors, self.prefix = tensors, prefix

    def take(self, name: str, *shape: int) -> Array:
        """Remove a tensor from the file's tensors and return it.

        Raises CheckpointError if it is missing, not finite or of another shape; -1 stands for any size.
        """
        name = self.prefix + name
        if name not in self.tensors:
            raise CheckpointError(f"has no tensor {brief(name)}; it belongs to another network")
        array = self.tensors.pop(name)
        counts = name.endswith("num_batches_tracked")
        if not counts and (array.dtype != np.float32 or not np.isfinite(array).all()):
            raise CheckpointError(f"has something else than finite numbers in {brief(name)}")
        fits = len(array.shape) == len(shape) and all(
            want in (-1, got) for want, got in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise CheckpointError(f"has {brief(array.shape)} for {brief(name)}; expected {shape}")
        return array


def _layers(architecture: Architecture, tensors: _Tensors) -> Layers:
    """Return the layers of a single network."""
    first: Layers = (Upright(),) if architecture.view == "upright" else ()
    if architecture.kind == "mlp":
        return first + _mlp(tensors, *architecture.sizes)
    return first + _cnn(tensors, *architecture.sizes)


def _mlp(tensors: _Tensors, hidden1: int, hidden2: int) -> Layers:
    return (
        _with_normalisation(tensors, _dense(tensors, "hidden1", PIXELS, hidden1)),
        _dense(tensors, "hidden2", hidden1, hidden2),
        _output(tensors, hidden2),
    )


def _cnn(tensors: _Tensors, a: int, b: int, c: int) -> Layers:
    """Return the layers of `digits.networks.cnn.CNN` with channels (a, b, c).

    The numbers 0 and 3 are places in its `nn.Sequential`s: convolution, batch normalisation and ReLU, twice.
    """
    return (
        _with_normalisation(tensors, _convolution(tensors, "stem", 0, 1, a, 5)),
        _convolution(tensors, "stem", 3, a, a, 2, stride=2),
        _convolution(tensors, "middle", 0, a, b, 3, padding=1),
        _convolution(tensors, "middle", 3, b, b, 3),
        Pool(),
        _convolution(tensors, "top", 0, b, c, 3, padding=1),
        _convolution(tensors, "top", 3, c, c, 3),
        Mean(),
        _output(tensors, c),
    )


def _dense(tensors: _Tensors, name: str, inputs: int, outputs: int) -> Dense:
    """Return a fully connected layer with ReLU."""
    weights = tensors.take(f"{name}.weight", outputs, inputs)
    return Dense(np.ascontiguousarray(weights.T), tensors.take(f"{name}.bias", len(weights)), relu=True)


def _output(tensors: _Tensors, inputs: int) -> Dense:
    """Return the last layer, with weights and bias divided by the temperature."""
    layer, temperature = _dense(tensors, "output", inputs, -1), _positive(tensors.take("temperature"))
    return Dense(layer.weights / temperature, layer.bias / temperature, relu=False)


def _convolution(
    tensors: _Tensors,
    part: str,
    at: int,
    inputs: int,
    outputs: int,
    size: int,
    *,
    stride: int = 1,
    padding: int = 0,
) -> Convolution:
    """Return a convolution that includes the batch normalisation after it.

    Batch normalisation maps x to (x - mean) / sqrt(variance + epsilon) * scale + shift. After training that
    is a factor and a bias for each channel, so both layers together are one convolution.
    """
    kernels = tensors.take(f"{part}.{at}.weight", outputs, inputs, size, size)
    norm = f"{part}.{at + 1}."
    scale, shift, mean, variance = (
        tensors.take(norm + name, outputs).astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    tensors.take(norm + "num_batches_tracked")
    if variance.min(initial=0) < 0:
        raise CheckpointError(f"has a variance below 0 in {brief(norm)}")
    factor = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
    folded = np.ascontiguousarray(kernels.transpose(2, 3, 1, 0) * factor, np.float32)
    return Convolution(folded, (shift - mean * factor).astype(np.float32), stride, padding)


First = TypeVar("First", Dense, Convolution)


def _with_normalisation(tensors: _Tensors, layer: First) -> First:
    """Return the first layer, changed so that it takes images in [0, 1] instead of normalised ones.

    It uses w ((x - mean) / std) + b = (w / std) x + (b - (w / std) mean), which also holds in a convolution
    as long as it does not pad its input.
    """
    mean, std = float(tensors.take("mean")), _positive(tensors.take("std"))
    name = "kernels" if isinstance(layer, Convolution) else "weights"
    weights = getattr(layer, name) / np.float64(std)
    bias = layer.bias - mean * weights.reshape(-1, len(layer.bias)).sum(axis=0)
    return replace(layer, bias=bias.astype(np.float32), **{name: weights.astype(np.float32)})


def _positive(number: Array) -> float:
    """Return a standard deviation or temperature as a float. Raises CheckpointError unless it is above 0."""
    if not 0 < number < math.inf:
        raise CheckpointError(f"has a deviation or temperature of {number}; expected a number above 0")
    return float(number)
