"""Define the options of `digits predict`."""

from dataclasses import dataclass
from pathlib import Path

from digits.errors import OptionError
from digits.option_values import check_values
from digits.options import Share, convert_paths

# Smallest probability of an accepted digit; chosen on the development pictures: docs/photos.md.
THRESHOLD = 0.9


@dataclass(frozen=True)
class PredictOptions:
    """Read handwritten digits in pictures: photos, scans, drawings."""

    images: tuple[Path, ...]
    """Pictures: JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF; HEIC with pillow-heif. Or folders: the pictures in
    them and their subfolders are read, and other files are skipped."""
    json: bool = False
    """Print one JSON object per picture. It lists all candidate digits, accepted or not."""
    single: bool = False
    """Read each picture as a single digit, and print one result per picture."""
    model: str = "cnn"
    """Name of a bundled network (cnn, mlp), the folder of a training run, or a model file."""
    threshold: Share = THRESHOLD
    """Accept a digit with at least this probability, 0 to 1. Digits inside a number need less."""
    explain: Path | None = None
    """PNG file for a drawing of the steps from the picture to the answer. Only for a single picture."""

    def __post_init__(self) -> None:
        convert_paths(self)
        check_values(self)
        if not self.images:
            raise OptionError("no picture is named; expected at least one: digits predict photo.jpg")
        if self.explain is not None and self.explain.suffix.lower() != ".png":
            raise OptionError(f"--explain is {self.explain}; expected a PNG file, such as explained.png")
