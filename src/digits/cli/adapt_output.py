"""Print the results of `digits adapt`."""

from pathlib import Path

import torch
from rich.console import Console

from digits.cli.console import show_line
from digits.cli.evaluate_output import significance
from digits.evaluation.metrics import Evaluation
from digits.files import printable
from digits.mnist import CLASSES
from digits.networks.bundled import as_argument
from digits.training.adaptation import Adaptation, Change
from digits.training.custom_digits import CustomDigits

SHOWN_SKIPPED = 5  # number of skipped pictures that are listed; the others are only counted


def show_custom_digits(console: Console, custom: CustomDigits, folder: Path) -> None:
    """Print the number of pictures of each digit.

    Then print the reasons why some pictures were skipped.

    Args:
        console: where to print.
        custom: the pictures.
        folder: the folder that contains them."""
    counts = torch.bincount(custom.digits.labels, minlength=CLASSES).tolist()
    show_line(console, "yours", f"{len(custom.digits):,} pictures in {printable(str(folder))}")
    show_line(console, "", " · ".join(f"{n:,} of {digit}" for digit, n in enumerate(counts) if n))
    missing = [str(digit) for digit, n in enumerate(counts) if not n]
    if missing:
        show_line(console, "", f"none of {', '.join(missing)}")
    for reason in custom.skipped[:SHOWN_SKIPPED]:
        show_line(console, "skipped", printable(reason))
    if len(custom.skipped) > SHOWN_SKIPPED:
        show_line(console, "", f"and {len(custom.skipped) - SHOWN_SKIPPED:,} more")


def show_adaptation(console: Console, found: Adaptation, folder: Path) -> None:
    """Print the accuracies before and after the training.

    Args:
        console: where to print.
        found: the results.
        folder: the folder in which the network was saved.
    """
    for notice in found.notices:
        console.print(f"note: {notice}")
    how = (
        f"in {found.folds} folds, each tested on a network that was trained without it"
        if found.folds > 1
        else "a fifth of them, not used for training"
    )
    show_line(console, "held out", f"{found.custom.after.total:,} of yours, {how}")
    show_line(console, "MNIST", found.origin)
    console.print(f"\n{'read right':<19}{'before':>7}{'after':>26}{'gained':>25}  lost")
    rows = (
        ("yours, held out", found.custom),
        ("MNIST, validation", found.validation),
        ("MNIST, test", found.test),
    )
    for name, change in rows:
        sides = "".join(f"{_with_interval(side):<26}" for side in (change.before, change.after))
        console.print(f"{name:<19}{sides}{change.compared.second:6,d}{change.compared.first:6,d}")
    console.print(f"\n{_changed_digits(found.custom)}")
    verdict = "a gain" if found.custom.compared.second > found.custom.compared.first else "a loss"
    console.print(f"yours: {significance(found.custom.compared, verdict)}\n")
    show_line(console, "saved in", str(folder))
    show_line(console, "", f"model.npz       the network, after {found.seconds:.1f} s of training")
    show_line(console, "", "adapt.json      these results and more")
    console.print(f"\n  digits predict --model {as_argument(folder)} photo.jpg")


def _with_interval(side: Evaluation) -> str:
    """Return an accuracy and its 95 % confidence interval as text, in percent."""
    low, high = side.interval
    return f"{side.accuracy:7.2%} ({low:.1%} to {high:.1%})"


def _changed_digits(custom: Change) -> str:
    """Return one line of text: right answers for each digit, before and after."""
    pairs = zip(custom.before.per_class, custom.after.per_class, strict=True)
    words = [
        f"{digit} from {round(before.recall * before.support)} to {round(after.recall * after.support)}"
        f" of {before.support:,}"
        for digit, (before, after) in enumerate(pairs)
        if before.recall != after.recall  # digits without a change are left out
    ]
    return f"digit by digit: {', '.join(words)}" if words else "digit by digit: no change"
