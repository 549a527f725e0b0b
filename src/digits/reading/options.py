"""Options of `digits predict`."""

from dataclasses import dataclass
from pathlib import Path

from digits.errors import OptionError

# Probability from which a mark is accepted as a digit; chosen on the development pictures: docs/photos.md.
THRESHOLD = 0.9


@dataclass(frozen=True)
class PredictOptions:
    """Read handwritten digits in pictures: photos, scans, drawings."""

    images: tuple[Path, ...]
    """Pictures, or folders of pictures: JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF; HEIC with pillow-heif."""
    json: bool = False
    """Print one JSON object per picture, with a box, a probability and a reason for every mark."""
    single: bool = False
    """Each picture holds one digit at most: exactly one mark is listed."""
    model: str = "cnn"
    """Name of a bundled network (cnn, mlp), a run's folder or a model file."""
    threshold: float = THRESHOLD
    """Accept a mark from this probability on, 0 to 1. Within a number, less is enough."""
    explain: Path | None = None
    """Draw the steps from the picture to the answer into this PNG file; for one picture only."""

    def __post_init__(self) -> None:
        if not self.images:
            raise OptionError("no picture is named; expected at least one, such as digits predict photo.jpg")
        if not 0 <= self.threshold <= 1:
            raise OptionError(f"--threshold is {self.threshold}; expected a number from 0 to 1")
        if self.explain is not None and self.explain.suffix.lower() != ".png":
            raise OptionError(f"--explain is {self.explain}; expected the name of a PNG file: explained.png")
