"""Options of `digits predict`."""

from dataclasses import dataclass
from pathlib import Path

from digits.errors import OptionError

THRESHOLD = 0.9  # of the probability, from which a mark is an accepted digit: docs/photos.md says why


@dataclass(frozen=True)
class PredictOptions:
    """Read handwritten digits in pictures: photos, scans, drawings."""

    images: tuple[Path, ...]
    """Pictures, or folders of them: JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF; HEIC if pillow-heif is there."""
    json: bool = False
    """Print one JSON object a line, with a box, a probability and a reason for every mark."""
    single: bool = False
    """Each picture holds one digit at most: exactly one mark is listed."""
    model: str = "cnn"
    """Folder of a run, a model file, or the name of a bundled network: cnn, mlp."""
    threshold: float = THRESHOLD
    """Accept a mark from this probability on; within a number, from less."""
    explain: Path | None = None
    """Draw how the picture was read, step by step, as this PNG file; for one picture."""

    def __post_init__(self) -> None:
        if not self.images:
            raise OptionError("no picture is named; expected at least one, such as digits predict photo.jpg")
        if not 0 <= self.threshold <= 1:
            raise OptionError(f"--threshold is {self.threshold}; expected a number from 0 to 1")
        if self.explain is not None and self.explain.suffix.lower() != ".png":
            raise OptionError(f"--explain is {self.explain}; expected the name of a PNG file: explained.png")
