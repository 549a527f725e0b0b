"""Print the progress and the results of `digits train`."""

import dataclasses
import statistics

from rich.console import Console

from digits.cli.console import show_line
from digits.cli.describe import describe_network, describe_training
from digits.cli.evaluate_output import show_test
from digits.data.collection import Collection
from digits.data.splits import Splits
from digits.evaluation.epoch import Epoch
from digits.training.results import Result
from digits.training.run import Run


def show_data(console: Console, collection: Collection, splits: Splits) -> None:
    """Print the origin of the data and the numbers of images."""
    for notice in collection.notices:
        console.print(f"note: {notice}\n")
    verified = ", SHA-256 as published" if collection.published else ""
    show_line(console, "data", f"{collection.dataset}: {collection.origin}{verified}")
    parts = (("training", splits.train), ("validation", splits.val), ("test", splits.test))
    show_line(console, "", " · ".join(f"{len(part):,} {name}" for name, part in parts) + " images")


def show_run(console: Console, run: Run, splits: Splits) -> None:
    """Print the network, the training options and the run's folder."""
    o = dataclasses.replace(run.options, synthetic=splits.synthetic)  # a recipe's may not fit the data
    each = "" if o.ensemble == 1 else f"{o.ensemble} networks, each "
    show_line(console, "network", each + describe_network(o))
    show_line(console, "training", describe_training(o))
    show_line(console, "run", f"{run.folder}")


def show_notices(console: Console, run: Run) -> None:
    """Print the messages about the start of a run."""
    for notice in run.notices:
        console.print(f"note: {notice}")
    if run.resumed_at:
        epochs, steps = run.resumed_at
        inside = f" and {steps} steps" if steps else ""
        show_line(console, "resuming", f"after {epochs} epochs{inside}")


def show_header(console: Console, run: Run) -> None:
    """Print the header of the table of epochs."""
    console.print()
    if run.member:  # one network of an ensemble
        o = run.member.options
        show_line(console, run.member.folder.name, f"of {run.options.ensemble}, seed {o.seed}")
        console.print()
    console.print("           training            validation")
    console.print("epoch      loss   accuracy     loss   accuracy      time   images/s")


def show_epoch(console: Console, epoch: Epoch, best: bool) -> None:
    """Print the line of one epoch in the table.

    Args:
        console: where to print.
        epoch: losses, accuracies and times of the epoch.
        best: print a star, because the epoch is the best so far; see `Epoch.better_than`.
    """
    console.print(
        f"{epoch.number:5d}  {epoch.train_loss:8.4f}  {epoch.train_accuracy:8.2%}"
        f" {epoch.val_loss:8.4f}  {epoch.val_accuracy:8.2%}{'*' if best else ' '}"
        f"  {epoch.seconds:6.2f} s  {epoch.images / max(epoch.seconds, 1e-9):9,.0f}"
    )


def show_result(console: Console, result: Result, collection: Collection) -> None:
    """Print the test results and the names of the saved files."""
    seconds = sum(epoch.seconds for epoch in result.history)
    console.print(f"      * best validation accuracy; {seconds:.1f} s of training\n")
    kept = f"the network of epoch {result.best.number}" if result.best else "the networks"
    what = kept
    if result.members:
        alone = statistics.fmean(result.members)
        show_line(console, "members", f"{alone:.2%} of the test images read right by one network (mean)")
        show_line(console, "validation", f"{result.validation.accuracy:.2%} for all networks together")
        what = f"{len(result.members)} networks together"
    show_test(console, result.test, result.undisputed, collection, what)
    console.print()
    show_line(console, "saved in", str(result.folder))
    for names, what in (
        ("model.npz", kept),
        ("metrics.csv", "the means of the tables above" if result.members else "the table above"),
        ("summary.json", "all test results"),
        ("member-1 ...", "the runs of the networks")
        if result.members
        else ("checkpoint.npz", "the state for --resume"),
    ):
        show_line(console, "", f"{names:<16}{what}")
    if result.pictures:
        show_line(console, "", "pictures        " + " ".join(path.name for path in result.pictures))
