"""Define the report on a search, and write it to trials.csv, study.json and tune.png."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
import torch

from digits import files
from digits.errors import RunError
from digits.options import TrainOptions, to_json
from digits.tuning import space
from digits.tuning.options import Group
from digits.tuning.trials import FINISHED, Trial
from digits.version import __version__


@dataclass(frozen=True)
class Report:
    """The results of a search so far."""

    folder: Path  # folder of the search
    trials: tuple[Trial, ...]  # all finished trials, by number
    best: tuple[Trial, ...]  # the complete trials, highest validation accuracy first
    importances: dict[str, float]  # option -> share from 0 to 1, largest first, sum 1; empty with few trials
    command: str  # `digits train ...` with the options of the best trial; empty if no trial is complete
    picture: Path | None  # path of tune.png; None if it is not drawn


def write_report(report: Report, start: TrainOptions, groups: Sequence[Group]) -> None:
    """Write the report to trials.csv, study.json and tune.png.

    Without `report.picture`, tune.png is not written.

    Args:
        report: the results to write.
        start: the training options from which the search started.
        groups: the searched groups of options.
    Raises:
        RunError: if a file cannot be written.
    """
    try:
        files.atomic_write(report.folder / "trials.csv", _table(report, start, groups).encode())
        files.atomic_write(report.folder / "study.json", _summary(report, start, groups).encode())
        if report.picture:
            # Imported only here, because importing Matplotlib takes half a second.
            from digits.figure_style import save_png
            from digits.tuning.figure import tuning_figure

            save_png(tuning_figure(report.trials, report.importances), report.picture)
    except OSError as error:
        raise RunError(
            f"could not write {error.filename}: {error.strerror}; the trials are not lost. "
            "Make the folder writable or free some disk space, then run the same command again"
        ) from error


def _table(report: Report, start: TrainOptions, groups: Sequence[Group]) -> str:
    """Return the text of trials.csv, one line per trial."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    names = space.settings(start, groups)
    rows.writerow(["number", "state", "val_accuracy", "epochs", "seconds", *names, "note"])
    for t in report.trials:
        row = [t.number, t.state, f"{t.accuracy:.6f}", len(t.accuracies), f"{t.seconds:.2f}"]
        rows.writerow([*row, *space.settings(t.options, groups).values(), t.note])
    return table.getvalue()


def _summary(report: Report, start: TrainOptions, groups: Sequence[Group]) -> str:
    """Return the text of study.json."""
    best = [{"number": trial.number, "val_accuracy": trial.accuracy} for trial in report.best[:1]]
    summary = {
        "study": report.folder.name,
        "trials": {s: sum(trial.state == s for trial in report.trials) for s in FINISHED.values()},
        "best": best[0] if best else None,
        "command": report.command,
        "importances": report.importances,
        "searched": list(groups),
        "start": json.loads(to_json(start)),
        "versions": {"digits": __version__, "torch": torch.__version__, "optuna": optuna.__version__},
    }
    return json.dumps(summary, indent=2, allow_nan=False) + "\n"
