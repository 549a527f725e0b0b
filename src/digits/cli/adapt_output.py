"""What `digits adapt` prints."""

from pathlib import Path

import torch
from rich.console import Console

from digits.cli.console import show_line
from digits.cli.evaluate_output import significance
from digits.evaluation.metrics import Evaluation
from digits.files import printable
from digits.training.adapting import Adaptation, Change
from digits.training.custom_digits import CustomDigits

NAMED = 5  # skipped pictures that are named; the others are counted


def show_own(console: Console, own: CustomDigits, folder: Path) -> None:
    """How many pictures of each digit there are, and which could not be used."""
    counts = torch.bincount(own.digits.labels, minlength=10).tolist()
    show_line(console, "yours", f"{len(own.digits):,} pictures in {printable(str(folder))}")
    show_line(console, "", " · ".join(f"{n:,} of {digit}" for digit, n in enumerate(counts) if n))
    missing = [str(digit) for digit, n in enumerate(counts) if not n]
    if missing:
        show_line(console, "", f"none of {', '.join(missing)}")
    for reason in own.skipped[:NAMED]:
        show_line(console, "skipped", printable(reason))
    if len(own.skipped) > NAMED:
        show_line(console, "", f"and {len(own.skipped) - NAMED:,} more")


def show_adaptation(console: Console, found: "Adaptation", folder: Path) -> None:
    """Before and after, on your digits and on MNIST's, and where the network is."""
    for notice in found.notices:
        console.print(f"note: {notice}")
    how = (
        f"in {found.folds} parts, each read by a network that learned the others"
        if found.folds > 1
        else "a fifth, which was not learned"
    )
    show_line(console, "held back", f"{found.own.after.total:,} of yours, {how}")
    show_line(console, "MNIST", found.origin)
    console.print(f"\n{'read right':<19}{'before':>7}{'after':>26}{'gained':>25}  lost")
    rows = (("yours, held back", found.own), ("MNIST, validation", found.val), ("MNIST, test", found.test))
    for name, change in rows:
        sides = "".join(f"{_with_interval(side):<26}" for side in (change.before, change.after))
        console.print(f"{name:<19}{sides}{change.compared.second:6,d}{change.compared.first:6,d}")
    console.print(f"\n{_changed(found.own)}")
    console.print(f"yours: {significance(found.own.compared)}\n")
    show_line(console, "saved in", str(folder))
    show_line(console, "", f"model.npz       the network, after {found.seconds:.1f} s of learning")
    show_line(console, "", "adapt.json      these figures and more")
    console.print(f"\n  digits predict --model {folder} photo.jpg")


def _with_interval(side: Evaluation) -> str:
    low, high = side.interval
    return f"{side.accuracy:7.2%} ({low:.1%} to {high:.1%})"


def _changed(own: "Change") -> str:
    """The digits of yours that are read better or worse than before."""
    pairs = zip(own.before.per_class, own.after.per_class, strict=True)
    words = [
        f"{digit} from {round(before.recall * before.support)} to {round(after.recall * after.support)}"
        f" of {before.support:,}"
        for digit, (before, after) in enumerate(pairs)
        if before.recall != after.recall
    ]
    return f"digit by digit: {', '.join(words)}" if words else "digit by digit: as many as before"
