"""The report on a search: its files agree with the trials."""

import csv
import dataclasses
import json
from collections.abc import Callable

import pytest
from support.small_search import SMALL, conduct

from digits.tuning.options import TuneOptions


def test_the_report_is_what_the_trials_say(small: Callable[..., TuneOptions]) -> None:
    """The best is the whole trial with the highest accuracy; files and picture tell the same."""
    report = conduct(small(trials=14, pruner="median"), dataclasses.replace(SMALL, plots=True))
    whole = [trial for trial in report.trials if trial.state == "complete"]
    assert report.best[0].accuracy == max(trial.accuracy for trial in whole)
    assert [t.accuracy for t in report.best] == sorted((t.accuracy for t in whole), reverse=True)
    assert sum(report.importances.values()) == pytest.approx(1)
    assert set(report.importances) == {"lr", "optimizer", "momentum"}
    with open(report.folder / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["number"]), row["state"]) for row in rows] == [
        (t.number, t.state) for t in report.trials
    ]
    assert [float(row["lr"]) for row in rows] == [trial.options.learning_rate for trial in report.trials]
    summary = json.loads((report.folder / "study.json").read_text())
    assert summary["best"] == {"number": report.best[0].number, "val_accuracy": report.best[0].accuracy}
    assert summary["command"] == report.command
    assert report.picture
    assert report.picture.read_bytes().startswith(b"\x89PNG")


def test_too_few_trials_say_nothing_of_importance(small: Callable[..., TuneOptions]) -> None:
    """Below eight whole trials there are no importances."""
    assert conduct(small(trials=7)).importances == {}
