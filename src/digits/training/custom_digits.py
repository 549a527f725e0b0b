"""Load a user's pictures of digits from folders named 0 to 9.

Each picture shows one digit. The digits are converted to the form of MNIST's images: 28 x 28 pixels,
white ink on black, about 20 pixels long and centred.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from digits.data.dataset import Digits
from digits.errors import DataError, PhotoError
from digits.mnist import BOX, DIGITS, SIDE
from digits.networks.numpy_layers import Array
from digits.reading.components import extent
from digits.reading.find_digits import find
from digits.reading.image_files import open_picture
from digits.reading.mnist_form import centre_of_mass
from digits.reading.picture_folders import files_in

EXPECTED = "expected a folder for each digit with pictures in it, such as my_digits/7/photo.jpg"

# A 28 x 28 picture that keeps these limits is already in MNIST's form and is used without changes. MNIST's
# own images are within these limits.
CUSTOM_PEAK = 128  # of 255; the brightest pixel must be at least this bright
SIZE_ERROR = 2  # px; the longer side of the digit may differ this much from MNIST's 20 pixels
CUSTOM_OFF_CENTRE = (
    1.01  # px; limit for the distance from centre of mass to centre. MNIST rounds to whole pixels
)


@dataclass(frozen=True)
class CustomDigits:
    """Custom digits in MNIST's form, and the reasons for skipped pictures."""

    digits: Digits  # N different images with labels
    seen: Array  # float32 (N, 28, 28) in [0, 1]: what `digits predict --single` classifies; 0 without ink
    skipped: tuple[str, ...]  # a sentence with the reason for each skipped picture


def load_custom_digits(folder: Path, progress: Callable[[int, int], None] | None = None) -> CustomDigits:
    """Load custom digits, and convert them to MNIST's form.

    These pictures are skipped:

    - files that cannot be read
    - pictures without ink
    - pictures that are the same as an earlier one
    - everything outside the folders 0 to 9

    Args:
        folder: contains at least two of the folders 0 to 9.
        progress: called after each picture with two numbers: pictures read, all pictures.

    Returns:
        The digits, uint8 (N, 28, 28) with labels, and the reasons for skipped pictures.

    Raises:
        DataError: if the usable pictures show fewer than two different digits.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; {EXPECTED}")
    places = [folder / name for name in DIGITS if (folder / name).is_dir()]
    paths = [(path, int(place.name)) for place in places for path in files_in([place]) if path != place]
    if not paths:
        raise DataError(f"{folder} holds no pictures in folders named 0 to 9; {EXPECTED}")
    found: dict[bytes, tuple[Path, int, Array]] = {}
    skipped = []
    for number, (path, label) in enumerate(paths, 1):
        reason = _add_picture(found, path, label)
        skipped += [reason] if reason else []
        if progress:
            progress(number, len(paths))
    labels = [label for _, label, _ in found.values()]
    if len(set(labels)) < 2:
        known = f"pictures of only one digit, {labels[0]}" if labels else "no picture that can be used"
        why = f" ({len(skipped):,} skipped: {skipped[0]})" if skipped else ""
        raise DataError(f"{folder} holds {known}{why}; expected pictures of at least two digits")
    others = [path for path in sorted(folder.iterdir()) if path not in places and path.name[0] != "."]
    skipped += [f"{path} is in none of the folders 0 to 9" for path in others]
    images = np.stack([np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE) for pixels in found])
    seen = np.stack([image for _, _, image in found.values()])
    return CustomDigits(Digits(torch.from_numpy(images), torch.tensor(labels)), seen, tuple(skipped))


def _add_picture(found: dict[bytes, tuple[Path, int, Array]], path: Path, label: int) -> str | None:
    """Add a picture to `found`, or return the reason for skipping it.

    Args:
        found: the 784 bytes of each image, with path and label of its picture, and what is seen in it.
        path: the new picture.
        label: the digit in it.
    """
    try:
        picture = open_picture(path)
        (mark,) = find(picture, single=True).marks
    except PhotoError as error:
        return str(error)
    if _has_mnist_form(picture.pixels):
        pixels = picture.pixels
    elif mark.blank:
        return f"{path} holds no ink"
    else:
        pixels = np.asarray(np.rint(mark.image * 255), dtype=np.uint8)
    before, digit, _ = found.setdefault(pixels.tobytes(), (path, label, mark.image))
    if before == path:
        return None
    other = "" if digit == label else f", which is in the folder of digit {digit}"
    return f"{path} is the same picture as {before}{other}"


def _has_mnist_form(pixels: npt.NDArray[np.uint8]) -> bool:
    """Check if a picture already has MNIST's form.

    Args:
        pixels: uint8 (H, W), grey levels.
    """
    # MNIST's form is 28 x 28 pixels, white ink on black, with a black margin. The longer side of the digit is
    # 20 pixels, and its centre of mass is the centre of the image.
    if pixels.shape != (SIDE, SIDE) or pixels[[0, -1]].any() or pixels[:, [0, -1]].any() or not pixels.any():
        return False
    top, bottom, left, right = extent(pixels > 0)
    # The larger of two distances in pixels from the centre of mass to the image centre: vertical, horizontal.
    away = np.abs(np.subtract(centre_of_mass(pixels.astype(np.float32)), (SIDE - 1) / 2)).max()
    size = max(bottom - top, right - left)
    return bool(pixels.max() >= CUSTOM_PEAK and abs(size - BOX) <= SIZE_ERROR and away <= CUSTOM_OFF_CENTRE)
