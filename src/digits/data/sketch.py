"""Recognise images that a network has seen, from a small record of them.

A sketch of a set of images has the smallest digests of its images, at most SIZE. It is stored with a trained
network. Test images whose digests are in the sketch were training images.

Source: Broder, "On the resemblance and containment of documents", 1997 (bottom-k sketches).
"""

import base64
import hashlib
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

# Number of digests, 8 kB. With 60,000 training images, one in 60 is in the sketch. So a test set with 500
# training images among its 10,000 is found with a probability of 1 - (59/60)^500, which is 99.98 %.
SIZE = 1024
DIGEST = np.dtype(">u8")  # 64 bits: among a million images, two have equal digests with probability 3e-8

Sketch: TypeAlias = npt.NDArray[np.uint64]


def sketch(images: Tensor) -> Sketch:
    """Return the smallest digests of some images.

    Args:
        images: uint8 (N, 28, 28).
    Returns:
        uint64, at most SIZE different numbers, ascending.
    """
    return np.unique(_digests(images))[:SIZE]


def merge(first: Sketch, second: Sketch) -> Sketch:
    """Return the sketch of the images in either of two sets."""
    return np.union1d(first, second)[:SIZE]


def count_seen(images: Tensor, seen: Sketch) -> int:
    """Estimate how many of some images are in the set of a sketch.

    Args:
        images: uint8 (N, 28, 28).
        seen: Sketch of the other set.
    Returns:
        0 if none of them is in the sketch; otherwise an estimate from 1 to N.
        It is exact if the other set has fewer than SIZE different images.
    """
    digests = _digests(images)
    found = int(np.isin(digests, seen).sum())
    if found == 0 or len(seen) < SIZE:
        return found
    compared = int((digests <= seen[-1]).sum())  # larger digests are not in the sketch in any case
    return max(1, round(len(digests) * found / compared))


def count_equal(images: Tensor, others: Tensor) -> int:
    """Count the images that are also among other images.

    Args:
        images, others: uint8 (N, 28, 28) and uint8 (M, 28, 28).
    Returns:
        From 0 to N.
    """
    return int(np.isin(_digests(images), _digests(others)).sum())


def to_text(digests: Sketch) -> str:
    """Return a sketch as text, for JSON."""
    return base64.b64encode(digests.astype(DIGEST).tobytes()).decode()


def from_text(text: Any) -> Sketch | None:
    """Return the sketch in a text, or None if it is not one, for example from an older file."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), DIGEST).astype(np.uint64)
    except (TypeError, ValueError):
        return None


def _digests(images: Tensor) -> Sketch:
    """Return a digest of the pixels of each image, uint64 (N,)."""
    rows = images.flatten(1).numpy()
    joined = b"".join(hashlib.blake2b(row.data, digest_size=DIGEST.itemsize).digest() for row in rows)
    return np.frombuffer(joined, DIGEST).astype(np.uint64)
