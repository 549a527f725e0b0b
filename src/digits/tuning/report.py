"""The report on a search, and its files trials.csv, study.json and tune.png."""

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
    """What a search has found so far."""

    folder: Path
    trials: tuple[Trial, ...]  # by number
    best: tuple[Trial, ...]  # the complete ones, best first
    importances: dict[str, float]  # by option, largest first, sum 1; empty if there are too few trials
    command: str  # trains with the best trial's options; empty if no trial is complete
    picture: Path | None


def write_report(report: Report, start: TrainOptions, groups: Sequence[Group]) -> None:
    """Write the report's files into its folder. Raises RunError if a file cannot be written.

    `start` and `groups` are the options that the search started from and the groups that it varies.
    """
    try:
        files.atomic_write(report.folder / "trials.csv", _table(report, start, groups).encode())
        files.atomic_write(report.folder / "study.json", _summary(report, start, groups).encode())
        if report.picture:
            # Matplotlib takes half a second to import.
            from digits.figure_style import save_png
            from digits.tuning.figure import tuning_figure

            save_png(tuning_figure(report.trials, report.importances), report.picture)
    except OSError as error:
        raise RunError(
            f"could not write {error.filename}: {error.strerror}; the trials are kept. "
            "Free some disk space, then run the same command again"
        ) from error


def _table(report: Report, start: TrainOptions, groups: Sequence[Group]) -> str:
    """Return all trials as CSV."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    names = space.settings(start, groups)
    rows.writerow(["number", "state", "val_accuracy", "epochs", "seconds", *names, "note"])
    for t in report.trials:
        row = [t.number, t.state, f"{t.accuracy:.6f}", len(t.accuracies), f"{t.seconds:.2f}"]
        rows.writerow([*row, *space.settings(t.options, groups).values(), t.note])
    return table.getvalue()


def _summary(report: Report, start: TrainOptions, groups: Sequence[Group]) -> str:
    """Return the report as a JSON object."""
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
