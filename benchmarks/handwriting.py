"""Real people's handwriting: what is read right, set by set, with 95 % Wilson intervals.

    python benchmarks/handwriting.py --data FOLDER --classifier MODULE:FUNCTION

FOLDER holds `labels.csv` (file, label, kind, style) and, if there, `more/` with the larger sets; the
function takes images (N, 28, 28) and gives probabilities (N, 10). Best guesses count, nothing is refused;
in a picture of several digits all must be right, rows joined by "_". Writes
benchmarks/results/handwriting.json.
"""

import argparse
import collections
import csv
import importlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from figures import circumstances

from digits.errors import PhotoError
from digits.files import atomic_write
from digits.photo import Classify, read_page

RESULTS = Path(__file__).parent / "results"
LOOK_ALIKE = {f"lower_{c}" for c in "olisgzbq"} | {f"upper_{c}" for c in "OISZB"}  # letters like digits
CONFIDENT = 0.9


@dataclass(frozen=True)
class Sample:
    """A picture and what it says."""

    path: Path
    label: str
    style: str = ""


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % Wilson interval; `seconds` is the time a picture took."""

    right: int
    of: int
    share: float
    low: float
    high: float
    seconds: float


def wilson(right: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson, 1927)."""
    if not of:
        return 0.0, 1.0
    p, square = right / of, z * z / of
    middle, half = p + square / 2, z * math.sqrt(p * (1 - p) / of + square / (4 * of))
    return (middle - half) / (1 + square), (middle + half) / (1 + square)


def share(right: Sequence[bool], seconds: float) -> Share:
    """The figure of a set."""
    count, of = sum(right), len(right)
    low, high = wilson(count, of)
    return Share(count, of, count / of if of else 0.0, low, high, seconds / of if of else 0.0)


def guesses(sample: Sample, classify: Classify, *, single: bool) -> tuple[str, float]:
    """The text read, rows joined by "_", and the highest probability of the first mark."""
    try:
        marks = read_page(sample.path, single=single, classify=classify).marks
    except PhotoError:
        return "", 0.0
    if not marks:
        return "", 0.0
    found = classify(np.stack([mark.image for mark in marks]))
    rows: dict[int, str] = collections.defaultdict(str)
    for mark, probabilities in zip(marks, found, strict=True):
        rows[mark.row] += str(int(probabilities.argmax()))
    return "_".join(rows[row] for row in sorted(rows)), float(found[0].max())


def listed(folder: Path) -> list[dict[str, str]]:
    """The rows of a folder's labels.csv."""
    with open(folder / "labels.csv", newline="") as file:
        return list(csv.DictReader(file))


def sets(folder: Path) -> Iterator[tuple[str, list[Sample], bool]]:
    """Name, pictures and whether each holds one digit."""
    rows = listed(folder)
    for kind in ("single", "multi", "none"):
        samples = [Sample(folder / r["file"], r["label"], r["style"]) for r in rows if r["kind"] == kind]
        yield kind, samples, kind != "multi"
    more = folder / "more"
    for name in ("pencil-grid-minichazer", "chars74k-strokes/digits"):
        yield name, [Sample(p, p.parent.name) for p in sorted((more / name).glob("[0-9]/*"))], True
    letters = sorted((more / "chars74k-strokes/letters").glob("*/*"))
    yield "letters", [Sample(p, "none") for p in letters if p.parent.name not in LOOK_ALIKE], True
    amounts = more / "ORAND-CAR-A"
    if amounts.is_dir():
        yield "ORAND-CAR-A", [Sample(amounts / r["file"], r["label"]) for r in listed(amounts)], False


def measure(samples: Sequence[Sample], classify: Classify, *, single: bool) -> dict[str, Share]:
    """Right answers of a set, and of each style in it; of non-digits, those called a digit confidently."""
    start = time.process_time()
    answers = [guesses(sample, classify, single=single) for sample in samples]
    seconds = time.process_time() - start
    right = [
        probability > CONFIDENT if sample.label == "none" else text == sample.label
        for sample, (text, probability) in zip(samples, answers, strict=True)
    ]
    figures = {"all": share(right, seconds)}
    paper = [r for r, sample in zip(right, samples, strict=True) if _on_paper(sample.style)]
    if paper and len(paper) < len(right):
        figures["photos and scans"] = share(paper, 0.0)
    styles = sorted({sample.style for sample in samples} - {""})
    for style in styles:
        figures[style] = share([r for r, s in zip(right, samples, strict=True) if s.style == style], 0.0)
    return figures


def _on_paper(style: str) -> bool:
    return "photo" in style or "scan" in style


def classifier(name: str) -> Classify:
    """The function that "module:function" names."""
    module, _, function = name.partition(":")
    found: Any = getattr(importlib.import_module(module), function)

    def classify(images: npt.NDArray[np.float32]) -> npt.NDArray[np.floating]:
        return np.asarray(found(images))

    return classify


def main() -> None:
    """Measure every set that is there and write what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv")
    parser.add_argument("--classifier", required=True, help="MODULE:FUNCTION, (N, 28, 28) to (N, 10)")
    parser.add_argument("--out", type=Path, default=RESULTS / "handwriting.json")
    arguments = parser.parse_args()
    about = circumstances(["python", "benchmarks/handwriting.py", "--classifier", arguments.classifier])
    classify = classifier(arguments.classifier)
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name, samples, single in sets(arguments.data):
        if not samples:
            continue
        figures = measure(samples, classify, single=single)
        results[name] = {key: asdict(value) for key, value in figures.items()}
        for key, value in figures.items():
            print(
                f"{name if key == 'all' else '  ' + key:<28} {value.right:5d} of {value.of:5d}"
                f"  {value.share:7.2%}  ({value.low:.2%} to {value.high:.2%})",
                flush=True,
            )
    atomic_write(arguments.out, json.dumps({"about": about, "sets": results}, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
