"""Run trained networks with NumPy alone."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from digits.errors import CheckpointError
from digits.mnist import SIDE
from digits.networks import architecture, bundled, file_format
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
BATCH = 32  # images at a time: what lies between two layers stays in the processor's cache
EPSILON = 1e-5  # of torch.nn.BatchNorm2d, below the variance


@dataclass(frozen=True)
class Classifier:
    """A trained network, or several that answer as one; `meta` is what its file says of its training."""

    members: tuple[Layers, ...]
    temperature: float  # of an ensemble's mean; a single network has it in its last layer
    classes: int
    meta: dict[str, Any]

    @classmethod
    def load(cls, name: str | Path) -> "Classifier":
        """The network of a model file, a run's folder or a bundled name. Raises CheckpointError."""
        path = bundled.model_path(str(name))
        meta, tensors = file_format.read(path, "model")
        try:
            return cls._compiled(meta, tensors)
        except CheckpointError as error:
            raise CheckpointError(f"{path} {error}") from None

    @classmethod
    def _compiled(cls, meta: dict[str, Any], tensors: Tensors) -> "Classifier":
        tensors = {name: _as_float32(array) for name, array in tensors.items()}
        about = meta.get("architecture")
        if isinstance(about, dict) and about.get("name") == "ensemble":
            kinds = about.get("members")
            if not isinstance(kinds, list) or not 0 < len(kinds) <= architecture.MEMBERS:
                raise CheckpointError(f"holds an ensemble of {brief(kinds)}")
            members = tuple(_layers(kind, _Taken(tensors, f"members.{i}.")) for i, kind in enumerate(kinds))
            temperature = _positive(_Taken(tensors, "").take("temperature"))
        else:
            members, temperature = (_layers(about, _Taken(tensors, "")),), 1.0
        if tensors:
            raise CheckpointError(
                f"has an unknown tensor {brief(min(tensors))}; it belongs to another network"
            )
        classes = {len(layers[-1].bias) for layers in members if isinstance(layers[-1], Dense)}
        if len(classes) > 1:
            raise CheckpointError("holds an ensemble whose members know different classes")
        known = classes.pop()
        names = meta.get("classes", [""] * known)
        if not isinstance(names, list) or len(names) != known or known == 0:
            raise CheckpointError(f"knows {known} classes and calls them {brief(names)}")
        return cls(members, temperature, known, meta)

    def logits(self, images: Array) -> Array:
        """Logits (N, classes) of images (N, 28, 28) in [0, 1]; their softmax is honest, see `temperature`."""
        images = np.asarray(images, np.float32)
        if images.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"images are {images.shape}; expected (N, {SIDE}, {SIDE})")
        parts = [self._answer(images[i : i + BATCH, ..., None]) for i in range(0, len(images), BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, self.classes), np.float32)

    def probabilities(self, images: Array) -> Array:
        """Softmax of the logits: (N, classes), every row sums to 1."""
        return softmax(self.logits(images))

    def _answer(self, x: Array) -> Array:
        answers = [forward(layers, x) for layers in self.members]
        if len(answers) == 1:
            return answers[0]
        mean = np.mean([softmax(answer) for answer in answers], axis=0)
        return np.asarray(np.log(np.maximum(mean, 1e-38)) / self.temperature, dtype=np.float32)


def _as_float32(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):  # what becomes infinite is refused where it is taken
        return array.astype(np.float32) if array.dtype.kind == "f" else array


class _Taken:
    """Tensors of one network, each taken out once under the shape it must have."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self.tensors, self.prefix = tensors, prefix

    def take(self, name: str, *shape: int) -> Array:
        """The tensor of that shape; -1 stands for any size."""
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


def _layers(about: Any, taken: _Taken) -> Layers:
    """The layers that `about`, a file's architecture, describes."""
    name = about.get("name") if isinstance(about, dict) else None
    if name not in ("mlp", "cnn"):
        raise CheckpointError(f"holds a network {brief(about)}; expected an mlp, a cnn or an ensemble")
    seen: Layers = (Upright(),) if architecture.view(about) == "upright" else ()
    if name == "mlp":
        return seen + _mlp(taken, *architecture.sizes(about, "hidden", 2))
    return seen + _cnn(taken, *architecture.sizes(about, "channels", 3))


def _mlp(taken: _Taken, first: int, second: int) -> Layers:
    return (
        _normalising(taken, _dense(taken, "hidden1", SIDE * SIDE, first)),
        _dense(taken, "hidden2", first, second),
        _output(taken, second),
    )


def _cnn(taken: _Taken, a: int, b: int, c: int) -> Layers:
    """As models.CNN, layer by layer; numbers count what stands in its sequences."""
    return (
        _normalising(taken, _convolution(taken, "stem", 0, 1, a, 5)),
        _convolution(taken, "stem", 3, a, a, 2, stride=2),
        _convolution(taken, "middle", 0, a, b, 3, padding=1),
        _convolution(taken, "middle", 3, b, b, 3),
        Pool(),
        _convolution(taken, "top", 0, b, c, 3, padding=1),
        _convolution(taken, "top", 3, c, c, 3),
        Mean(),
        _output(taken, c),
    )


def _dense(taken: _Taken, name: str, inputs: int, outputs: int) -> Dense:
    weights = taken.take(f"{name}.weight", outputs, inputs)
    return Dense(np.ascontiguousarray(weights.T), taken.take(f"{name}.bias", len(weights)), relu=True)


def _output(taken: _Taken, inputs: int) -> Dense:
    """The last layer, divided by the temperature."""
    layer, temperature = _dense(taken, "output", inputs, -1), _positive(taken.take("temperature"))
    return Dense(layer.weights / temperature, layer.bias / temperature, relu=False)


def _convolution(
    taken: _Taken,
    part: str,
    at: int,
    inputs: int,
    outputs: int,
    size: int,
    *,
    stride: int = 1,
    padding: int = 0,
) -> Convolution:
    """A convolution and the batch normalisation behind it as one."""
    kernels = taken.take(f"{part}.{at}.weight", outputs, inputs, size, size)
    norm = f"{part}.{at + 1}."
    scale, shift, mean, variance = (
        taken.take(norm + name, outputs).astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    taken.take(norm + "num_batches_tracked")
    if variance.min(initial=0) < 0:
        raise CheckpointError(f"has a variance below 0 in {brief(norm)}")
    factor = scale / np.sqrt(variance + EPSILON)
    folded = np.ascontiguousarray(kernels.transpose(2, 3, 1, 0) * factor, np.float32)
    return Convolution(folded, (shift - mean * factor).astype(np.float32), stride, padding)


First = TypeVar("First", Dense, Convolution)


def _normalising(taken: _Taken, layer: First) -> First:
    """The first layer, made to take images in [0, 1]: w ((x - mean) / std) = (w / std) x - (w / std) mean."""
    mean, std = float(taken.take("mean")), _positive(taken.take("std"))
    name = "kernels" if isinstance(layer, Convolution) else "weights"
    weights = getattr(layer, name) / np.float64(std)
    bias = layer.bias - mean * weights.reshape(-1, len(layer.bias)).sum(axis=0)
    return replace(layer, bias=bias.astype(np.float32), **{name: weights.astype(np.float32)})


def _positive(number: Array) -> float:
    if not 0 < number < math.inf:
        raise CheckpointError(f"has a deviation or temperature of {number}; expected a number above 0")
    return float(number)
