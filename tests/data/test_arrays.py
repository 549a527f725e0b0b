"""Pairs of images and labels are checked and brought into one form."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.data_files import some_images, some_labels

from digits.data.formats.arrays import check_pair
from digits.errors import DataError

IMAGES_OF_ONE = np.zeros((1, 28, 28))
LABEL_OF_ONE = np.zeros(1, np.uint8)
PAIRS_REFUSED: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any], str]] = {
    "labels as images": (
        some_labels(),
        some_labels(),
        r"a.gz: images have the shape \(20,\), expected \(N, 28, 28\)",
    ),
    "32 pixels": (np.zeros((1, 32, 32)), LABEL_OF_ONE, r"a.gz: images have the shape \(1, 32, 32\)"),
    "a scalar": (np.array(1), LABEL_OF_ONE, r"a.gz: images have the shape \(\)"),
    "images as labels": (
        some_images(),
        some_images(),
        r"b.gz: labels have the shape \(20, 28, 28\), expected \(N,\)",
    ),
    "one-hot": (some_images(), np.eye(20, 10), r"b.gz: labels have the shape \(20, 10\)"),
    "scalar label": (some_images(), np.array(1), r"b.gz: labels have the shape \(\)"),
    "unequal": (
        some_images(20),
        some_labels(19),
        r"a.gz has 20 images and b.gz 19 labels; expected the same number of both",
    ),
    "none": (some_images(0), some_labels(0), r"a.gz has 0 images and b.gz 0 labels"),
    "label 10": (
        IMAGES_OF_ONE,
        LABEL_OF_ONE + 10,
        "b.gz: labels are from 10 to 10, expected whole numbers from 0 to 9",
    ),
    "label -1": (IMAGES_OF_ONE, np.array([-1]), "b.gz: labels are from -1 to -1"),
    "label 0.5": (IMAGES_OF_ONE, np.array([0.5]), "b.gz: labels are not whole numbers"),
    "pixel 256": (
        IMAGES_OF_ONE + 256,
        LABEL_OF_ONE,
        "a.gz: pixels are from 256.0 to 256.0, expected whole numbers",
    ),
    "pixel 300 of int": (IMAGES_OF_ONE.astype(int) + 300, LABEL_OF_ONE, "a.gz: pixels are from 300 to 300"),
    "normalised": (
        IMAGES_OF_ONE - 0.42,
        LABEL_OF_ONE,
        "a.gz: pixels are from -0.42 to -0.42, .* multiples of 1/255",
    ),
    "resampled": (IMAGES_OF_ONE + 0.335, LABEL_OF_ONE, "a.gz: pixels are not whole numbers"),
    "half a grey": (IMAGES_OF_ONE + 100.5, LABEL_OF_ONE, "a.gz: pixels are not whole numbers"),
    "nan": (IMAGES_OF_ONE + np.nan, LABEL_OF_ONE, "a.gz: pixels are from nan to nan"),
    "infinite": (IMAGES_OF_ONE + np.inf, LABEL_OF_ONE, "a.gz: pixels are from inf to inf"),
    "objects": (IMAGES_OF_ONE.astype(object), LABEL_OF_ONE, "a.gz: pixels are of type object"),
    "truth values": (IMAGES_OF_ONE.astype(bool), LABEL_OF_ONE, "a.gz: pixels are of type bool"),
}


@pytest.mark.parametrize("kind", PAIRS_REFUSED)
def test_bad_pairs_are_refused(kind: str) -> None:
    """Arrays that are not images and labels are refused; the error names the array, its shape or values."""
    images, labels, message = PAIRS_REFUSED[kind]
    with pytest.raises(DataError, match=message):
        check_pair(images, labels, "a.gz", "b.gz")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_grey_survives_scaling(dtype: type[np.floating[Any]]) -> None:
    """All 256 greys stored as n/255 come back as n, in each precision."""
    greys = np.resize(np.arange(256, dtype=np.uint8), (2, 28, 28))
    pair = check_pair((greys / 255).astype(dtype), np.array([3, 4]), "a", "b")
    np.testing.assert_array_equal(pair.images, greys, strict=True)


def test_bytes_are_not_copied() -> None:
    """Arrays that are in the right form already are not copied."""
    images, labels = some_images(), some_labels()
    pair = check_pair(images, labels, "a", "b")
    assert np.shares_memory(pair.images, images)
    assert np.shares_memory(pair.labels, labels)
