"""Measure how well digits that people wrote are read, set by set, with 95 % Wilson intervals.

    python benchmarks/handwriting.py --data FOLDER [--model cnn] [--sets single none --out FILE]

FOLDER holds `labels.csv` with the columns file, label, kind and style. The label is the digits from left to
right, with rows joined by "_", or "none" for a picture without digits; the kind is single, multi or none. The
folder `more/` beside it is measured too: folders of pictures by digit or letter, .npz files with arrays x and
y, and strips with a labels.csv of their own. All pictures are read by `digits.Reader`. Pictures of one digit
at most are read with `single=True`, and in the sets "as pages" without it.

    best guess    the best guesses of all marks, accepted or not, are the label
    text          the accepted digits are the label
    refused       no mark of a picture with digits was accepted
    wrong         digits were accepted that are not the label
    accepted      digits were accepted in a picture without any

Writes benchmarks/results/handwriting.json.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from figures import circumstances

from digits.errors import PhotoError
from digits.evaluation.calibration import BINS
from digits.evaluation.intervals import wilson_interval
from digits.files import atomic_write
from digits.reading.options import THRESHOLD
from digits.reading.reader import Reader
from digits.reading.results import Reading
from digits.reading.sources import Source

RESULTS = Path(__file__).parent / "results"
LOOK_ALIKE = {f"lower_{c}" for c in "olisgzbq"} | {f"upper_{c}" for c in "OISZB"}  # letters like digits
NONE = "none"


@dataclass(frozen=True)
class Sample:
    """A picture and its label: the digits, with rows joined by "_", or "none"."""

    picture: Source
    label: str
    style: str = ""


@dataclass(frozen=True)
class Outcome:
    """The best guesses of all marks and the accepted text of a sample, as labels.

    `probability` is that of the first mark's best guess.
    """

    sample: Sample
    guess: str
    text: str
    probability: float


@dataclass(frozen=True)
class Share:
    """`count` of `of` pictures, as a share with the limits `low` and `high` of its 95 % Wilson interval."""

    count: int
    of: int
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.count:5d} of {self.of:5d}  {self.share:8.2%}  ({self.low:.2%} to {self.high:.2%})"


@dataclass(frozen=True)
class SetFigures:
    """The figures of a set; `calibration_error` only where every picture holds one digit."""

    pictures: int
    seconds: float  # processor time for each picture
    shares: dict[str, Share]
    calibration_error: float | None


def share(found: Sequence[bool]) -> Share:
    """Return the share of True among at least one value, with its interval."""
    low, high = wilson_interval(sum(found), len(found))
    return Share(sum(found), len(found), sum(found) / len(found), low, high)


def calibration_error(
    probabilities: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = BINS
) -> float:
    """Return the expected calibration error of the probabilities that users see, in [0, 1].

    The mean distance between probability and accuracy over equal bins, weighted by the pictures in each bin.
    """
    bin_of = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
    surplus = np.bincount(bin_of, probabilities - right, minlength=bins)
    return float(np.abs(surplus).sum() / len(right))


# ------------------------------------------------------------------------------------------------ reading


def read_all(reader: Reader, samples: Sequence[Sample], *, single: bool) -> list[Outcome]:
    """Return the outcome of each sample; for a picture that cannot be opened it is empty."""
    answers = reader.read_many((sample.picture for sample in samples), single=single)
    return [_outcome(sample, answer) for sample, answer in zip(samples, answers, strict=True)]


def _outcome(sample: Sample, answer: Reading | PhotoError) -> Outcome:
    if isinstance(answer, PhotoError) or not answer.digits:
        return Outcome(sample, "", "", 0.0)
    rows: dict[int, str] = {}
    for digit in answer.digits:
        rows[digit.row] = rows.get(digit.row, "") + str(digit.digit)
    guess = "_".join(rows[row] for row in sorted(rows))
    # Labels hold digits only: neither points and signs, nor the spaces between numbers.
    text = "".join(c for c in answer.text.replace("\n", "_") if c.isdecimal() or c == "_")
    return Outcome(sample, guess, text, answer.digits[0].probability)


def measure(reader: Reader, samples: Sequence[Sample], *, single: bool) -> SetFigures:
    """Read one set and return its figures, overall and for each style in it."""
    start = time.process_time()
    outcomes = read_all(reader, samples, single=single)
    seconds = (time.process_time() - start) / len(samples)
    if samples[0].label == NONE:
        return SetFigures(
            len(samples), seconds, _by_style("accepted", outcomes, lambda o: bool(o.text)), None
        )
    right = np.array([o.guess == o.sample.label for o in outcomes])
    shares = {
        **_by_style("best guess", outcomes, lambda o: o.guess == o.sample.label),
        "text": share([o.text == o.sample.label for o in outcomes]),
        "refused": share([not o.text for o in outcomes]),
        "wrong": share([o.text not in ("", o.sample.label) for o in outcomes]),
    }
    error = calibration_error(np.array([o.probability for o in outcomes]), right) if single else None
    return SetFigures(len(samples), seconds, shares, error)


def _by_style(name: str, outcomes: Sequence[Outcome], holds: Callable[[Outcome], bool]) -> dict[str, Share]:
    """Return the share of outcomes for which `holds` is true: of all, on paper, and of each style."""
    found = {name: share([holds(o) for o in outcomes])}
    styles = sorted({o.sample.style for o in outcomes} - {""})
    groups = {
        "photos and scans": [s for s in styles if "photo" in s or "scan" in s],
        **{s: [s] for s in styles},
    }
    for group, members in groups.items():
        of_group = [holds(o) for o in outcomes if o.sample.style in members]
        if of_group and len(styles) > 1:
            found[f"{name}, {group}"] = share(of_group)
    return found


# --------------------------------------------------------------------------------------------------- sets


def sets(folder: Path) -> Iterator[tuple[str, list[Sample], bool]]:
    """Yield the name of each set, its samples, and whether to read them with `single=True`.

    A set whose folder is missing has no samples or is left out.
    """
    rows = listed(folder)
    for kind in ("single", "multi", NONE):
        samples = [Sample(folder / r["file"], r["label"], r["style"]) for r in rows if r["kind"] == kind]
        yield kind, samples, kind != "multi"
        if kind != "multi":
            yield f"{kind}, as pages", samples, False
    more = folder / "more"
    for name in ("pencil-grid-minichazer", "chars74k-strokes/digits"):
        yield name, [Sample(p, p.parent.name) for p in sorted((more / name).glob("[0-9]/*"))], True
    letters = sorted((more / "chars74k-strokes/letters").glob("*/*"))
    yield "letters", [Sample(p, NONE) for p in letters if p.parent.name not in LOOK_ALIKE], True
    amounts = more / "ORAND-CAR-A"
    if amounts.is_dir():
        yield "ORAND-CAR-A", [Sample(amounts / r["file"], r["label"]) for r in listed(amounts)], False
    for name in ("USPS", "semeion", "optdigits-orig"):
        yield name, [sample for path in sorted((more / name).glob("*.npz")) for sample in arrays(path)], True


def listed(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a folder's labels.csv, each as a dict."""
    with open(folder / "labels.csv", newline="") as file:
        return list(csv.DictReader(file))


