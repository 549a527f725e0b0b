"""`import digits`: which names it has, what it imports, and that the README's examples type-check."""

import csv
import dataclasses
import json
import rlcompleter
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import digits
from digits.errors import MissingPackageError
from digits.evaluation.calibration import fit_temperature
from digits.evaluation.logits import compute_logits

NAMES = {
    "load",
    "read",
    "Reader",
    "load_data",
    "split",
    "train",
    "run",
    "evaluate",
    "compare",
    "adapt",
    "tune",
}
NAMES |= {"TrainOptions", "Augmentation", "Batches", "DigitsError", "Field", "Roster", "__version__"}
CLIENT = """
from pathlib import Path

import digits

options = digits.TrainOptions(epochs=2, augmentation=digits.Augmentation(rotation=5))
splits = digits.split(digits.load_data(data=Path("mnist")))
accuracies: list[float] = [epoch.val_accuracy for epoch in digits.train(options, splits.train, splits.val)]
folder: Path = digits.run(options).folder
text: str = digits.read("photo.jpg").text
best = digits.tune(options, trials=30, search=["lr"]).best[0].options.learning_rate + 1.0
mistake: int = digits.read("photo.jpg").text  # type: ignore[assignment]
unknown = digits.nothing  # type: ignore[attr-defined]
"""


def test_dir_lists_exactly_the_public_names() -> None:
    """`dir(digits)` has the names of the public interface, and each of them can be used."""
    assert set(dir(digits)) == NAMES
    assert all(getattr(digits, name) for name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = digits.nothing  # type: ignore[attr-defined]  # as meant


def test_tab_completes_the_public_names() -> None:
    """Python's own completer offers every name after `digits.`."""
    completer = rlcompleter.Completer({"digits": digits})
    offered = [completer.complete("digits.", state) for state in range(60)]
    found = {str(word).removeprefix("digits.").rstrip("()") for word in offered if word}
    assert found >= NAMES - {"__version__"}


def test_import_loads_nothing_heavy_and_names_a_missing_extra() -> None:
    """`import digits` loads no NumPy; without PyTorch, completion works and a call says what to install."""
    program = (
        "import sys, digits, rlcompleter\n"
        "assert not {'torch', 'numpy', 'tyro'} & set(sys.modules)\n"
        "sys.modules['torch'] = None\n"
        "assert rlcompleter.Completer({'digits': digits}).complete('digits.', 0)\n"
        "from digits import train\n"
        "try: train()\n"
        "except digits.DigitsError as error: print(type(error).__name__, error)\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == (
        f"{MissingPackageError.__name__} digits.train needs the package torch, which is not installed; "
        "install it with: pip install 'digits[train]'\n"
    )


@pytest.mark.slow
def test_a_client_type_checks(tmp_path: Path) -> None:
    """A client of ten lines passes `mypy --strict` against the package, and its two mistakes are found."""
    pytest.importorskip("mypy", reason="needs mypy: pip install mypy")
    (tmp_path / "client.py").write_text(CLIENT)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "client.py"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_tune_returns_the_report_of_the_command(tiny_folder: Path, tmp_path: Path) -> None:
    """`digits.tune` finishes the trials it is asked for, and continues when it is called again."""
    options = digits.TrainOptions(
        data=tiny_folder, hidden=(8, 8), epochs=1, batch_size=64, plots=False, device="cpu"
    )
    report = digits.tune(options, trials=2, search=["lr"], pruner="none", out=tmp_path)
    assert report.folder == tmp_path / "tune-classic"
    assert [trial.state for trial in report.trials] == ["complete", "complete"]
    assert report.trials[0].options == dataclasses.replace(options, lr=options.learning_rate)
    assert report.command.startswith("digits train --data ")
    again = digits.tune(options, trials=3, search=["lr"], pruner="none", out=tmp_path)
    assert again.trials[:2] == report.trials
    assert len(again.trials) == 3


def test_the_python_api(tiny_folder: Path, tmp_path: Path) -> None:
    """`digits.run` does what the command does and answers with the same figures; `digits.train` yields."""
    options: Any = digits.TrainOptions(
        data=tiny_folder, out=tmp_path, hidden=(16, 12), epochs=2, batch_size=32, plots=False, device="cpu"
    )
    result = digits.run(options)
    table = list(csv.DictReader((result.folder / "metrics.csv").read_text().splitlines()))
    assert [f"{epoch.val_accuracy:.6f}" for epoch in result.history] == [row["val_accuracy"] for row in table]
    assert result.test.total == 100

    splits = digits.split(digits.load_data(data=tiny_folder))
    model = digits.load(result.folder)
    temperature = float(model.temperature)
    assert json.loads((result.folder / "summary.json").read_text())["temperature"] == temperature
    model.temperature.fill_(1)  # the fit is to the validation images
    raw = compute_logits(model, splits.val)
    assert fit_temperature(raw, splits.val.labels) == pytest.approx(temperature, rel=1e-4)
    epochs = list(digits.train(options, splits.train, splits.val))
    assert [epoch.val_loss for epoch in epochs] == [epoch.val_loss for epoch in result.history]
