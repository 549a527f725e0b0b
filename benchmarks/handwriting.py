"""Measure how well digits that people wrote are read, set by set, with 95 % Wilson intervals.

    python benchmarks/handwriting.py --data FOLDER [--model cnn] [--sets single none --out FILE]

FOLDER holds `labels.csv` with the columns file, label, kind and style. The label is the digits from left to
right, with rows joined by "_", or "none" for a picture without digits; the kind is single, multi or none. The
columns file and text are enough: of the text only the digits count, a text without any means that there are
none, and all pictures are read as pages. The folder `more/` beside it is measured too: folders of pictures by
digit or letter, .npz files with arrays x and y, and strips with a labels.csv of their own. All pictures are
read by `digits.Reader`. Pictures of one digit at most are read with `single=True`, and in the sets "as pages"
without it.

    best guess    the best guesses of all marks, accepted or not, are the label
    text          the accepted digits are the label
    refused       no mark of a picture with digits was accepted
    wrong         digits were accepted that are not the label
    accepted      digits were accepted in a picture without any
    numbers       the numbers with their points and signs are those of the picture (made numbers only)

What the probabilities are worth is said for single digits by their best guess, else for the whole text of a
picture (the product of its numbers' probabilities) and for the accepted digits in it (`confidence`).

Writes benchmarks/results/handwriting.json.
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from confidence import Confidence, Share, calibration_error, confidence_of, lines, share
from figures import circumstances

from digits.errors import PhotoError
from digits.files import atomic_write
from digits.reading.options import THRESHOLD
from digits.reading.reader import Reader
from digits.reading.results import Reading
from digits.reading.sources import Source

RESULTS = Path(__file__).parent / "results"
LOOK_ALIKE = {f"lower_{c}" for c in "olisgzbq"} | {f"upper_{c}" for c in "OISZB"}  # letters like digits
NONE = "none"
OTHER_STRIPS = "ORAND-CAR-A, other half"  # to which benchmarks/row_probabilities.py --half fits nothing
OTHERS = ("chars74k-strokes/digits", "USPS", "semeion", "optdigits-orig")
ALL_OTHERS = "scans and strokes"  # all of OTHERS: no probability and no limit was fitted on them


@dataclass(frozen=True)
class Sample:
    """A picture and its label: the digits, with rows joined by "_", or "none".

    `numbers` are the texts of its numbers, such as "-12.50", if they are known.
    """

    picture: Source
    label: str
    style: str = ""
    numbers: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Outcome:
    """What was read in the picture of a sample.

    Attributes:
        sample: The sample.
        guess: The best guesses of all marks, accepted or not, as a label.
        text: The accepted digits as a label.
        numbers: The texts of the numbers.
        guess_probability: That of the first mark's best guess; 0 without a mark.
        text_probability: That of the whole text; 0 if it is empty.
        digits: The accepted digits: whether each is right, and its probability.
    """

    sample: Sample
    guess: str = ""
    text: str = ""
    numbers: tuple[str, ...] = ()
    guess_probability: float = 0.0
    text_probability: float = 0.0
    digits: tuple[tuple[bool, float], ...] = ()


@dataclass(frozen=True)
class SetFigures:
    """The figures of a set.

    Attributes:
        pictures: How many there are.
        seconds: Processor time for each picture.
        shares: What was right and wrong, by name.
        calibration_error: None for sets of pictures that may hold several digits.
        confidence: What the probabilities of best guesses or whole texts are worth; None without digits.
        digit_confidence: The same for each accepted digit; None in sets of single digits, and if none was
            accepted.
    """

    pictures: int
    seconds: float
    shares: dict[str, Share]
    calibration_error: float | None = None
    confidence: Confidence | None = None
    digit_confidence: Confidence | None = None


# ------------------------------------------------------------------------------------------------ reading


def read_all(reader: Reader, samples: Sequence[Sample], *, single: bool) -> list[Outcome]:
    """Return the outcome of each sample; for a picture that cannot be opened it is empty."""
    answers = reader.read_many((sample.picture for sample in samples), single=single)
    return [_outcome(sample, answer) for sample, answer in zip(samples, answers, strict=True)]


def _outcome(sample: Sample, answer: Reading | PhotoError) -> Outcome:
    if isinstance(answer, PhotoError) or not answer.digits:
        return Outcome(sample)
    rows: dict[int, str] = {}
    for digit in answer.digits:
        rows[digit.row] = rows.get(digit.row, "") + str(digit.digit)
    # Labels hold digits only: neither points and signs, nor the spaces between numbers.
    of_rows = groupby(answer.numbers, lambda number: number.row)
    accepted = [digit for digit in answer.digits if digit.accepted]
    right = matched("".join(str(digit.digit) for digit in accepted), sample.label.replace("_", ""))
    return Outcome(
        sample,
        guess="_".join(rows[row] for row in sorted(rows)),
        text="_".join("".join(number.digits for number in numbers) for _, numbers in of_rows),
        numbers=tuple(number.text for number in answer.numbers),
        guess_probability=answer.digits[0].probability,
        text_probability=math.prod(n.probability for n in answer.numbers) if answer.numbers else 0.0,
        digits=tuple((is_right, d.probability) for is_right, d in zip(right, accepted, strict=True)),
    )


def matched(text: str, label: str) -> list[bool]:
    """Return for each digit of a text if it is right: the same digit as the one at its place in the label.

    With missing or surplus digits, places are those where difflib finds the longest equal pieces.
    """
    if len(text) == len(label):
        return [a == b for a, b in zip(text, label, strict=True)]
    found = [False] * len(text)
    for start, _, size in SequenceMatcher(None, text, label, autojunk=False).get_matching_blocks():
        found[start : start + size] = [True] * size
    return found


def measure(reader: Reader, samples: Sequence[Sample], *, single: bool) -> tuple[SetFigures, list[Outcome]]:
    """Read one set and return its figures, overall and for each style in it, and what was read."""
    start = time.process_time()
    outcomes = read_all(reader, samples, single=single)
    seconds = (time.process_time() - start) / len(samples)
    return figures_of(outcomes, seconds, single=single), outcomes


def figures_of(outcomes: Sequence[Outcome], seconds: float, *, single: bool) -> SetFigures:
    """Return the figures of at least one outcome; `seconds` is the processor time for each picture."""
    if outcomes[0].sample.label == NONE:
        accepted = _by_style("accepted", outcomes, lambda o: bool(o.text))
        return SetFigures(len(outcomes), seconds, accepted)
    shares = {
        **_by_style("best guess", outcomes, lambda o: o.guess == o.sample.label),
        "text": share([o.text == o.sample.label for o in outcomes]),
        "refused": share([not o.text for o in outcomes]),
        "wrong": share([o.text not in ("", o.sample.label) for o in outcomes]),
    }
    if outcomes[0].sample.numbers is not None:
        shares["numbers"] = share([o.numbers == o.sample.numbers for o in outcomes])
    if single:
        guesses = np.array([o.guess == o.sample.label for o in outcomes])
        probabilities = np.array([o.guess_probability for o in outcomes])
        error = calibration_error(probabilities, guesses)
        return SetFigures(len(outcomes), seconds, shares, error, confidence_of(probabilities, guesses))
    texts = np.array([o.text == o.sample.label for o in outcomes])
    of_texts = confidence_of(np.array([o.text_probability for o in outcomes]), texts)
    digits = np.array([digit for o in outcomes for digit in o.digits])  # (N, 2): right, probability
    of_digits = confidence_of(digits[:, 1], digits[:, 0] > 0) if len(digits) else None
    return SetFigures(len(outcomes), seconds, shares, None, of_texts, of_digits)


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
        strips = [Sample(amounts / r["file"], r["label"]) for r in listed(amounts)]
        yield "ORAND-CAR-A", strips, False
        yield OTHER_STRIPS, strips[1::2], False
    for name in ("USPS", "semeion", "optdigits-orig"):
        yield name, [sample for path in sorted((more / name).glob("*.npz")) for sample in arrays(path)], True


def listed(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a folder's labels.csv, each with file, label, kind and style."""
    with open(folder / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row if "label" in row else labelled(row) for row in rows]


