"""docs/forms.md: its examples run as they are printed, on pictures that our own code draws."""

import csv
import re
import shlex
import sys
from pathlib import Path

import pytest

from digits.cli.main import main

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "forms.md").read_text()
sys.path.insert(0, str(ROOT / "docs"))

import form_pictures  # noqa: E402  # docs/form_pictures.py, found through the line above


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page reads; the current one."""
    form_pictures.write_examples(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language: str) -> list[str]:
    """Return the blocks of code of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_pages_python_finds_the_students(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten lines of Python print the output that the page shows; the other fields give what it says."""
    students, others = blocks("python")
    exec(compile(students, "forms.md", "exec"), {})  # noqa: S102  # our own page
    printed = capsys.readouterr().out
    assert printed == blocks("text")[0]
    assert [line.split()[1] for line in printed.splitlines()] == list(form_pictures.IDS)
    exec(compile(others, "forms.md", "exec"), {})  # noqa: S102  # our own page
    expected = re.findall(r"# (\d[\d.]*)$", others, re.MULTILINE)
    assert capsys.readouterr().out.splitlines()[:2] == expected == ["4071", "12.50"]


def test_the_pages_commands_run(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of the page succeeds, and the table has the columns and students of the page."""
    for line in "".join(blocks("bash")).splitlines():
        words = shlex.split(line.split("   #")[0].split(" > ")[0])
        assert words[:2] == ["digits", "predict"]
        assert main(words[1:]) == 0, line
    capsys.readouterr()
    with open(examples / "found.csv", newline="") as file:
        rows = list(csv.reader(file))
    shown = list(csv.reader(blocks("text")[1].splitlines()))
    assert rows[0] == shown[0]
    assert [row[:2] for row in rows[1:3]] == [row[:2] for row in shown[1:]]
    assert [row[1] for row in rows[1:]] == list(form_pictures.IDS)
