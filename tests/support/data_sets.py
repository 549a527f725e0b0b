"""Made-up collections, the files they are read from, and a machine without a network."""

import csv
import gzip
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.errors import DownloadError


def numbered(labels: list[int] | torch.Tensor) -> Digits:
    """Digits whose first four pixels are their number, so that each can be followed through a split."""
    labels = torch.as_tensor(labels)
    images = torch.zeros(len(labels), 28, 28, dtype=torch.uint8)
    for place in range(4):
        images[:, 0, place] = (torch.arange(len(labels)) >> 8 * place) & 255
    return Digits(images, labels)


def numbers(digits: Digits) -> list[int]:
    """The numbers of images that `numbered` made."""
    return sum(digits.images[:, 0, place].long() << 8 * place for place in range(4)).tolist()  # type: ignore[union-attr]


def as_collection(train: Digits, test: Digits | None = None) -> Collection:
    return Collection("mnist", train, test, "made up", published=False)


def same(a: Digits, b: Digits) -> bool:
    return torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)


def forbid_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for a machine without a network and without pip."""

    def unreachable(*_: Any, **__: Any) -> Any:
        raise DownloadError("no mirror answers")

    monkeypatch.setattr("digits.data.sample.fetch_sample", unreachable)
    monkeypatch.setattr("digits.data.download.fetch", unreachable)


def write_npz(path: Path, **arrays: Any) -> None:
    np.savez(path, **arrays)


def write_csv(path: Path, images: Any, labels: Any) -> None:
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["label", *(f"pixel{i}" for i in range(784))])
        rows.writerows(
            [label, *image]
            for label, image in zip(labels.tolist(), images.reshape(-1, 784).tolist(), strict=True)
        )


def largest_remainder(counts: list[int], size: int) -> list[int]:
    """How many of each class to hold out, by Hamilton's rule in exact fractions: the obvious way."""
    quotas = [Fraction(count * size, sum(counts)) for count in counts]
    take = [quota.numerator // quota.denominator for quota in quotas]
    by_remainder = sorted(range(len(counts)), key=lambda c: quotas[c] - take[c], reverse=True)
    for c in by_remainder[: size - sum(take)]:
        take[c] += 1
    return take
