"""What the page in the browser is made of: its files, and networks as bytes that plain JavaScript reads.

A network's bytes: a 32-bit length, that many bytes of JSON, then float32 numbers, all little-endian. The
JSON lists the layers of `inference`, each with the place of its numbers:

    {"classes": 10, "temperature": 1.0, "members": [[{"kind": "dense", "shape": [784, 128], "relu": true,
     "weights": 0, "bias": 100352}, ...]]}
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from digits.networks.numpy_inference import Classifier
from digits.networks.numpy_layers import Array, Convolution, Dense, Layer

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    """A file of the page, or a network: content, type, and the mark by which a browser knows it again."""

    content: bytes
    kind: str

    @property
    def etag(self) -> str:
        """Changes when the content does."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:20]}"'


def assets() -> dict[str, Asset]:
    """The page's files by their address; read once, so that no request ever opens a file."""
    files = {path.name: path for path in FOLDER.iterdir() if path.suffix in TYPES}
    found = {f"/static/{name}": Asset(path.read_bytes(), TYPES[path.suffix]) for name, path in files.items()}
    return {"/": found.pop("/static/index.html"), **found}


def network(classifier: Classifier) -> bytes:
    """A trained network for the page: all its numbers in 32 bits, so that page and Python agree."""
    numbers: list[Array] = []
    members = [[_layer(layer, numbers) for layer in layers] for layers in classifier.members]
    about = {"classes": classifier.classes, "temperature": classifier.temperature, "members": members}
    text = json.dumps(about).encode()
    text += b" " * (-(4 + len(text)) % 4)  # numbers begin where a Float32Array can
    return struct.pack("<I", len(text)) + text + b"".join(part.astype("<f4").tobytes() for part in numbers)


def _layer(layer: Layer, numbers: list[Array]) -> dict[str, Any]:
    if isinstance(layer, Dense):
        places = _places(numbers, layer.weights, layer.bias)
        return {"kind": "dense", "shape": layer.weights.shape, "relu": layer.relu, **places}
    if isinstance(layer, Convolution):
        moves = {"stride": layer.stride, "padding": layer.padding}
        places = _places(numbers, layer.kernels, layer.bias)
        return {"kind": "convolution", "shape": layer.kernels.shape, **moves, **places}
    return {"kind": type(layer).__name__.lower()}  # upright, pool or mean


def _places(numbers: list[Array], weights: Array, bias: Array) -> dict[str, int]:
    """Where in the file, counted in numbers, these two will stand."""
    start = sum(part.size for part in numbers)
    numbers += [np.ascontiguousarray(weights), bias]
    return {"weights": start, "bias": start + weights.size}
