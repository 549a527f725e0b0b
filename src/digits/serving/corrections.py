"""The folder of corrected digits: a folder for each digit, a PNG file for each picture.

    DIR/7/2c26b46b68ffc68f.png        a picture (28, 28), white on black, that shows a 7

The file's name is a hash of the pixels, so that the same picture is kept once. `digits adapt DIR` trains a
network with them.
"""

import hashlib
import io
import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.errors import DataError
from digits.files import atomic_write
from digits.serving.limits import MAX_CORRECTIONS


def default_folder() -> Path:
    """Return digits/corrections in the folder where this system keeps an application's data of the user."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "digits" / "corrections"


class Corrections:
    """A folder of corrected digits that holds at most `most` pictures; several processes may add to it."""

    def __init__(self, folder: Path, most: int = MAX_CORRECTIONS) -> None:
        self.folder, self.most = folder, most

    def count(self) -> int:
        """Return the number of pictures in the folder."""
        return sum(1 for _ in self.folder.glob("[0-9]/*.png"))

    def add(self, image: npt.NDArray[np.uint8], label: int) -> str:
        """Save an image (28, 28), uint8, as an example of the digit `label`, and return its name, 7/HASH.png.

        If the same picture is there under another digit, it moves to the new one. Raises DataError if the
        folder is full or cannot be written.
        """
        name = hashlib.sha256(image.tobytes()).hexdigest()[:16] + ".png"
        try:
            before = [path for path in self.folder.glob(f"[0-9]/{name}") if path.parent.name != str(label)]
            if not before and self.count() >= self.most:
                raise DataError(f"the folder of corrections is full: it holds {self.most:,} pictures")
            place = self.folder / str(label)
            place.mkdir(parents=True, exist_ok=True)
            atomic_write(place / name, png_bytes(image))
            for path in before:
                path.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DataError(f"the correction could not be saved: {reason}") from error
        return f"{label}/{name}"


def png_bytes(image: npt.NDArray[np.uint8]) -> bytes:
    """Return an image (height, width), uint8, as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
