"""Load trained networks and predict with NumPy, without PyTorch.

`digits.reading` and `digits.serving` use this module, so they work where PyTorch is not installed.

    >>> Classifier.load("cnn").probabilities(images)  # images: float32 (N, 28, 28) in [0, 1]

The logits are the same as with PyTorch, except for rounding. To save time, some layers are combined: each
convolution includes the batch normalisation after it, the first layer includes the input normalisation, and
the last layer includes the temperature.
"""

from collections.abc import Mapping
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
from digits.networks.file_format import brief, errors_named
from digits.networks.image_check import check_images
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
IMAGES_AT_A_TIME = 32  # images; with more, the output of a layer does not fit into the processor's cache
BATCH_NORM_EPSILON = 1e-5  # added to the variance; the default of torch.nn.BatchNorm2d
LEAST_PROBABILITY = 1e-38  # about the smallest float32; avoids the logarithm of 0, which is infinite
# Generous limits. Below them no result overflows float32, whose largest number is 3.4e38, in whatever order
# PyTorch, NumPy or the page compute it: 7e7 (weights that fit into a file) * 1e12 * 1e18 is 7e37.
MAX_NUMBER = 1e12  # size of a number in a file; 15 in the bundled networks
MAX_OUTPUT = 1e18  # size of a layer's output for any image in [0, 1]; below 2e8 for the bundled networks


@dataclass(frozen=True)
class Classifier:
    """A trained network that classifies images.

    It can be an ensemble. Use `Classifier.load` to make one from a model file.
    """

    members: tuple[Layers, ...]  # the layers of each network; one element for a single network
    temperature: float  # temperature of an ensemble; 1 for a single network, whose last layer includes it
    classes: int  # number of classes
    meta: dict[str, Any]  # the model file's meta data, such as "architecture", "classes", "data", "epoch"

    @classmethod
    def load(cls, name: str | Path) -> "Classifier":
        """Load a trained network.

        Args:
            name: a bundled network ("cnn" or "mlp"), the folder of a run, or a model file.

        Raises:
            CheckpointError: if the file is missing, damaged or incomplete.
        """
        path = model_path(name)
        meta, tensors = file_format.read_arrays(path, "model")
        with errors_named(path):
            return classifier_of(meta, tensors)

    def logits(self, images: Array) -> Array:
        """Compute the logits of images.

        The logits are already divided by the temperature.

        Args:
            images: float32 (N, 28, 28) in [0, 1], white ink on black.

        Returns:
            float32 (N, classes).

        Raises:
            ImageError: if the images have another shape or range.
        """
        images = np.asarray(images, np.float32)
        check_images(images.shape, (SIDE, SIDE), images.min(initial=0), images.max(initial=0))
        starts = range(0, len(images), IMAGES_AT_A_TIME)
        parts = [self._logits(images[i : i + IMAGES_AT_A_TIME, ..., None]) for i in starts]
        return np.concatenate(parts) if parts else np.zeros((0, self.classes), np.float32)

    def probabilities(self, images: Array) -> Array:
        """Compute the class probabilities of images.

        Args:
            images: float32 (N, 28, 28) in [0, 1], white ink on black.

        Returns:
            float32 (N, classes); each row sums to 1.

        Raises:
            ImageError: if the images have another shape or range.
        """
        return softmax(self.logits(images))

    def _logits(self, x: Array) -> Array:
        """Compute the logits of a small batch of images.

        Args:
            x: float32 (N, 28, 28, 1) in [0, 1].

        Returns:
            float32 (N, classes).
        """
        answers = [forward(layers, x) for layers in self.members]
        if len(answers) == 1:
            return answers[0]
        mean = np.mean([softmax(answer) for answer in answers], axis=0)
        return np.asarray(np.log(np.maximum(mean, LEAST_PROBABILITY)) / self.temperature, dtype=np.float32)


