"""What reaches the terminal: no escape codes of strangers, and no character that it cannot show."""

import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
import torch
from support.strokefont import sheet

from digits.cli.console import counting_bar, download_bar, make_console
from digits.cli.evaluate_output import show_test
from digits.cli.main import COMMANDS, main
from digits.cli.messages import note
from digits.cli.terminal import ENCODE_ERRORS, safe_output, visible
from digits.cli.train_output import show_data
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.splits import Splits
from digits.evaluation.metrics import evaluate_logits

EVIL = (
    "e\x1b]0;title\x07\x1b[2J\x9b31m\u202e\r\x1b[45mvil"  # window title, clear, colour, direction, overwrite
)
DANGEROUS = re.compile(r"\x1b\]|\x1b\[2J|\x1b\[45m|\rvil|[\x07\x9b\u202e]")


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def shown_on(stdout: TextIO, stderr: TextIO) -> Iterator[None]:
    """Use these as standard output and standard error; a wrong command line does not end the test."""
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        contextlib.suppress(SystemExit),
    ):
        yield


def test_control_characters_become_visible() -> None:
    """Escape codes, control characters, directions and undecodable bytes do; letters and line breaks stay."""
    assert visible("a\x1b]0;x\x07\r\x9b\u202e\u2066\u200f\udcff\x00b") == "a?]0;x????????b"
    assert visible("\x1b[1;31mred\x1b[0m\x1b[2J") == "red?[2J"
    assert visible("é 二 ± \U0001f600\n\tb\n") == "é 二 ± \U0001f600\n\tb\n"


@pytest.mark.parametrize(
    "words",
    [
        "predict picture",
        "predict --json picture",
        "predict missing",
        "predict picture --model missing",
        "predict picture --explain missing.jpg",
        "evaluate missing",
        "evaluate cnn --data missing",
        "compare missing cnn",
        "adapt missing",
        "adapt picture",
        "train --data missing",
        "train --recipe missing",
        "train --name missing --resume",
        "tune --data missing",
        "tune --trials missing",
        "serve --model missing",
        "missing",
        "train --missing",
    ],
)
def test_no_name_writes_to_the_terminal(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that a command repeats, in an answer or an error, is shown without its escape codes."""
    monkeypatch.chdir(tmp_path)
    picture = Path(EVIL)
    sheet("3", size=(60, 60), height=40).save(picture, "PNG")
    arguments = [word.replace("picture", EVIL).replace("missing", f"{EVIL}2") for word in words.split()]
    terminal = Terminal()
    with shown_on(terminal, terminal):
        main(arguments)
    shown = terminal.getvalue()
    assert "vil" in shown
    assert not DANGEROUS.search(shown)


def test_what_rich_shows_holds_only_its_own_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, notes and bars: names of classes, files and tasks keep no codes; the bar moves the cursor."""
    found = evaluate_logits(torch.eye(10), torch.arange(10))
    few = Digits(torch.zeros(1, 28, 28, dtype=torch.uint8), torch.zeros(1))
    collection = Collection("mnist", few, few, EVIL, published=False, notices=(EVIL,))
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    with shown_on(terminal, terminal), safe_output():
        console = make_console()
        show_data(console, collection, Splits(few, few, few))
        show_test(console, found, None, collection, EVIL)
        note(EVIL)
        with download_bar(console) as progress:
            progress(EVIL, 1, 2)
        with counting_bar(console, EVIL, EVIL) as count:
            count(1, 2)
            print(EVIL)
    shown = terminal.getvalue()
    assert shown.count("vil") >= 6
    assert "\x1b[" in shown
    assert not DANGEROUS.search(shown)


def test_a_bar_for_answers_that_go_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If only standard error is a terminal, it has a bar, and standard output has the answers alone."""
    monkeypatch.setenv("TERM", "xterm-256color")
    sheet("3", size=(60, 60), height=40).save(tmp_path / "a.png")
    answers, terminal = io.StringIO(), Terminal()
    with shown_on(answers, terminal):
        main(["predict", "--json", str(tmp_path)])
    assert json.loads(answers.getvalue())["text"] == "3"
    assert "1 of 1 pictures" in terminal.getvalue()


def output(encoding: str, *arguments: str) -> str:
    """What a command prints, to standard output and standard error of this encoding."""
    raw = io.BytesIO(), io.BytesIO()
    streams = [io.TextIOWrapper(buffer, encoding=encoding) for buffer in raw]
    with shown_on(*streams):
        main(arguments)
    for stream in streams:
        stream.flush()
    return "".join(buffer.getvalue().decode(encoding) for buffer in raw)


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("ascii", ["recipes"]),
        ("cp932", ["recipes"]),
        ("cp1252", ["recipes"]),
        ("cp932", ["train", "--help"]),
        *[("ascii", [name, "--help"]) for name in COMMANDS],
        ("ascii", ["recipes", "--json"]),
    ],
)
def test_every_encoding_is_enough(encoding: str, words: list[str]) -> None:
    """Nothing that a command says by itself becomes a question mark where characters are missing."""
    assert output(encoding, *words).count("?") == output("utf-8", *words).count("?")


def test_names_are_shown_in_ascii_as_well_as_possible(tmp_path: Path) -> None:
    """Letters lose their accents, other characters become question marks."""
    sheet("3", size=(60, 60), height=40).save(tmp_path / "dré–二.png")
    assert "dre-?.png\n" in output("ascii", "predict", str(tmp_path / "dré–二.png"))
    assert "97.31% +- 0.18%" in output("ascii", "recipes")
    assert "3\xd74 -> 2\xb0 ...".encode("ascii", ENCODE_ERRORS) == b"3x4 -> 2 degrees ..."


def run(shell: str) -> "subprocess.CompletedProcess[str]":
    """Run `digits` in a shell; $digits stands for the command."""
    script = shell.replace("$digits", f"{sys.executable} -m digits")
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "code", "error"),
    [
        ("$digits recipes >&-", 0, ""),
        ("$digits predict nothing.png 2>&-", 1, ""),
        ("$digits recipes >/dev/full", 1, "digits: could not write the output: No space left on device\n"),
        ("$digits predict --model nothing a.png 2>/dev/full", 1, ""),
        ("$digits recipes | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("$digits predict nothing.png 2>&1 | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("PYTHONIOENCODING=ascii LC_ALL=C $digits serve --help", 0, ""),
        ("PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C $digits predict ä.png", 1, ""),
    ],
)
def test_closed_and_full_outputs_end_in_an_exit_code(shell: str, code: int, error: str) -> None:
    """No traceback where the output is closed, full, left by its reader or poor in characters."""
    done = run(shell)
    assert (done.returncode, done.stderr) == (code, error)
