"""`digits tune` on the command line."""

import json
import shlex
from pathlib import Path

import pytest

from digits.cli.main import main


def tune_words(data: Path, out: Path, *more: str) -> list[str]:
    """The words of a small search on the command line."""
    return [
        *("tune", "--data", str(data), "--out", str(out), "--epochs", "2", "--batch-size", "32"),
        *("--hidden", "16", "12", "--search", "lr", "batch-size", *more),
    ]


def test_digits_tune_ends_with_a_command(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line a trial, the best beside each other, and a `digits train` that works."""
    assert main(tune_words(tiny_folder, tmp_path, "--trials", "9", "--seed", "5")) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "tune-classic" / "study.json").read_text())
    lines = [line for line in printed.splitlines() if line[:5].strip().isdecimal()]
    assert [int(line[:5]) for line in lines] == list(range(9))
    assert len({len(line.split("  pruned")[0].rstrip()) for line in lines}) == 1
    assert f"\n  {report['command']}\n" in printed
    (words,) = [shlex.split(line) for line in printed.splitlines() if line.startswith("  digits train")]
    assert main([*words[1:], "--out", str(tmp_path), "--no-plots"]) == 0
    best = json.loads((tmp_path / "classic-1" / "summary.json").read_text())["best"]
    assert best["val_accuracy"] == report["best"]["val_accuracy"]
    capsys.readouterr()
    assert main(tune_words(tiny_folder, tmp_path, "--trials", "9", "--seed", "5")) == 0
    assert "9 trials done before" in capsys.readouterr().out


def test_a_budget_of_nothing_says_so(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a whole trial there is no best, and that is no error."""
    assert main(tune_words(tiny_folder, tmp_path, "--trials", "0")) == 0
    assert "increase --trials or --minutes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "0"], "--workers is 0; expected a whole number from 1 to 256"),
        (["--minutes", "-1"], "--minutes is -1.0; expected a number from 0 to 525,600"),
        (["--name", "a/b"], "--name is 'a/b'; expected a folder name"),
        (["--search"], "--search has no group"),
        (["--storage", "tune.db"], "expected a URL such as sqlite:///tune.db"),
        (["--storage", "oracle://host/name"], "needs a package that is not installed"),
    ],
)
def test_wrong_options_are_named(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Exit code 2 and a sentence."""
    assert main(["tune", "--data", str(tiny_folder), "--out", str(tmp_path), *arguments]) == 2
    assert words in capsys.readouterr().err
