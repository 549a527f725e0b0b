"""A trained network as bytes for the browser, where static/network.js computes with it.

The bytes are a 32-bit length, that many bytes of JSON, then float32 numbers; all little-endian. The JSON
lists the layers of every member network. "weights" and "bias" count numbers from the first one:

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
    """Return the network in the format above, with all its numbers in full precision (float32)."""
    numbers: list[Array] = []
    members = [[_describe(layer, numbers) for layer in layers] for layers in classifier.members]
    header = {"classes": classifier.classes, "temperature": classifier.temperature, "members": members}
    text = json.dumps(header).encode()
    text += b" " * (-(4 + len(text)) % 4)  # a Float32Array must begin at a multiple of 4 bytes
    return struct.pack("<I", len(text)) + text + b"".join(part.astype("<f4").tobytes() for part in numbers)


def count_parameters(classifier: Classifier) -> int:
    """Return the number of weights and biases of all members together."""
    layers = [layer for layers in classifier.members for layer in layers]
    return sum(
        (layer.weights if isinstance(layer, Dense) else layer.kernels).size + layer.bias.size
        for layer in layers
        if isinstance(layer, Dense | Convolution)
    )


def _describe(layer: Layer, numbers: list[Array]) -> dict[str, Any]:
    """Return a layer's entry in the JSON header and append its weights and bias to `numbers`."""
    if isinstance(layer, Dense):
        offsets = _append(numbers, layer.weights, layer.bias)
        return {"kind": "dense", "shape": layer.weights.shape, "relu": layer.relu, **offsets}
    if isinstance(layer, Convolution):
        offsets = _append(numbers, layer.kernels, layer.bias)
        sizes = {"shape": layer.kernels.shape, "stride": layer.stride, "padding": layer.padding}
        return {"kind": "convolution", **sizes, **offsets}
    return {"kind": type(layer).__name__.lower()}  # upright, pool and mean have no numbers


def _append(numbers: list[Array], weights: Array, bias: Array) -> dict[str, int]:
    """Append two arrays to `numbers` and return their offsets, counted in numbers."""
    start = sum(part.size for part in numbers)
    numbers += [np.ascontiguousarray(weights), bias]
    return {"weights": start, "bias": start + weights.size}
