"""What `digits evaluate` and `digits compare` print."""

from rich.console import Console

from digits.cli.console import show_line
from digits.data.loading import Collection
from digits.evaluation.comparison import Comparison
from digits.evaluation.metrics import Evaluation

SIGNIFICANT = 0.05  # Fisher 1925: a difference that chance brings less often than one time in twenty


def show_test(
    console: Console, test: Evaluation, undisputed: Evaluation | None, collection: Collection, what: str
) -> None:
    """A test's figures, the whole and class by class."""
    low, high = test.interval
    show_line(console, "test", f"{test.accuracy:.2%} of {test.total:,} images read right by {what}")
    show_line(console, "", f"95 % interval {low:.2%} to {high:.2%} · loss {test.loss:.4f}")
    show_line(console, "", f"expected calibration error {test.ece:.2%}")
    if undisputed:
        left_out = test.total - undisputed.total
        show_line(
            console, "", f"{undisputed.accuracy:.2%} without {left_out} images whose labels are disputed"
        )
    console.print()
    width = max(9, *(len(name) for name in collection.classes))
    console.print(f"{'class':>{width}}    images   recall  precision       F1")
    for name, row in zip(collection.classes, test.per_class, strict=True):
        console.print(
            f"{name:>{width}}  {row.support:8,d} {row.recall:8.2%}  {row.precision:9.2%} {row.f1:8.2%}"
        )


def show_comparison(console: Console, found: Comparison, names: tuple[str, str]) -> None:
    """Which images one network reads right and the other does not, and whether that may be chance."""
    total = found.both + found.first + found.second + found.neither
    width = max(map(len, (*names, "network")))
    console.print(f"{'network':<{width}}      right  only it")
    for name, alone in zip(names, (found.first, found.second), strict=True):
        console.print(f"{name:<{width}}  {(found.both + alone) / total:9.2%}  {alone:7,d}")
    console.print(f"\nboth right {found.both:,} · both wrong {found.neither:,} of {total:,} images")
    p = "less than 0.0001" if found.p_value < 0.0001 else f"{found.p_value:.4f}"
    verdict = "a difference" if found.p_value < SIGNIFICANT else "no difference that could not be chance"
    console.print(f"McNemar's exact test: p = {p}, {verdict}")


def significance(found: Comparison) -> str:
    """Whether the difference may be chance."""
    p = "less than 0.0001" if found.p_value < 0.0001 else f"{found.p_value:.4f}"
    if found.p_value >= SIGNIFICANT:
        return f"McNemar's exact test: p = {p}, no difference that could not be chance"
    return f"McNemar's exact test: p = {p}, a {'gain' if found.second > found.first else 'loss'}"
