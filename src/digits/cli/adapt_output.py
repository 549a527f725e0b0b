"""Print the results of `digits adapt`."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from digits.cli.console import show_line
from digits.cli.evaluate_output import significance
from digits.evaluation.intervals import wilson_interval
from digits.files import printable
from digits.mnist import CLASSES
from digits.networks.bundled import as_argument
from digits.training.adaptation import Adaptation
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
    console.print(f"\n{'read right':<20}{'before':>7}{'after':>26}{'gained':>25}  lost")
    answers, others = found.answers, found.non_digits
    _show_row(console, "accepted by predict", answers.before.right, answers.after.right)
    rows = (
        ("yours, held out", found.custom),
        ("MNIST, validation", found.validation),
        ("MNIST, test", found.test),
    )
    for name, change in rows:
        counts = [(side.correct, side.total) for side in (change.before, change.after)]
        _show_counts(console, name, counts, change.compared.second, change.compared.first)
    refused = [[not accepted for accepted in side.wrong] for side in (others.before, others.after)]
    _show_row(console, "refused: no digits", *refused)
    now = answers.after.to_json()
    console.print(
        f"\n{now['total']:,} of yours by digits predict --single: {now['right']:,} right, "
        f"{now['refused']:,} refused, {now['wrong']:,} wrong"
    )
    console.print(_changed_digits(found))
    verdict = "a gain" if answers.compared.second > answers.compared.first else "a loss"
    console.print(f"yours: {significance(answers.compared, verdict)}\n")
    show_line(console, "saved in", str(folder))
    show_line(console, "", f"model.npz       the network, after {found.seconds:.1f} s of training")
    show_line(console, "", "rejection.npz   the network that refuses other marks")
    show_line(console, "", "adapt.json      these results and more")
    console.print(f"\n  digits predict --model {as_argument(folder)} photo.jpg")


def _show_row(console: Console, name: str, before: Sequence[bool], after: Sequence[bool]) -> None:
    """Print a row of the table.

    Args:
        console: where to print.
        name: name of the row.
        before, after: for each image, True if its answer is right.
    """
    pairs = list(zip(before, after, strict=True))
    counts = [(sum(side), len(side)) for side in (before, after)]
    _show_counts(console, name, counts, pairs.count((False, True)), pairs.count((True, False)))


def _show_counts(console: Console, name: str, sides: list[tuple[int, int]], gained: int, lost: int) -> None:
    """Print a row of the table: shares in percent with 95 % confidence intervals, gained and lost images.

    Args:
        console: where to print.
        name: name of the row.
        sides: before and after, how many images of how many.
        gained, lost: numbers of images that are right only after, or only before.
    """
    text = ""
    for count, total in sides:
        low, high = wilson_interval(count, total)
        text += f"{f'{count / total:7.2%} ({low:.1%} to {high:.1%})':<26}"
    console.print(f"{name:<20}{text}{gained:6,d}{lost:6,d}")


def _changed_digits(found: Adaptation) -> str:
    """Return one line of text: accepted and right answers for each digit, before and after."""
    words = []
    for digit in range(CLASSES):
        of_digit = [label == digit for label in found.labels]
        before, after = (
            sum(itertools.compress(side.right, of_digit))
            for side in (found.answers.before, found.answers.after)
        )
        if before != after:  # digits without a change are left out
            words.append(f"{digit} from {before} to {after} of {sum(of_digit):,}")
    return f"digit by digit: {', '.join(words)}" if words else "digit by digit: no change"
