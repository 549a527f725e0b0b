"""Write a trained network as bytes for the browser, where static/network.js computes with it.

The bytes have three parts: the length of the JSON in bytes (32 bits), the JSON, and float32 numbers. All
numbers are little-endian. The JSON lists the layers of every member (one network of an ensemble). "weights"
and "bias" are the positions of a layer's first weight and first bias among the float32 numbers:

    {"classes": 10, "temperature": 1.0, "members": [[{"kind": "dense", "shape": [784, 128], "relu": true,
     "weights": 0, "bias": 100352}, ...]]}
"""

import json
import struct
from typing import Any

import numpy as np

from digits.networks.numpy_inference import Classifier
from digits.networks.numpy_layers import Array, Convolution, Dense, Layer


def network_bytes(classifier: Classifier) -> bytes:
    """Convert a network to bytes for the browser.

    The module's docstring describes the format.
    """
    numbers: list[Array] = []
    members = [[_describe(layer, numbers) for layer in layers] for layers in classifier.members]
    header = {"classes": classifier.classes, "temperature": classifier.temperature, "members": members}
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % 4)  # spaces, since a Float32Array must start at a multiple of 4 bytes
    return struct.pack("<I", len(text)) + text + b"".join(part.astype("<f4").tobytes() for part in numbers)


def count_parameters(classifier: Classifier) -> int:
    """Count the weights and biases of all networks together."""
    layers = [layer for layers in classifier.members for layer in layers]
    return sum(
        (layer.weights if isinstance(layer, Dense) else layer.kernels).size + layer.bias.size
        for layer in layers
        if isinstance(layer, Dense | Convolution)
    )


def _describe(layer: Layer, numbers: list[Array]) -> dict[str, Any]:
    """Add a layer's weights and bias to the list of numbers.

    Args:
        layer: the layer.
        numbers: weights and biases of the layers before; is extended.

    Returns:
        The layer's entry in the JSON.
    """
    if isinstance(layer, Dense):
        offsets = _append(numbers, layer.weights, layer.bias)
        return {"kind": "dense", "shape": layer.weights.shape, "relu": layer.relu, **offsets}
    if isinstance(layer, Convolution):
        offsets = _append(numbers, layer.kernels, layer.bias)
        sizes = {"shape": layer.kernels.shape, "stride": layer.stride, "padding": layer.padding}
        return {"kind": "convolution", **sizes, **offsets}
    return {"kind": type(layer).__name__.lower()}  # upright, pool and mean have no weights


def _append(numbers: list[Array], weights: Array, bias: Array) -> dict[str, int]:
    """Add two arrays to the list of numbers.

    Args:
        numbers: weights and biases of the layers before; is extended.
        weights: any shape.
        bias: (outputs,).

    Returns:
        The positions of the first weight and the first bias.
    """
    start = sum(part.size for part in numbers)
    numbers += [np.ascontiguousarray(weights), bias]
    return {"weights": start, "bias": start + weights.size}
