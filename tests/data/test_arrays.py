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
GREYS = np.resize(np.arange(256, dtype=np.uint8), (2, 28, 28))  # every grey
LABELS = np.array([3, 4])
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
        "a.gz: pixels are from 256.0 to 256.0, expected numbers from 0 to 255, from 0 to 1, or from -1 to 1",
    ),
    "pixel 300 of int": (IMAGES_OF_ONE.astype(int) + 300, LABEL_OF_ONE, "a.gz: pixels are from 300 to 300"),
    "normalised": (
        IMAGES_OF_ONE - 0.42,
        LABEL_OF_ONE,
        "a.gz: pixels are from -0.42 to -0.42, expected numbers from 0 to 255",
    ),
    "resampled": (IMAGES_OF_ONE + 0.335, LABEL_OF_ONE, "a.gz: pixels are from 0.335 to 0.335, expected"),
    "half a grey": (IMAGES_OF_ONE + 100.5, LABEL_OF_ONE, "a.gz: pixels are from 100.5 to 100.5, expected"),
    "nan": (IMAGES_OF_ONE + np.nan, LABEL_OF_ONE, "a.gz: pixels are from nan to nan"),
    "infinite": (IMAGES_OF_ONE + np.inf, LABEL_OF_ONE, "a.gz: pixels are from inf to inf"),
    "objects": (IMAGES_OF_ONE.astype(object), LABEL_OF_ONE, "a.gz: pixels are of type object"),
    "standardised": (GREYS / 255 / 0.3081 - 0.4242, LABELS, "a.gz: pixels are from -0.42.* to 2.8"),
    "centred": (GREYS / 255 - 0.5, LABELS, "a.gz: pixels are from -0.5 to 0.5"),
    "dark": (GREYS // 16, LABELS, "a.gz: pixels are from 0 to 15, expected"),
    "16 bits": (GREYS.astype(np.uint16) * 257, LABELS, "a.gz: pixels are from 0 to 65535, expected"),
    "signed bytes": (GREYS.view(np.int8), LABELS, "a.gz: pixels are from -128 to 127, expected"),
}


@pytest.mark.parametrize("kind", PAIRS_REFUSED)
def test_bad_pairs_are_refused(kind: str) -> None:
    """Arrays that are not images and labels are refused; the error names the array, its shape or values."""
    images, labels, message = PAIRS_REFUSED[kind]
    with pytest.raises(DataError, match=message):
        check_pair(images, labels, "a.gz", "b.gz")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_grey_survives_scaling(dtype: type[np.floating[Any]]) -> None:
    """All 256 greys stored as n/255 come back as n, in each precision, and a note says so."""
    pair = check_pair((GREYS / 255).astype(dtype), LABELS, "a", "b")
    np.testing.assert_array_equal(pair.images, GREYS, strict=True)
    assert pair.notes == ("a: pixels are from 0 to 1; they were read as 0 to 255.",)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_known_ranges_are_read_as_bytes(dtype: type[np.floating[Any]]) -> None:
    """Multiples of 1/256, numbers from -1 to 1, and 0 and 1 of any type give the right bytes."""
    ink = (GREYS > 127) * np.uint8(255)
    cases: list[tuple[npt.NDArray[Any], npt.NDArray[Any], str]] = [
        ((GREYS / 256).astype(dtype), GREYS, "multiples of 1/256"),
        ((GREYS / 128 - 1).astype(dtype), GREYS, "from -1 to 1"),
        ((ink // 255).astype(dtype), ink, "only 0 and 1"),
        (ink // 255, ink, "only 0 and 1"),
        ((ink // 255).astype(np.int64), ink, "only 0 and 1"),
        (ink > 0, ink, "only 0 and 1"),
        (GREYS.astype(dtype), GREYS, ""),
        (GREYS.astype(np.int32), GREYS, ""),
    ]
    for images, expected, kind in cases:
        pair = check_pair(images, LABELS, "a", "b")
        np.testing.assert_array_equal(pair.images, expected, strict=True)
        notes = (f"a: pixels are {kind}; they were read as 0 to 255.",) if kind else ()
        assert pair.notes == notes


def test_numbers_between_two_greys_are_rounded() -> None:
    """Resized images have pixels between whole numbers, and some just outside the range."""
    rounded = check_pair(GREYS + 0.4 - 0.4 * (GREYS == 255), LABELS, "a", "b")
    np.testing.assert_array_equal(rounded.images, GREYS, strict=True)
    assert rounded.notes == ("a: pixels are not whole numbers; they were rounded.",)
    wide = check_pair(GREYS / 255 * 1.001 - 0.0005, LABELS, "a", "b")
    np.testing.assert_array_equal(wide.images, GREYS, strict=True)
    signed = check_pair((GREYS / 127.5 - 1).astype(np.float32), LABELS, "a", "b")
    np.testing.assert_array_equal(signed.images, GREYS, strict=True)
    assert signed.notes == ("a: pixels are from -1 to 1; they were read as 0 to 255.",)


def test_bytes_are_not_copied() -> None:
    """Arrays that are in the right form already are not copied."""
    images, labels = some_images(), some_labels()
    pair = check_pair(images, labels, "a", "b")
    assert np.shares_memory(pair.images, images)
    assert np.shares_memory(pair.labels, labels)
