"""The command line as a user meets it: what it prints, writes and answers."""

import csv
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from digits.cli.describe import describe_network
from digits.cli.main import main
from digits.data import dataset
from digits.evaluation.calibration import fit_temperature
from digits.evaluation.logits import compute_logits
from digits.networks import model_file
from digits.options import TrainOptions, from_json
from digits.recipes import PURPOSES, RECIPES, load_figures
from digits.training import run
from digits.training.state import begin

ROOT = Path(__file__).parents[2]
SMALL = ["--hidden", "16", "12", "--batch-size", "32", "--epochs", "2", "--device", "cpu"]
PICTURES = {"curves.png", "confusion.png", "mistakes.png", "weights.png", "predictions.png"}


def digits(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`digits` in a process of its own."""
    command = [sys.executable, "-m", "digits", *map(str, arguments)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


def train(*arguments: object) -> int:
    """`digits train` in this process."""
    return main(["train", *map(str, arguments)])


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------------------------------- the whole road


@pytest.fixture(scope="module")
def finished(sample_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of the default command on the 5,000 real digits, and what it printed."""
    out = tmp_path_factory.mktemp("out")
    result = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "--data", str(sample_file), "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return out / "classic-1", result.stdout


def test_train_py_learns_real_digits(finished: tuple[Path, str]) -> None:
    """`python train.py` on 3,334 real digits reads at least 86 % of 1,000 unseen ones."""
    folder, printed = finished
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["test"]["total"] == 1000
    assert summary["test"]["accuracy"] >= 0.86
    assert f"{summary['test']['accuracy']:.2%} of 1,000 images read right" in printed


def test_the_table_has_a_line_an_epoch(finished: tuple[Path, str]) -> None:
    """25 lines on the screen, 25 rows in metrics.csv, with the same figures."""
    folder, printed = finished
    table = rows(folder)
    assert list(table[0]) == ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds"]
    assert [row["epoch"] for row in table] == [str(n) for n in range(1, 26)]
    lines = [line for line in printed.splitlines() if "images/s" not in line and " s  " in line]
    assert len(lines) == 25
    for row, line in zip(table, lines, strict=True):
        assert f"{float(row['val_accuracy']):.2%}" in line
        assert f"{float(row['train_loss']):.4f}" in line
    assert float(table[-1]["train_loss"]) < float(table[0]["train_loss"]) / 2


def test_output_to_a_pipe_is_plain(finished: tuple[Path, str]) -> None:
    """No escape codes and no carriage returns where no screen is."""
    assert not {"\x1b", "\r"} & set(finished[1])


def test_every_picture_is_there(finished: tuple[Path, str]) -> None:
    """Five pictures, each a PNG of sensible size."""
    found = {path.name for path in finished[0].glob("*.png")}
    assert found == PICTURES
    for name in PICTURES:
        with Image.open(finished[0] / name) as picture:
            assert min(picture.size) > 500


def test_evaluate_repeats_the_test(finished: tuple[Path, str], sample_file: Path) -> None:
    """`digits evaluate RUN --json` gives the very numbers of the run's own summary."""
    folder, _ = finished
    again = digits("evaluate", folder, "--data", sample_file, "--json")
    assert again.returncode == 0, again.stderr
    answer = json.loads(again.stdout)
    expected = json.loads((folder / "summary.json").read_text())["test"]
    assert {key: answer[key] for key in expected} == expected
    assert answer["accuracy"] == answer["correct"] / answer["total"]
    assert np.trace(np.array(answer["confusion"])) == answer["correct"]
    low, high = answer["interval"]
    assert low < answer["accuracy"] < high


def test_evaluate_takes_the_model_file_too(
    finished: tuple[Path, str], sample_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model file copied elsewhere is enough; the table for people shows the same accuracy."""
    assert main(["evaluate", str(finished[0] / "model.npz"), "--data", str(sample_file)]) == 0
    summary = json.loads((finished[0] / "summary.json").read_text())
    assert f"{summary['test']['accuracy']:.2%} of 1,000 images read right" in capsys.readouterr().out


def test_the_saved_network_is_the_best_epochs(finished: tuple[Path, str], sample_file: Path) -> None:
    """`digits.load` gives a network whose validation accuracy is the highest of the table."""
    folder, _ = finished
    options = TrainOptions(data=sample_file)
    _, splits = run.load_splits(options)
    images = dataset.as_fractions(splits.val.images).unsqueeze(1)
    guesses = model_file.load(folder).probabilities(images).argmax(dim=1)
    accuracy = (guesses == splits.val.labels).double().mean().item()
    assert f"{accuracy:.6f}" == max(row["val_accuracy"] for row in rows(folder))


def test_full_mnist_reaches_the_missions_figures(mnist_folder: Path, tmp_path: Path) -> None:
    """The default command on MNIST: about 98 % on training, 97 % on validation and on test images."""
    assert train("--data", mnist_folder, "--out", tmp_path, "--no-plots") == 0
    last = rows(tmp_path / "classic-1")[-1]
    assert float(last["train_accuracy"]) >= 0.98
    assert float(last["val_accuracy"]) >= 0.965
    assert json.loads((tmp_path / "classic-1" / "summary.json").read_text())["test"]["accuracy"] >= 0.967


# ------------------------------------------------------------------------------------------------ options


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_set_of_defaults(recipe: str, tiny_folder: Path, tmp_path: Path) -> None:
    """`--recipe NAME --epochs 1` trains with everything from the recipe but the epochs."""
    where = ["--data", tiny_folder, "--out", tmp_path, "--no-plots", "--val-size", 50]
    assert train("--recipe", recipe, "--epochs", 1, *where) == 0
    stored = from_json((tmp_path / f"{recipe}-1" / "options.json").read_text())
    assert stored == dataclasses.replace(
        RECIPES[recipe],
        epochs=1,
        data=tiny_folder,
        out=tmp_path,
        name=f"{recipe}-1",
        plots=False,
        val_size=50,
    )
    assert stored.recipe == recipe


def test_recipes_are_listed_with_their_figures() -> None:
    """Every recipe has its lines: what for, how accurate, how large, how trained; nothing heavy is loaded."""
    listed = digits("recipes")
    assert listed.returncode == 0
    blocks = listed.stdout.split("\n\n")
    for block, (name, figures) in zip(blocks, load_figures().items(), strict=True):
        first, reached, *rest = block.splitlines()
        assert first == f"{name:<10}{PURPOSES[name]}"
        assert f"{figures.test:.2%}" in reached
        assert "weights" in rest[0]
        assert f"batches of {RECIPES[name].batch_size}" in re.sub(r"\s+", " ", " ".join(rest))
    table = json.loads(digits("recipes", "--json").stdout)
    assert {name: from_json(json.dumps(entry["options"])) for name, entry in table.items()} == RECIPES


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "ensemble"])
def test_networks_have_the_weights_that_are_announced(recipe: str) -> None:
    """The number of weights in a recipe's line is that of the network."""
    options = dataclasses.replace(RECIPES[recipe], teacher=None)
    state = begin(
        options, dataset.Digits(torch.arange(784, dtype=torch.uint8).view(1, 28, 28), torch.zeros(1))
    )
    count = sum(p.numel() for p in state.model.parameters())
    assert f" {count:,} weights" in describe_network(options)


# ---------------------------------------------------------------------------------------------- compare


def test_compare_counts_image_by_image(
    finished: tuple[Path, str], sample_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`digits compare A B` says who reads what right, and agrees with both networks' own tests."""
    first, _ = finished
    more = ("--data", sample_file, "--epochs", 1, "--out", tmp_path, "--name", "b", "--no-plots")
    assert train("--hidden", 16, 12, "--lr", 0.1, *more) == 0
    capsys.readouterr()
    models = [str(first), str(tmp_path / "b")]
    assert main(["compare", *models, "--data", str(sample_file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rights = [json.loads((Path(m) / "summary.json").read_text())["test"]["correct"] for m in models]
    assert [found["both"] + found["first"], found["both"] + found["second"]] == rights
    assert found["both"] + found["first"] + found["second"] + found["neither"] == 1_000
    assert main(["compare", *models, "--data", str(sample_file)]) == 0
    text = capsys.readouterr().out
    assert f"{rights[0] / 1000:.2%}" in text
    assert "McNemar's exact test: p < 0.0001, the networks differ" in text


def test_networks_with_different_tests_are_not_compared(
    finished: tuple[Path, str], sample_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another split has other test images, which one of the two networks may have learned."""
    more = ("--data", sample_file, "--epochs", 1, "--out", tmp_path, "--name", "b", "--no-plots")
    assert train("--split-seed", 1, *more) == 0
    assert main(["compare", str(finished[0]), str(tmp_path / "b"), "--data", str(sample_file)]) == 1
    assert "have different test images; compare networks" in capsys.readouterr().err


def test_each_run_gets_a_folder_of_its_own(tiny_folder: Path, tmp_path: Path) -> None:
    """Two unnamed runs are numbered; a name that is taken is refused with what to do."""
    for _ in range(2):
        assert train(*SMALL, "--data", tiny_folder, "--out", tmp_path, "--no-plots") == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path != tiny_folder) == [
        "classic-1",
        "classic-2",
    ]
    assert train(*SMALL, "--data", tiny_folder, "--out", tmp_path, "--name", "classic-2") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--lr", "-1"], 2, "--lr is -1.0; expected a number above 0"),
        (["--momentum", "0.9", "--optimizer", "adam"], 2, "--momentum works with sgd and rmsprop"),
        (["--name", "a/b"], 2, "expected a folder name without slashes"),
        (["--data", "no/such/place"], 1, "is neither a folder nor a file"),
        (["--resume"], 1, "holds no unfinished run"),
        (["--val-size", "300"], 1, "--val-size is 300, but there are 300 images"),
    ],
)
def test_errors_are_one_sentence(
    arguments: list[str],
    code: int,
    message: str,
    tiny_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong option ends with exit code 2, anything else that cannot be done with 1, and no traceback."""
    where = [] if "--data" in arguments else ["--data", str(tiny_folder)]
    assert train(*where, "--out", tmp_path / "runs", *arguments) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--epo", "3"], ["--epochs", "many"], ["--optimizer", "magic"], ["extra"]]
)
def test_unknown_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Abbreviations, wrong types and unknown choices end with exit code 2."""
    with pytest.raises(SystemExit) as stop:
        train(*arguments)
    assert stop.value.code == 2
    assert arguments[0].lstrip("-") in capsys.readouterr().err


def test_evaluate_refuses_what_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing run and a foreign file are named, with what was expected."""
    assert main(["evaluate", str(tmp_path / "nothing")]) == 1
    assert "expected a run's folder or a model file" in capsys.readouterr().err
    (tmp_path / "model.npz").write_bytes(b"hello")
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "expected a model file written by digits" in capsys.readouterr().err


def test_evaluate_never_tests_on_training_images(
    tiny_folder: Path, sample_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data without a test set of its own, other than the run's, may hold training images: refused."""
    assert train(*SMALL, "--data", tiny_folder, "--out", tmp_path / "runs", "--no-plots") == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "runs" / "classic-1"), "--data", str(sample_file)]) == 1
    assert "may be among those the model was trained on" in capsys.readouterr().err


def test_tensorboard_gets_the_same_figures(tiny_folder: Path, tmp_path: Path) -> None:
    """--tensorboard writes event files whose scalars are those of metrics.csv."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    # In a process of its own: TensorBoard's libraries warn about themselves, and warnings are errors here.
    result = digits("train", *SMALL, "--data", tiny_folder, "--out", tmp_path, "--no-plots", "--tensorboard")
    assert result.returncode == 0, result.stderr
    found = events.EventAccumulator(str(tmp_path / "classic-1" / "tensorboard"))
    found.Reload()
    for name, column in (("loss/train", "train_loss"), ("accuracy/val", "val_accuracy")):
        written = [float(row[column]) for row in rows(tmp_path / "classic-1")]
        assert [event.value for event in found.Scalars(name)] == pytest.approx(written, abs=1e-5)


# ------------------------------------------------------------------------------------- odd surroundings


@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONWARNINGS": "error"},
        {"LC_ALL": "C", "LANG": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"TZ": "Pacific/Kiritimati"},
        {"HOME": ""},
        {"COLUMNS": "20", "TERM": "dumb"},
    ],
)
def test_it_works_in_odd_surroundings(
    surroundings: dict[str, str], tiny_folder: Path, tmp_path: Path
) -> None:
    """Warnings as errors, an ASCII terminal, no home folder, twenty columns: training and test go through."""
    out = tmp_path / "Läufe mit Leerzeichen – 数字"
    result = digits("train", *SMALL, "--data", tiny_folder, "--out", out, **surroundings)
    assert (result.returncode, result.stderr) == (0, "")
    assert {path.name for path in (out / "classic-1").iterdir()} > PICTURES


def test_the_source_may_be_read_only(tiny_folder: Path, tmp_path: Path) -> None:
    """Nothing is written beside the source, wherever the command is started."""
    before = {path for path in (ROOT / "src").rglob("*") if "__pycache__" not in path.parts}
    command = [sys.executable, "-B", str(ROOT / "train.py"), *SMALL, "--data", str(tiny_folder)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "runs" / "classic-1" / "summary.json").exists()
    assert {path for path in (ROOT / "src").rglob("*") if "__pycache__" not in path.parts} == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which is Linux's")
def test_output_that_cannot_be_written(tiny_folder: Path, tmp_path: Path) -> None:
    """A full disk behind standard output is one sentence; a reader who has gone is silent, with code 141."""
    command = [sys.executable, "-m", "digits", "train", *SMALL, "--no-plots"]
    command += ["--data", str(tiny_folder), "--out", str(tmp_path)]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (
        1,
        "digits: could not write the output: No space left on device\n",
    )
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


def test_help_does_not_load_torch() -> None:
    """`digits --help` answers without torch and Matplotlib, which take seconds to import."""
    code = "import sys; from digits.cli.main import main; main(['--help'])"
    heavy = "lambda: print({'torch', 'matplotlib'} & set(sys.modules))"
    probe = f"import atexit, sys; atexit.register({heavy}); {code}"
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert "Train a network on handwritten digits" in result.stdout
    assert result.stdout.rstrip().endswith("set()")


# -------------------------------------------------------------------------------------------- from Python


def test_the_python_api(tiny_folder: Path, tmp_path: Path) -> None:
    """`digits.run` does what the command does and answers with the same figures; `digits.train` yields."""
    import digits as package

    options: Any = package.TrainOptions(
        data=tiny_folder, out=tmp_path, hidden=(16, 12), epochs=2, batch_size=32, plots=False, device="cpu"
    )
    result = package.run(options)
    table = rows(result.folder)
    assert [f"{epoch.val_accuracy:.6f}" for epoch in result.history] == [row["val_accuracy"] for row in table]
    assert result.test.total == 100

    splits = package.split(package.load_data(data=tiny_folder))
    model = package.load(result.folder)
    temperature = float(model.temperature)
    assert json.loads((result.folder / "summary.json").read_text())["temperature"] == temperature
    model.temperature.fill_(1)  # the fit is to the validation images
    raw = compute_logits(model, splits.val)
    assert fit_temperature(raw, splits.val.labels) == pytest.approx(temperature, rel=1e-4)
    epochs = list(package.train(options, splits.train, splits.val))
    assert [epoch.val_loss for epoch in epochs] == [epoch.val_loss for epoch in result.history]

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing  # type: ignore[attr-defined]  # as meant
