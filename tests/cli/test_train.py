"""The command line as a user meets it: what it prints, writes and answers."""

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digits.cli.main import main
from digits.cli.train import train_options
from digits.data import dataset
from digits.networks import model_file
from digits.options import TrainOptions, from_json
from digits.recipes import RECIPES
from digits.training import run

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


def source_files() -> set[Path]:
    return {path for path in (ROOT / "src").rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def finished(sample_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run `python train.py` on 5,000 real digits; return its folder and its output."""
    place, before = tmp_path_factory.mktemp("out"), source_files()
    command = [sys.executable, "-B", str(ROOT / "train.py"), "--data", str(sample_file)]
    result = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert source_files() == before  # nothing is written beside the source, which may be read-only
    return place / "runs" / "classic-1", result.stdout


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


def test_evaluate_repeats_the_test(
    finished: tuple[Path, str], sample_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`digits evaluate RUN --json` gives the same numbers as the run's own summary."""
    folder, _ = finished
    assert main(["evaluate", str(folder), "--data", str(sample_file), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
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
def test_a_recipe_is_a_set_of_defaults(recipe: str) -> None:
    """`--recipe NAME --epochs 1` takes everything from the recipe but the epochs."""
    expected = dataclasses.replace(RECIPES[recipe], epochs=1, val_size=50)
    assert train_options(["--recipe", recipe, "--epochs", "1", "--val-size", "50"]) == expected


@pytest.mark.parametrize(
    "recipe", [pytest.param(r, marks=[pytest.mark.slow] * (r != "fast")) for r in RECIPES]
)
def test_a_recipe_is_stored_with_its_run(recipe: str, tiny_folder: Path, tmp_path: Path) -> None:
    """Every recipe trains, and options.json in the run's folder has its options."""
    where = ["--data", tiny_folder, "--out", tmp_path, "--no-plots", "--val-size", 50]
    assert train("--recipe", recipe, "--epochs", 1, *where) == 0
    stored = from_json((tmp_path / f"{recipe}-1" / "options.json").read_text())
    changes: dict[str, Any] = {"epochs": 1, "data": tiny_folder, "out": tmp_path, "name": f"{recipe}-1"}
    assert stored.threads in (1, RECIPES[recipe].threads)  # 1 where several hinder each other
    changes["threads"] = stored.threads
    assert stored == dataclasses.replace(RECIPES[recipe], **changes, plots=False, val_size=50)


# ---------------------------------------------------------------------------------------------- compare


@pytest.mark.slow
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
    assert "expected the folder of a run" in capsys.readouterr().err
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
    assert "the model may have been trained on its images" in capsys.readouterr().err


@pytest.mark.slow
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


SURROUNDINGS = {
    "warnings are errors": {"PYTHONWARNINGS": "error"},
    "locale": {"LC_ALL": "C", "LANG": "C"},
    "encoding": {"PYTHONIOENCODING": "ascii"},
    "time zone": {"TZ": "Pacific/Kiritimati"},
    "no home": {"HOME": ""},
    "narrow": {"COLUMNS": "20", "TERM": "dumb"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["all", *SURROUNDINGS])
def test_it_works_in_odd_surroundings(name: str, tiny_folder: Path, tmp_path: Path) -> None:
    """Warnings as errors, an ASCII terminal, no home folder, twenty columns: training and test succeed."""
    chosen = SURROUNDINGS.values() if name == "all" else [SURROUNDINGS[name]]
    environment = {key: value for some in chosen for key, value in some.items()}
    out = tmp_path / "Läufe mit Leerzeichen – 数字"
    result = digits("train", *SMALL, "--data", tiny_folder, "--out", out, **environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert {path.name for path in (out / "classic-1").iterdir()} > PICTURES


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which is Linux's")
@pytest.mark.parametrize("command", ["recipes", pytest.param("train", marks=pytest.mark.slow)])
def test_output_that_cannot_be_written(command: str, tiny_folder: Path, tmp_path: Path) -> None:
    """If the disk of standard output is full, there is one sentence; if its reader has gone, code 141."""
    more = [*SMALL, "--no-plots", "--data", str(tiny_folder), "--out", str(tmp_path)]
    words = [sys.executable, "-m", "digits", command, *(more if command == "train" else [])]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (
        1,
        "digits: could not write the output: No space left on device\n",
    )
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")