def labelled(row: Mapping[str, str]) -> dict[str, str]:
    """Return a row of the columns file and text as one of labels."""
    rows = ("".join(filter(str.isdecimal, line)) for line in row["text"].replace("_", "\n").splitlines())
    label = "_".join(filter(None, rows)) or NONE
    return {"file": row["file"], "label": label, "kind": NONE if label == NONE else "multi", "style": ""}


def arrays(path: Path) -> list[Sample]:
    """Return the images x (N, H, W), uint8, and labels y (N,) of a NumPy archive as samples."""
    with np.load(path) as archive:
        return [Sample(x, str(int(y))) for x, y in zip(archive["x"], archive["y"], strict=True)]


def report(name: str, figures: SetFigures) -> str:
    """Return the figures of a set as aligned lines."""
    shares = list(figures.shares.items())
    if figures.confidence is not None:
        shares += lines(figures.confidence, "pictures")
    if figures.digit_confidence is not None:
        shares += lines(figures.digit_confidence, "digits")
    found = [f"{name}: {figures.pictures:,} pictures, {1000 * figures.seconds:.1f} ms each"]
    found += [f"  {key:<44}{value}" for key, value in shares]
    if figures.calibration_error is not None:
        found.append(f"  {'calibration error':<44}{figures.calibration_error:23.2%}")
    return "\n".join(found)


def save(path: Path, about: Mapping[str, Any], results: Mapping[str, SetFigures]) -> None:
    """Write the figures of all sets as JSON."""
    content = {"about": about, "sets": {name: asdict(figures) for name, figures in results.items()}}
    atomic_write(path, json.dumps(content, indent=1).encode() + b"\n")


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
    parser.add_argument("--every", type=int, default=1, help="read every N-th picture of a set; default: all")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/handwriting.json")
    arguments = parser.parse_args()
    if (arguments.sets or arguments.every != 1) and arguments.out is None:
        parser.error("--sets and --every measure only a part; name a file for the results with --out")
    command = ["python", "benchmarks/handwriting.py", "--data", "FOLDER", "--model", arguments.model]
    about = circumstances(command)
    reader = Reader.load(arguments.model, threshold=arguments.threshold)
    about |= {"threshold": arguments.threshold, "rejection": reader.rejection is not None}
    about |= {"every": arguments.every}
    results: dict[str, SetFigures] = {}
    others: dict[str, list[Outcome]] = {}
    for name, samples, single in sets(arguments.data):
        if not samples or (arguments.sets and name not in arguments.sets):
            continue
        results[name], outcomes = measure(reader, samples[:: arguments.every], single=single)
        print(report(name, results[name]), flush=True)
        if name in OTHERS:
            others[name] = outcomes
    if len(others) > 1:
        together = [outcome for outcomes in others.values() for outcome in outcomes]
        seconds = sum(results[name].seconds * len(others[name]) for name in others) / len(together)
        results[ALL_OTHERS] = figures_of(together, seconds, single=True)
        print(report(ALL_OTHERS, results[ALL_OTHERS]))
    save(arguments.out or RESULTS / "handwriting.json", about, results)


if __name__ == "__main__":
    main()
