"""The command `digits` itself: help, exit codes, errors and what it imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