def classifier_of(meta: dict[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Classifier:
    """Make a classifier from the content of a model file, and check that it can compute.

    Args:
        meta: the file's meta data.
        arrays: the file's arrays by name.

    Raises:
        CheckpointError: if the arrays do not fit the architecture, or their numbers are so large that an
            answer could be infinite or NaN.
    """
    tensors: Tensors = {name: _as_float32(array) for name, array in arrays.items()}
    found = read_architecture(meta.get("architecture"))
    if isinstance(found, tuple):
        members = tuple(
            _layers(each, _NetworkTensors(tensors, f"members.{i}.")) for i, each in enumerate(found)
        )
        temperature = _divisor(_NetworkTensors(tensors, ""), "temperature")
    else:
        members, temperature = (_layers(found, _NetworkTensors(tensors, "")),), 1.0
    if tensors:
        raise CheckpointError(f"has an unknown tensor {brief(min(tensors))}; it belongs to another network")
    classes = {len(layers[-1].bias) for layers in members if isinstance(layers[-1], Dense)}
    if len(classes) > 1:
        raise CheckpointError("holds an ensemble whose members have different numbers of classes")
    known = classes.pop()
    names = meta.get("classes", [""] * known)
    named = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not named or len(names) != known or known == 0:
        raise CheckpointError(
            f"has {known} classes, but the names {brief(names)}; "
            "expected at least one class, and one name per class"
        )
    largest = max(map(_largest_output, members))
    if not largest <= MAX_OUTPUT:
        raise CheckpointError(
            f"has weights so large that its results may overflow: up to {largest:.0e}, expected at most "
            f"{MAX_OUTPUT:.0e}; train the network again with a lower learning rate"
        )
    return Classifier(members, temperature, known, meta)


def _largest_output(layers: Layers) -> float:
    """Return a limit for the results of all layers, for any image with pixels in [0, 1].

    Args:
        layers: the layers of a single network, first to last.
    """
    largest, limits = 1.0, np.ones(1)  # limits: of the size of each input channel of the next layer
    for layer in layers:
        if isinstance(layer, Dense | Convolution):
            weights = layer.weights if isinstance(layer, Dense) else layer.kernels
            sizes = np.abs(weights).reshape(-1, len(limits), len(layer.bias)).sum(axis=0, dtype=np.float64)
            limits = limits @ sizes + np.abs(layer.bias)  # (outputs,): |w x + b| <= |w| |x| + |b|
            largest = max(largest, float(limits.max(initial=0)))
    return largest  # pooling, means and deslanting make no number larger


def _as_float32(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert a floating-point array to float32; keep other arrays."""
    # A number above the range of float32 becomes infinite. `take` refuses it, so NumPy need not warn.
    with np.errstate(over="ignore"):
        return array.astype(np.float32) if array.dtype.kind == "f" else array


class _NetworkTensors:
    """The tensors of one network in a model file.

    Args:
        tensors: all tensors of the file, by name.
        prefix: start of this network's names: "members.0." in an ensemble, else "".
    """

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self.tensors, self.prefix = tensors, prefix

    def take(self, name: str, *shape: int) -> Array:
        """Remove a tensor from the file's tensors and return it.

        Args:
            name: name of the tensor, without the prefix.
            shape: the expected shape; -1 stands for any size.

        Returns:
            A float32 array; only "num_batches_tracked" may be int64.

        Raises:
            CheckpointError: if the tensor is missing, has another shape, or has a number above MAX_NUMBER.
        """
        name = self.prefix + name
        if name not in self.tensors:
            raise CheckpointError(f"has no tensor {brief(name)}; it belongs to another network")
        # The tensors that remain at the end belong to no layer; `classifier_of` refuses them.
        array = self.tensors.pop(name)
        counts = name.endswith("num_batches_tracked")
        if not counts and (array.dtype != np.float32 or not np.abs(array).max(initial=0) <= MAX_NUMBER):
            raise CheckpointError(
                f"has a tensor {brief(name)} with numbers that are not finite or not floating-point, "
                f"or above {MAX_NUMBER:.0e}"
            )
        fits = len(array.shape) == len(shape) and all(
            want in (-1, got) for want, got in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise CheckpointError(
                f"has a tensor {brief(name)} of shape {brief(array.shape)}; expected {shape}"
            )
        return array


def _layers(architecture: Architecture, tensors: _NetworkTensors) -> Layers:
    """Make the layers of a single network."""
    first: Layers = (Upright(),) if architecture.view == "upright" else ()
    if architecture.kind == "mlp":
        return first + _mlp(tensors, *architecture.sizes)
    return first + _cnn(tensors, *architecture.sizes)


def _mlp(tensors: _NetworkTensors, hidden1: int, hidden2: int) -> Layers:
    """Make the layers of an MLP.

    Args:
        tensors: the tensors of the network.
        hidden1, hidden2: number of neurons in each hidden layer.
    """
    return (
        _with_normalisation(tensors, _dense(tensors, "hidden1", PIXELS, hidden1)),
        _dense(tensors, "hidden2", hidden1, hidden2),
        _output(tensors, hidden2),
    )


def _cnn(tensors: _NetworkTensors, a: int, b: int, c: int) -> Layers:
    """Make the layers of a CNN.

    Args:
        tensors: the tensors of the network.
        a, b, c: channels of the three pairs of convolutions.
    """
    # Each of "stem", "middle" and "top" is a sequence of six layers: convolution, batch normalisation, ReLU,
    # and the same again. So the two convolutions have the positions 0 and 3.
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


def _dense(tensors: _NetworkTensors, name: str, inputs: int, outputs: int) -> Dense:
    """Make a fully connected layer with ReLU.

    Args:
        tensors: the tensors of the network.
        name: name of the layer in the file.
        inputs: number of inputs.
        outputs: number of outputs; -1 accepts any number.
    """
    weights = tensors.take(f"{name}.weight", outputs, inputs)
    return Dense(np.ascontiguousarray(weights.T), tensors.take(f"{name}.bias", len(weights)), relu=True)


def _output(tensors: _NetworkTensors, inputs: int) -> Dense:
    """Make the last layer and divide its weights by the temperature.

    Args:
        tensors: the tensors of the network.
        inputs: number of inputs.
    """
    layer, temperature = _dense(tensors, "output", inputs, -1), _divisor(tensors, "temperature")
    return Dense(layer.weights / temperature, layer.bias / temperature, relu=False)


def _convolution(
    tensors: _NetworkTensors,
    part: str,
    at: int,
    inputs: int,
    outputs: int,
    size: int,
    *,
    stride: int = 1,
    padding: int = 0,
) -> Convolution:
    """Make one layer from a convolution and its batch normalisation.

    Args:
        tensors: the tensors of the network.
        part: "stem", "middle" or "top", a part of `digits.networks.cnn.CNN`.
        at: position of the convolution in this part.
        inputs: number of input channels.
        outputs: number of output channels.
        size: height and width of the kernels in pixels.
        stride: pixels between two positions of a kernel.
        padding: width in pixels of the border of zeros around the image.
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
    # Batch normalisation maps x to (x - mean) / sqrt(variance + epsilon) * scale + shift. After training,
    # these numbers are constant. So the kernels are multiplied by the factor of x, and the rest is the bias.
    factor = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
    folded = np.ascontiguousarray(kernels.transpose(2, 3, 1, 0) * factor, np.float32)
    return Convolution(folded, (shift - mean * factor).astype(np.float32), stride, padding)


FirstLayer = TypeVar("FirstLayer", Dense, Convolution)


def _with_normalisation(tensors: _NetworkTensors, layer: FirstLayer) -> FirstLayer:
    """Add the input normalisation to the first layer.

    Args:
        tensors: the tensors of the network; "mean" and "std" are used.
        layer: a layer for normalised images.

    Returns:
        A layer for images in [0, 1] with the same output.
    """
    # w ((x - mean) / std) + b = (w / std) x + (b - (w / std) mean). This also holds for a convolution without
    # padding, such as the first one.
    mean, std = float(tensors.take("mean")), _divisor(tensors, "std")
    name = "kernels" if isinstance(layer, Convolution) else "weights"
    weights = getattr(layer, name) / np.float64(std)
    bias = layer.bias - mean * weights.reshape(-1, len(layer.bias)).sum(axis=0)
    return replace(layer, bias=bias.astype(np.float32), **{name: weights.astype(np.float32)})


def _divisor(tensors: _NetworkTensors, name: str) -> float:
    """Take a number by which others are divided: a standard deviation or a temperature.

    Args:
        tensors: the tensors of the network.
        name: name of a tensor of shape ().

    Raises:
        CheckpointError: if it is below 1 / MAX_NUMBER or above MAX_NUMBER.
    """
    number = float(tensors.take(name))
    if not number >= 1 / MAX_NUMBER:
        raise CheckpointError(
            f"has a standard deviation or temperature of {number} in {brief(tensors.prefix + name)}; "
            f"expected a number of at least {1 / MAX_NUMBER:g}"
        )
    return number
