"""Print the results of `digits evaluate` and `digits compare`."""

from rich.console import Console

from digits.cli.console import show_line
from digits.data.collection import Collection
from digits.evaluation.comparison import Comparison
from digits.evaluation.metrics import Evaluation

SIGNIFICANT = 0.05  # p-value below which a difference counts as significant; the usual level (Fisher 1925)


def show_test(
    console: Console, test: Evaluation, undisputed: Evaluation | None, collection: Collection, what: str
) -> None:
    """Print the test results of a network.

    Args:
        console: where to print.
        test: the results on all test images.
        undisputed: the results without the images with disputed labels. None: no such images.
        collection: the data set; it has the names of the classes.
        what: name of the network.
    """
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
        recall, precision, f1 = map(_percent_or_dash, (row.recall, row.precision, row.f1))
        console.print(f"{name:>{width}}  {row.support:8,d} {recall:>8}  {precision:>9} {f1:>8}")


def _percent_or_dash(score: float | None) -> str:
    """Return a score as text, in percent; a dash for None."""
    return "-" if score is None else f"{score:.2%}"


def show_comparison(console: Console, found: Comparison, names: tuple[str, str]) -> None:
    """Print the accuracies of two networks and a significance test.

    Args:
        console: where to print.
        found: numbers of images that both, one or none of the networks read right.
        names: names of the first and the second network.
    """
    total = found.both + found.first + found.second + found.neither
    width = max(map(len, (*names, "network")))
    console.print(f"{'network':<{width}}      right  only it")
    for name, alone in zip(names, (found.first, found.second), strict=True):
        console.print(f"{name:<{width}}  {(found.both + alone) / total:9.2%}  {alone:7,d}")
    console.print(f"\nboth right {found.both:,} · both wrong {found.neither:,} of {total:,} images")
    console.print(significance(found, "the networks differ"))


def significance(found: Comparison, verdict: str) -> str:
    """Return the result of a significance test in one line of text.

    The test asks: can the difference between two networks be chance?

    Args:
        found: numbers of images that both, one or none of the networks read right.
        verdict: text for a significant difference, such as "the networks differ".
    """
    p = "p < 0.0001" if found.p_value < 0.0001 else f"p = {found.p_value:.4f}"
    meaning = verdict if found.p_value < SIGNIFICANT else "the difference may be chance"
    return f"McNemar's exact test: {p}, {meaning}"
