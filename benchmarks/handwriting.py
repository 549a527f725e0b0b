"""Real people's handwriting: what is read right and what is refused, set by set, with 95 % Wilson intervals.

    python benchmarks/handwriting.py --data FOLDER [--model cnn] [--sets single none --out FILE]

FOLDER holds `labels.csv` with the columns file, label, kind and style: the label is the digits from left to
right, rows joined by "_", or "none" for what is no digit; the kind is single, multi or none. What lies in
`more/` beside it is measured too: folders of pictures by digit or letter, arrays x and y in .npz files,
strips with a labels.csv of their own. Everything goes through `digits.Reader`, as users' pictures do: what
holds one digit at most with `--single`, and in the sets "as pages" without it.

    best guess    of all marks of a picture, accepted or not: all of them right, and as many as there are
    text          the accepted ones alone are the label
    refused       no mark of a picture of a digit was accepted
    wrong         something else than the label was accepted
    accepted      a picture without digits was given some

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
from digits.reading.image_files import Source
from digits.reading.options import THRESHOLD
from digits.reading.reader import Reader
from digits.reading.results import Reading

RESULTS = Path(__file__).parent / "results"
LOOK_ALIKE = {f"lower_{c}" for c in "olisgzbq"} | {f"upper_{c}" for c in "OISZB"}  # letters like digits
NONE = "none"


@dataclass(frozen=True)
class Sample:
    """A picture and what it says."""

    picture: Source
    label: str
    style: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a sample; `probability` is that of the first mark's best guess."""

    sample: Sample
    guess: str
    text: str
    probability: float


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % Wilson interval."""

    count: int
    of: int
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.count:5d} of {self.of:5d}  {self.share:8.2%}  ({self.low:.2%} to {self.high:.2%})"


@dataclass(frozen=True)
class SetFigures:
    """The figures of a set; `calibration_error` where every picture holds one digit."""

    pictures: int
    seconds: float  # of the processor, a picture
    shares: dict[str, Share]
    calibration_error: float | None


def share(found: Sequence[bool]) -> Share:
    """The figure of at least one answer."""
    low, high = wilson_interval(sum(found), len(found))
    return Share(sum(found), len(found), sum(found) / len(found), low, high)


def calibration_error(
    probabilities: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = BINS
) -> float:
    """How far the reported probability is from the share that is right, on average over equal bins.

    As `digits.evaluate.expected_calibration_error`, on what users see.
    """
    bin_of = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
    surplus = np.bincount(bin_of, probabilities - right, minlength=bins)
    return float(np.abs(surplus).sum() / len(right))


# ------------------------------------------------------------------------------------------------ reading


def read_all(reader: Reader, samples: Sequence[Sample], *, single: bool) -> list[Outcome]:
    """What the reader makes of each sample; a picture that cannot be read says nothing."""
    answers = reader.read_many((sample.picture for sample in samples), single=single)
    return [_outcome(sample, answer) for sample, answer in zip(samples, answers, strict=True)]


def _outcome(sample: Sample, answer: Reading | PhotoError) -> Outcome:
    if isinstance(answer, PhotoError) or not answer.digits:
        return Outcome(sample, "", "", 0.0)
    rows: dict[int, str] = {}
    for digit in answer.digits:
        rows[digit.row] = rows.get(digit.row, "") + str(digit.digit)
    guess = "_".join(rows[row] for row in sorted(rows))
    return Outcome(sample, guess, answer.text.replace("\n", "_"), answer.digits[0].probability)


def measure(reader: Reader, samples: Sequence[Sample], *, single: bool) -> SetFigures:
    """The figures of one set, and of each style in it."""
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
    """The share of outcomes for which something holds: of all, of those on paper, and of each style."""
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
    """Name, pictures and whether each holds one digit at most; sets that are not there are left out."""
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
    """The rows of a folder's labels.csv."""
    with open(folder / "labels.csv", newline="") as file:
        return list(csv.DictReader(file))


def arrays(path: Path) -> list[Sample]:
    """Images x (N, H, W) uint8 and labels y (N,) of a NumPy archive."""
    with np.load(path) as archive:
        return [Sample(x, str(int(y))) for x, y in zip(archive["x"], archive["y"], strict=True)]


def main() -> None:
    """Measure every set that is there and write what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--model", default="cnn", help="bundled network, run's folder or model file")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="accept from this probability on")
    parser.add_argument("--sets", nargs="*", help="measure these only, such as: single none")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/handwriting.json")
    arguments = parser.parse_args()
    if arguments.sets and arguments.out is None:
        parser.error("--sets measures some only; name a file for them with --out")
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
