"""Digits that somebody corrected: a folder for each, a PNG file for each picture.

    DIR/7/2c26b46b68ffc68f.png        a picture (28, 28), white on black, that is a 7

The name is made from the pixels, so that the same picture is kept once. `digits adapt DIR` learns from it.
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

MOST = 10_000  # pictures in a folder; about 400 bytes each
Pixels = npt.NDArray[np.uint8]


def default_folder() -> Path:
    """Where an application keeps its user's data on this system."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "digits" / "corrections"


class Corrections:
    """The folder; several processes may add to it."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self.folder, self.most = folder, most

    def count(self) -> int:
        """How many pictures there are."""
        return sum(1 for _ in self.folder.glob("[0-9]/*.png"))

    def add(self, image: Pixels, label: int) -> str:
        """Keep (28, 28) as an example of the digit `label`; returns its name in the folder, 7/NAME.png.

        A picture that was there under another digit moves: the last word counts. Raises DataError when the
        folder is full or cannot be written.
        """
        name = hashlib.sha256(image.tobytes()).hexdigest()[:16] + ".png"
        try:
            before = [path for path in self.folder.glob(f"[0-9]/{name}") if path.parent.name != str(label)]
            if not before and self.count() >= self.most:
                raise DataError(f"the folder of corrections is full: it holds {self.most:,} pictures")
            place = self.folder / str(label)
            place.mkdir(parents=True, exist_ok=True)
            atomic_write(place / name, _png(image))
            for path in before:
                path.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DataError(f"the correction could not be kept: {reason}") from error
        return f"{label}/{name}"


def _png(image: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
