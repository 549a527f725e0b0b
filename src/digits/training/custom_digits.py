"""Read a folder of custom digits: a folder for each digit, pictures of one digit each inside."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from digits.data.dataset import Digits
from digits.errors import DataError, PhotoError
from digits.mnist import BOX, DIGITS, SIDE
from digits.reading.components import extent
from digits.reading.find_digits import find
from digits.reading.image_files import files_in, open_picture
from digits.reading.mnist_form import centre_of_mass

EXPECTED = "expected a folder for each digit with pictures in it, such as my_digits/7/photo.jpg"

# Which 28 x 28 pictures are taken as they are; generous, because MNIST's own images differ this much.
WHITE = 128  # lowest brightness, of 255, of a picture's brightest pixel
SIZE_ERROR = 2  # px by which the digit's longer side may differ from MNIST's box of 20
OFF_CENTRE = 1.01  # px between centre of mass and middle: MNIST rounds to whole pixels


@dataclass(frozen=True)
class CustomDigits:
    """Custom digits in MNIST's form, and a sentence for each picture that could not be used."""

    digits: Digits
    skipped: tuple[str, ...]


def load_custom_digits(folder: Path, progress: Callable[[int, int], None] | None = None) -> CustomDigits:
    """Read the pictures in folder/0 to folder/9 and return their digits as uint8 (N, 28, 28) with labels.

    Pictures that cannot be read, hold no ink or repeat an earlier one are skipped. After every picture
    `progress` gets the number of pictures read and of all pictures. Raises DataError unless there are usable
    pictures of two different digits.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; {EXPECTED}")
    places = [folder / name for name in DIGITS if (folder / name).is_dir()]
    paths = [(path, int(place.name)) for place in places for path in files_in([place]) if path != place]
    if not paths:
        raise DataError(f"{folder} holds no pictures in folders named 0 to 9; {EXPECTED}")
    found: dict[bytes, tuple[Path, int]] = {}
    skipped = []
    for number, (path, label) in enumerate(paths, 1):
        reason = _take(found, path, label)
        skipped += [reason] if reason else []
        if progress:
            progress(number, len(paths))
    labels = [label for _, label in found.values()]
    if len(set(labels)) < 2:
        known = f"pictures of {labels[0]} alone" if labels else "no picture that can be used"
        why = f" ({len(skipped):,} skipped: {skipped[0]})" if skipped else ""
        raise DataError(f"{folder} holds {known}{why}; expected pictures of at least two digits")
    images = np.stack([np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE) for pixels in found])
    return CustomDigits(Digits(torch.from_numpy(images), torch.tensor(labels)), tuple(skipped))


def _take(found: dict[bytes, tuple[Path, int]], path: Path, label: int) -> str | None:
    """Add the picture at `path` to `found`; return None, or a sentence that says why it was skipped.

    `found` maps the bytes of each image to its path and label.
    """
    try:
        pixels = _mnist_form(path)
    except PhotoError as error:
        return str(error)
    if pixels is None:
        return f"{path} holds no ink"
    before, digit = found.setdefault(pixels.tobytes(), (path, label))
    if before == path:
        return None
    other = "" if digit == label else f", which is said to be a {digit}"
    return f"{path} is the same picture as {before}{other}"


def _mnist_form(path: Path) -> npt.NDArray[np.uint8] | None:
    """Return the digit of the picture as (28, 28), white on black in MNIST's form; None without ink."""
    picture = open_picture(path)
    if _has_mnist_form(picture.pixels):
        return picture.pixels
    (mark,) = find(picture, single=True).marks
    return None if mark.blank else np.asarray(np.rint(mark.image * 255), dtype=np.uint8)


def _has_mnist_form(pixels: npt.NDArray[np.uint8]) -> bool:
    """Return True for pixels as MNIST and the page of `digits serve` store digits.

    That is: (28, 28), white on black in a black margin, about 20 pixels high or wide, centred by mass.
    """
    if pixels.shape != (SIDE, SIDE) or pixels[[0, -1]].any() or pixels[:, [0, -1]].any() or not pixels.any():
        return False
    top, bottom, left, right = extent(pixels > 0)
    # The distance of the centre of mass from the middle of the image, in pixels, the larger of both axes.
    away = np.abs(np.subtract(centre_of_mass(pixels.astype(np.float32)), (SIDE - 1) / 2)).max()
    size = max(bottom - top, right - left)
    return bool(pixels.max() >= WHITE and abs(size - BOX) <= SIZE_ERROR and away <= OFF_CENTRE)
