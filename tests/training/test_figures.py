"""The figures of a run: which epoch is the best, what an ensemble's table means, at which temperature."""

import csv
import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

from digits.cli.main import main
from digits.evaluation import logits, metrics
from digits.evaluation.epoch import Epoch
from digits.networks import model_file
from digits.options import TrainOptions
from digits.training.run import load_splits

SMALL = ("--hidden", "8", "8", "--batch-size", "20", "--lr", "0.3", "--no-plots", "--device", "cpu")


def rows(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def epoch(number: int, accuracy: float, loss: float) -> Epoch:
    return Epoch(number, 1.0, 0.5, loss, accuracy, 1.0, 100)


def test_of_equal_accuracies_the_lower_loss_is_better() -> None:
    """The first epoch is better than none; a tie in both figures is no improvement."""
    first = epoch(1, 0.9, 0.4)
    assert first.better_than(None)
    assert epoch(2, 0.9, 0.3).better_than(first)
    assert not epoch(2, 0.9, 0.4).better_than(first)
    assert epoch(2, 0.91, 0.5).better_than(first)
    assert not epoch(2, 0.89, 0.1).better_than(first)


def test_the_last_star_is_the_kept_epoch(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several epochs read everything right; the one with the lowest loss is starred last, and kept."""
    assert main(["train", "--data", str(tiny_folder), "--out", str(tmp_path), *SMALL, "--epochs", "8"]) == 0
    starred = re.findall(r"^ +(\d+) .*%\*", capsys.readouterr().out, re.MULTILINE)
    table = rows(tmp_path / "classic-1")
    highest = max(row["val_accuracy"] for row in table)
    tied = [row for row in table if row["val_accuracy"] == highest]
    assert len(tied) > 1
    _, meta = model_file.load_model(tmp_path / "classic-1" / "model.npz")
    assert meta["epoch"] == int(starred[-1]) == min(tied, key=lambda row: row["val_loss"])["epoch"]


def test_an_ensembles_table_has_means_and_its_summary_its_own_figures(
    tiny_folder: Path, tmp_path: Path
) -> None:
    """Each row is a mean over the members; the summary's losses are the saved ensemble's."""
    where = ["--data", str(tiny_folder), "--out", str(tmp_path), "--name", "two"]
    assert main(["train", *where, *SMALL, "--epochs", "2", "--ensemble", "2"]) == 0
    folder = tmp_path / "two"
    members = [rows(folder / f"member-{number}") for number in (1, 2)]
    for row, *same in zip(rows(folder), *members, strict=True):
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
            assert row[name] == pytest.approx(statistics.fmean(one[name] for one in same), abs=2e-6)
    summary = json.loads((folder / "summary.json").read_text())
    _, splits = load_splits(TrainOptions(data=tiny_folder))
    ensemble = model_file.load(folder)
    assert summary["temperature"] == float(ensemble.temperature)
    for name, part in (("test", splits.test), ("validation", splits.val)):
        found = metrics.evaluate_logits(logits.compute_logits(ensemble, part), part.labels)
        assert summary[name]["accuracy"] == found.accuracy
        assert summary[name]["loss"] == pytest.approx(found.loss, rel=1e-5)
    assert summary["best"] is None  # each network has a best epoch of its own


def test_a_class_without_images_gets_a_dash(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the table it has no recall, precision and F1 of zero; in JSON they are null."""
    with np.load(npz_without_nines(tiny_folder, tmp_path)) as arrays:
        assert 9 not in arrays["y_test"]
    where = ["--data", str(tmp_path / "data.npz"), "--out", str(tmp_path), "--name", "run"]
    assert main(["train", *where, *SMALL, "--epochs", "3"]) == 0
    last = capsys.readouterr().out.partition("class ")[2].splitlines()[10].split()
    assert last[:3] == ["9", "0", "-"]
    assert last[4] == "-"
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["test"]["per_class"][9]["recall"] is None


def npz_without_nines(folder: Path, place: Path) -> Path:
    """Write the data set in `folder` to place/data.npz, without the nines of its test images."""
    _, splits = load_splits(TrainOptions(data=folder))
    kept = splits.test.labels != 9
    np.savez(
        place / "data.npz",
        x_train=splits.train.images.numpy(),
        y_train=splits.train.labels.numpy(),
        x_test=splits.test.images[kept].numpy(),
        y_test=splits.test.labels[kept].numpy(),
    )
    return place / "data.npz"
