"""Write metrics.csv, a table with one row for each epoch."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from digits import files
from digits.evaluation.epoch import Epoch

METRICS_COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")


def write_table(folder: Path, history: Sequence[Epoch]) -> None:
    """Write the figures of all epochs to metrics.csv.

    The losses are in nats, and the accuracies are between 0 and 1.

    Args:
        folder: an existing metrics.csv in it is replaced.
        history: one row for each Epoch; the columns are METRICS_COLUMNS.
    """
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(METRICS_COLUMNS)
    for epoch in history:
        figures = (epoch.train_loss, epoch.train_accuracy, epoch.val_loss, epoch.val_accuracy)
        table.writerow([epoch.number, *(f"{x:.6f}" for x in figures), f"{epoch.seconds:.3f}"])
    files.atomic_write(folder / "metrics.csv", buffer.getvalue().encode())
