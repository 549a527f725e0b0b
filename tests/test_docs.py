"""The pages say what the code does."""

import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import generate  # noqa: E402  # docs/generate.py, found through the line above

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])


def test_the_command_page_is_what_help_prints() -> None:
    """docs/cli.md is fresh; if not, `make docs` writes it anew."""
    assert (ROOT / "docs" / "cli.md").read_text() == generate.cli_page()


def test_the_readmes_tables_are_what_was_measured() -> None:
    """The README's tables have the figures of benchmarks/results; if not, `make docs` writes them anew."""
    assert (ROOT / "README.md").read_text() == generate.readme()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page names a file that is there."""
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_pages_use_real_options(page: Path) -> None:
    """Every `digits` command line shown has only options that the command has."""
    helps = {command: generate.help_text((command,)) for (command,) in generate.COMMANDS[1:]}
    helps["tune"] += helps["train"]  # whose options it takes as well
    for line in re.findall(r"^\s*(?:digits|python train\.py)\b.*$", page.read_text(), re.MULTILINE):
        words = shlex.split(line.split("#")[0])
        command = "train" if words[0] == "python" else words[1]
        if command in helps:
            options = [word.split("=")[0] for word in words if word.startswith("--") and word != "--help"]
            assert not [option for option in options if option not in helps[command]], line


def test_the_readmes_python_runs(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's Python example works as it stands, on whatever data is found."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.setenv("DIGITS_DATA", str(tiny_folder))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102  # our own page
    assert "probabilities" in names


def test_the_two_commands_stand_in_the_readme() -> None:
    """A newcomer finds the command that does the job and the one that tests."""
    readme = (ROOT / "README.md").read_text()
    assert "pip install -r requirements.txt && python train.py" in readme
    assert "pip install -r requirements-dev.txt && python -m pytest" in readme
