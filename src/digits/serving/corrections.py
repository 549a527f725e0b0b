"""Save corrected digits: images for which the user gave the correct label on the page.

There is one folder for each digit and one PNG file for each image:

    DIR/7/2c26b46b68ffc68f.png        an image of 28 x 28 pixels, white on black, that shows a 7

The file's name is a hash of the pixels, so the same image is saved only once. `digits adapt DIR` trains a
network with these images.
"""

import hashlib
import io
import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.errors import DataError, RunError
from digits.files import atomic_write, locked

MAX_CORRECTIONS = 10_000  # largest number of images in the folder of corrections; about 400 bytes each
CORRECTIONS_LOCK = ".lock"  # file in the folder; a process that saves an image holds its lock
LOCK_SECONDS = 2.0  # s; longest time to wait for another process, which needs some milliseconds


def default_folder() -> Path:
    """Return the default folder for corrections.

    On Linux it is ~/.local/share/digits/corrections.
    """
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "digits" / "corrections"


class Corrections:
    """A folder of corrected digits.

    Several processes may add images at the same time.
    """

    def __init__(self, folder: Path, max_images: int = MAX_CORRECTIONS) -> None:
        """Set the folder and its limit.

        Args:
            folder: need not exist; `add` makes it.
            max_images: largest number of images in it.
        """
        self.folder, self.max_images = folder, max_images

    def count(self) -> int:
        """Count the images in the folder."""
        return sum(1 for _ in self.folder.glob("[0-9]/*.png"))

    def add(self, image: npt.NDArray[np.uint8], label: int) -> str:
        """Save an image as an example of a digit.

        If it was saved under another digit before, it is moved.

        Args:
            image: uint8 (28, 28) in 0..255, white ink on black.
            label: the correct digit, 0 to 9.

        Returns:
            The name of the file in the folder, such as "7/HASH.png".

        Raises:
            DataError: if the folder is full or cannot be written.
        """
        name = hashlib.sha256(image.tobytes()).hexdigest()[:16] + ".png"
        try:
            (self.folder / str(label)).mkdir(parents=True, exist_ok=True)
            # Without the lock, two processes that move an image to two digits could each remove the other's.
            with locked(self.folder / CORRECTIONS_LOCK, str(self.folder), timeout=LOCK_SECONDS):
                self._save(name, image, label)
        except (OSError, RunError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"the correction could not be saved in {self.folder}: {reason}; choose a folder that can be "
                "written with --corrections"
            ) from error
        return f"{label}/{name}"

    def _save(self, name: str, image: npt.NDArray[np.uint8], label: int) -> None:
        """Write the file of an image, then remove it from other digits.

        Raises:
            DataError: if the folder is full.
            OSError: if it cannot be written.
        """
        old = [path for path in self.folder.glob(f"[0-9]/{name}") if path.parent.name != str(label)]
        if not old and self.count() >= self.max_images:
            raise DataError(
                f"the folder of corrections is full: it holds {self.max_images:,} images; move some of "
                "them away or choose another folder with --corrections"
            )
        atomic_write(self.folder / str(label) / name, png_bytes(image))
        for path in old:
            path.unlink(missing_ok=True)


def png_bytes(image: npt.NDArray[np.uint8]) -> bytes:
    """Convert an image to the bytes of a PNG file.

    Args:
        image: uint8 (height, width), 0 is black.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