def arrays(path: Path) -> list[Sample]:
    """Return the images x (N, H, W), uint8, and labels y (N,) of a NumPy archive as samples."""
    with np.load(path) as archive:
        return [Sample(x, str(int(y))) for x, y in zip(archive["x"], archive["y"], strict=True)]


def main() -> None:
    """Measure every set in the folder, print the figures and write them as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--model", default="cnn", help="bundled network, run's folder or model file")
    parser.add_argument(
        "--threshold", type=float, default=THRESHOLD, help="accept a mark from this probability on"
    )
    parser.add_argument("--sets", nargs="*", help="measure only these sets, such as: single none")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/handwriting.json")
    arguments = parser.parse_args()
    if arguments.sets and arguments.out is None:
        parser.error("--sets measures only some of the sets; name a file for the results with --out")
    command = ["python", "benchmarks/handwriting.py", "--data", "FOLDER", "--model", arguments.model]
    about = circumstances(command)
    reader = Reader.load(arguments.model, threshold=arguments.threshold)
    about |= {"threshold": arguments.threshold, "rejection": reader.rejection is not None}
    results: dict[str, Any] = {}
    for name, samples, single in sets(arguments.data):
        if not samples or (arguments.sets and name not in arguments.sets):
            continue
        figures = measure(reader, samples, single=single)
        results[name] = asdict(figures)
        print(f"{name}: {figures.pictures:,} pictures, {1000 * figures.seconds:.1f} ms each", flush=True)
        for key, value in figures.shares.items():
            print(f"  {key:<34}{value}")
        if figures.calibration_error is not None:
            print(f"  {'calibration error':<34}{figures.calibration_error:23.2%}", flush=True)
    out = arguments.out or RESULTS / "handwriting.json"
    atomic_write(out, json.dumps({"about": about, "sets": results}, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
