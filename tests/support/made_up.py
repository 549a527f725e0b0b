"""Made-up digits, and MNIST's four files of them."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.data import catalogue

FOUR_FILES = [file.name for file in catalogue.DATASETS["mnist"].files]
MakeFolder = Callable[..., Path]


def write_idx(path: Path, array: npt.NDArray[Any]) -> None:
    """An IDX file of bytes (0x08) or 32-bit integers (0x0C), by the letter of the format's description."""
    code = {"uint8": 0x08, "int32": 0x0C}[array.dtype.name]
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(array.dtype.newbyteorder(">")).tobytes())


def made_up(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images (count, 28, 28) of noise with a bright bar whose height is the label, and labels (count,)."""
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = np.random.default_rng(seed).integers(0, 128, (count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 4 : 2 * label + 6, 4:24] = 255
    return images, labels
