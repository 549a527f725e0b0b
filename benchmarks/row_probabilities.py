"""Fit the two probabilities of a row: that it is a number, and that it is read without a mistake.

    python benchmarks/row_probabilities.py FOLDER [FOLDER ...] --half FOLDER

Each FOLDER holds `labels.csv` as for benchmarks/handwriting.py, or with the columns file and label only.
Of the folder after --half every second picture is used, from the first on. Rows of pictures with digits are
right if their digits are a row of the label. Rows of pictures without digits are no numbers. Prints the
weights for src/digits/reading/row_probabilities.py, and how well they do on pictures that were left out of
the fit (five folds).
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from digits.networks.line_network import read_line
from digits.reading.find_digits import find
from digits.reading.image_files import open_picture
from digits.reading.reader import Reader
from digits.reading.row_probabilities import number_features, numbers_in
from digits.reading.row_text import RowText, TextSearch, digits_of

NONE, SINGLE = "none", "single"
FOLDS = 5


def rows_of(folder: Path, step: int, reader: Reader) -> Iterator[tuple[str, list[str], RowText]]:
    """Yield the rows that were read as lines in each `step`-th picture, with it and the rows of its label."""
    with (folder / "labels.csv").open(newline="") as file:
        samples = [row for row in csv.DictReader(file) if row.get("kind") != SINGLE]
    for sample in samples[::step]:
        picture = open_picture(folder / sample["file"])
        found = find(picture, classify=reader.probabilities, read_line=read_line)
        label = [] if sample["label"] == NONE else sample["label"].split("_")
        for row in found.rows:
            if isinstance(row, TextSearch) and row.likeliest and digits_of(row.likeliest.text):
                yield sample["file"], label, row.likeliest


def fit(name: str, features: list[tuple[float, ...]], truths: list[bool], pictures: list[str]) -> None:
    """Print the weights of a logistic regression, and its figures on pictures left out."""
    x, y = np.array(features), np.array(truths)
    model = LogisticRegression(max_iter=10_000)
    folds = GroupKFold(FOLDS)
    p = cross_val_predict(model, x, y, groups=pictures, cv=folds, method="predict_proba")[:, 1]
    model.fit(x, y)
    weights = ", ".join(f"{w:.2f}" for w in model.coef_[0])
    print(f"{name}_WEIGHTS, {name}_CONSTANT = ({weights}), {model.intercept_[0]:.2f}")
    print(f"  {len(y)} cases, {y.mean():.1%} true; mean probability {p.mean():.1%}")
    surest = np.argsort(-p)[: len(p) // 2]
    print(f"  surest half: {1 - y[surest].mean():.1%} false")
    for limit in (0.3, 0.5, 0.7, 0.9):
        kept = p >= limit
        print(f"  p >= {limit}: {kept[y].mean():.1%} of the true, {kept[~y].mean():.1%} of the false")


def main() -> None:
    """Read all rows and fit both regressions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--half", type=Path, help="folder of which every second picture is used")
    reader = Reader.load()
    right: list[tuple[tuple[float, ...], bool, str]] = []
    number: list[tuple[tuple[float, ...], bool, str]] = []
    asked = parser.parse_args()
    steps = dict.fromkeys(asked.folders, 1) | ({asked.half: 2} if asked.half else {})
    for folder, step in steps.items():
        for picture, label, row in rows_of(folder, step, reader):
            is_right = digits_of(row.text) in label
            if label and (is_right or len(label) == 1):  # of a wrong row of a page, the label is unknown
                right.append((row.right, is_right, picture))
            if is_right or not label:
                for first, last in numbers_in(row.characters):
                    digits = [c for c in row.characters[first:last] if c.character.isdigit()]
                    number.append((number_features(digits), is_right, picture))
    for name, cases in (("RIGHT", right), ("NUMBER", number)):
        features, truths, pictures = (list(part) for part in zip(*cases, strict=True))
        fit(name, features, truths, pictures)


if __name__ == "__main__":
    main()
