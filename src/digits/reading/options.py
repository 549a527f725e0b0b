"""Define the options of `digits predict`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from digits.errors import OptionError
from digits.option_values import Limits, check_values
from digits.options import Share, convert_paths

# Smallest probability of an accepted digit; chosen on the development pictures: docs/photos.md.
THRESHOLD = 0.9
MAX_LENGTH = 30  # digits of a number in a field; an IBAN has up to 30
MAX_CELLS = 1_000  # boxes of a field

FieldLength: TypeAlias = Annotated[int, Limits(1, MAX_LENGTH)] | None
FieldCells: TypeAlias = Annotated[int, Limits(1, MAX_CELLS)] | None


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
    length: FieldLength = None
    """The picture has one number of this many digits: read the most probable one."""
    pattern: str | None = None
    """The picture has one number of this form: # for any digit, a digit for itself, and . , - / : or spaces
    between, such as "##.##". Letters are not supported."""
    roster: Path | None = None
    """The picture has one number of this list: a text file with one number a line, or a CSV file with a
    column named id or number. Read the most probable entry, or none if none reaches --threshold."""
    cells: FieldCells = None
    """The picture has a row or block of this many boxes: read them in order, also the empty ones."""
    csv: Path | None = None
    """CSV file for the numbers of all pictures: path, number, probability, box, and why there is none."""
    explain: Path | None = None
    """PNG file for a drawing of the steps from the picture to the answer. Only for a single picture."""

    def __post_init__(self) -> None:
        convert_paths(self)
        check_values(self)
        if not self.images:
            raise OptionError("no picture is named; expected at least one: digits predict photo.jpg")
        if self.csv is not None and self.csv.suffix.lower() != ".csv":
            raise OptionError(f"--csv is {self.csv}; expected a CSV file, such as numbers.csv")
        if self.explain is not None and self.explain.suffix.lower() != ".png":
            raise OptionError(f"--explain is {self.explain}; expected a PNG file, such as explained.png")
