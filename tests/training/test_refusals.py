"""A refused command changes no byte of a run's folder, and a run that fails at its start leaves none."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.made_up import made_up
from support.slow import mostly_slow

from digits.cli.main import main

SMALL = ("--hidden", "8", "8", "--batch-size", "50", "--epochs", "1", "--no-plots", "--device", "cpu")


def tree(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below `folder` by its path, the lock file's included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_data(path: Path, seed: int) -> None:
    images, labels = made_up(200, seed)
    more, others = made_up(50, seed + 1)
    np.savez(path, x_train=images, y_train=labels, x_test=more, y_test=others)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a finished run of one network, a finished ensemble and a search."""
    place = tmp_path_factory.mktemp("refusals")
    for number, name in enumerate(("data.npz", "other.npz")):
        write_data(place / name, 2 * number)
    common = ["--data", str(place / "data.npz"), "--out", str(place), *SMALL]
    assert main(["train", *common, "--name", "one"]) == 0
    assert main(["train", *common, "--name", "two", "--ensemble", "2"]) == 0
    assert main(["tune", *common, "--name", "study", "--search", "lr", "--trials", "1"]) == 0
    return place


REFUSED = (
    "",
    "--resume --lr 0.5",
    "--resume --seed 3",
    "--resume --threads 2",
    "--resume --batch-size 0",
    "--resume --data {place}/other.npz",
    "--resume --data {place}/none.npz",
    "--resume --teacher none",
    "--resume --teacher rejection --allow-inexact",
    "--resume --hidden 4 4 --allow-inexact",
    "--resume --model cnn --allow-inexact",
    "--resume --ema 0.9 --allow-inexact",
    "--resume --schedule cosine --epochs 2",
)


@pytest.mark.parametrize(
    ("name", "words"),
    mostly_slow(
        itertools.product(["one", "two"], REFUSED),
        [
            ("one", ""),
            ("one", "--resume --lr 0.5"),
            ("two", "--resume --seed 3"),
            ("two", "--resume --teacher none"),
        ],
    ),
)
def test_a_refused_training_changes_no_byte(runs: Path, name: str, words: str) -> None:
    """Whatever --resume or a taken name is refused for, all files stay, those of members too."""
    before = tree(runs)
    given = words.format(place=runs).split()
    start = [] if "--resume" in given else [*SMALL, "--data", str(runs / "data.npz")]
    assert main(["train", "--out", str(runs), "--name", name, *start, *given]) in (1, 2)
    assert tree(runs) == before


@pytest.mark.parametrize(
    ("name", "count"), [("one", "2"), ("two", "1"), pytest.param("two", "1 --allow-inexact")]
)
def test_a_network_and_an_ensemble_never_replace_each_other(
    runs: Path, name: str, count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """--resume with a smaller --ensemble, or with an ensemble over a single network, is refused."""
    before = tree(runs)
    assert main(["train", "--out", str(runs), "--name", name, "--resume", "--ensemble", *count.split()]) == 1
    assert "cannot be resumed, because --ensemble" in capsys.readouterr().err
    assert tree(runs) == before


def test_a_resumed_ensemble_can_get_another_member(runs: Path, tmp_path: Path) -> None:
    """The finished members stay as they are, and one more is trained."""
    shutil.copytree(runs / "two", tmp_path / "two")
    before = tree(tmp_path / "two")
    assert main(["train", "--out", str(tmp_path), "--name", "two", "--resume", "--ensemble", "3"]) == 0
    after = tree(tmp_path / "two")
    for member in ("member-1", "member-2"):
        assert after[f"{member}/checkpoint.npz"] == before[f"{member}/checkpoint.npz"]
    assert "member-3/model.npz" in after


def test_a_damaged_checkpoint_is_not_replaced_by_a_refused_resume(runs: Path, tmp_path: Path) -> None:
    """The previous checkpoint takes its place only when the run is really resumed."""
    shutil.copytree(runs / "one", tmp_path / "one")
    words = ["train", "--out", str(tmp_path), "--name", "one", "--resume"]
    assert main([*words, "--epochs", "2"]) == 0
    (tmp_path / "one" / "checkpoint.npz").write_bytes(b"PK damaged")
    (tmp_path / "one" / ".checkpoint.npz.1.part").write_bytes(b"left by a killed process")
    before = tree(tmp_path)
    assert main([*words, "--lr", "0.5"]) == 1
    assert tree(tmp_path) == before
    assert main(words) == 0
    assert not (tmp_path / "one" / ".checkpoint.npz.1.part").exists()


@pytest.mark.parametrize(
    "words",
    mostly_slow(
        [
            "--search hidden",
            "--search lr hidden",
            "--epochs 2",
            "--teacher none",
            "--data {place}/other.npz",
            "--ensemble 2",
            "--storage nonsense",
        ],
        ["--search hidden"],
    ),
)
def test_a_refused_search_changes_no_byte(runs: Path, words: str) -> None:
    """A study with other options, other images or another --search is refused before it is opened."""
    before = tree(runs)
    common = ["--data", str(runs / "data.npz"), "--out", str(runs), *SMALL, "--name", "study"]
    search = [] if "--search" in words else ["--search", "lr"]
    command = ["tune", *common, "--trials", "2", *search, *words.format(place=runs).split()]
    assert main(command) in (1, 2)
    assert tree(runs) == before


STARTS = (
    "--data {place}/none.npz",
    "--teacher none",
    "--teacher rejection",
    "--batch-size 900 --drop-last",
    "--val-size 200",
    "--resume",
    "--resume --name none",
)
DIVERGING = ("--lr 1e30", "--lr 1e30 --ensemble 2", "--lr 1e30 --name named")  # a search notes it and goes on


@pytest.mark.parametrize(
    ("command", "words"),
    mostly_slow(
        [*itertools.product(["train"], (*STARTS, *DIVERGING)), *itertools.product(["tune"], STARTS)],
        [("train", "--teacher none"), ("train", "--lr 1e30"), ("tune", "--teacher none")],
    ),
)
def test_a_run_that_fails_at_its_start_leaves_no_folder(
    runs: Path, tmp_path: Path, command: str, words: str
) -> None:
    """A wrong --data, --teacher or learning rate costs no number: the next run gets it."""
    given = words.format(place=runs).split()
    data = [] if "--data" in given else ["--data", str(runs / "data.npz")]
    assert main([command, *data, *SMALL, "--out", str(tmp_path / "out"), *given]) in (1, 2)
    assert list((tmp_path / "out").glob("*")) == []


def test_files_of_others_in_a_runs_folder_stay(runs: Path, tmp_path: Path) -> None:
    """Where the folder was there before, a run that fails at its start removes only what it wrote."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.npz").write_text("mine")
    before = tree(tmp_path)
    words = ["--data", str(runs / "data.npz"), *SMALL, "--out", str(tmp_path), "--name", "mine"]
    assert main(["train", *words, "--lr", "1e30"]) == 1
    assert {name: text for name, text in tree(tmp_path).items() if ".lock" not in name} == before
