"""What the pages say is true: links, paths, commands, options, names, tables and examples."""

import functools
import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest
from support.strokefont import sheet

import digits
from digits.cli.main import COMMANDS
from digits.recipes import FIGURES_FILE

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import generate  # noqa: E402  # docs/generate.py, found through the line above

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), *(ROOT / ".github").glob("**/*.md")])
HISTORY = ROOT / "docs" / "log.md"  # speaks of the code as it was: options and names may be gone
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@functools.cache
def text_of(page: Path) -> str:
    """Return a page without its diffs, which speak of code that is not there."""
    return re.sub(r"^```diff\n.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@functools.cache
def help_text(command: str) -> str:
    """Return what `digits COMMAND --help` prints; asked once, because each takes a process."""
    return generate.help_text(command)


def test_the_command_page_is_what_help_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/cli.md is up to date; if not, `make docs` writes it again."""
    asked = {command: help_text(command) for command in ("", *COMMANDS)}
    monkeypatch.setattr(generate, "help_text", asked.__getitem__)
    assert (ROOT / "docs" / "cli.md").read_text() == generate.cli_page()


@pytest.mark.parametrize("page", generate.PAGES, ids=lambda page: page.name)
def test_tables_are_what_was_measured(page: Path) -> None:
    """Tables in the pages have the figures of benchmarks/results; if not, `make docs` writes them again."""
    assert page.read_text() == generate.with_tables(page.read_text())


def test_the_recipes_figures_are_what_was_measured() -> None:
    """`digits recipes` prints the figures of benchmarks/results; if not, `make docs` writes them again."""
    assert FIGURES_FILE.read_text() == generate.recipe_figures()


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page names a file, and every #part a heading, that is there."""
    for target, part in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)", text_of(page)):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not part or part in anchors(file), f"{target}#{part}"


def anchors(page: Path) -> set[str]:
    """Return the names by which GitHub links to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_paths_in_the_pages_exist(page: Path) -> None:
    """Every path into a folder of the repository that a page names is there."""
    path = re.compile(r"(?<![\w/.-])(?:src|tests|docs|benchmarks)/[\w./*-]*[\w*]")
    for found in path.findall(text_of(page)):
        assert list(ROOT.glob(found.replace("RECIPE", "*"))), found


@every_page
def test_commands_in_the_pages_exist(page: Path) -> None:
    """Every `digits` command line that a page shows has a command and options that are there."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)
    code = "".join(text for language, text in blocks if language == "bash")
    shown = re.findall(r"^\s*(?:digits|python train\.py)\b.*$", code, re.MULTILINE)
    shown += re.findall(r"`(digits [a-z-][^`\n]*)`", text_of(page))
    for line in shown:
        words = shlex.split(line, comments=True)
        command = "train" if words[0] == "python" else words[1]
        if command.startswith("-") or command == "COMMAND":
            continue
        assert command in COMMANDS, line
        known = help_text(command) + (help_text("train") if command == "tune" else "")
        options = [word.split("=")[0] for word in words if word.startswith("--") and word != "--help"]
        assert not [option for option in options if option not in known], line


@every_page
def test_options_in_the_pages_exist(page: Path) -> None:
    """Every `--option` that a page names alone belongs to some command, or to a program of the repository."""
    if page == HISTORY:
        return
    known = "".join(map(help_text, COMMANDS))
    known += "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))
    for option in re.findall(r"`(--[a-z][\w-]+)[ `=]", text_of(page)):
        assert option in known or f'"{option[2:].replace("-", "_")}"' in known, option


@every_page
def test_python_names_in_the_pages_exist(page: Path) -> None:
    """Every `digits.NAME` that a page mentions is a module, or a name that can be imported."""
    if page == HISTORY:
        return
    for dotted in re.findall(r"(?<![\w/.@-])digits\.([A-Za-z_][\w.]*\w)", text_of(page)):
        assert exists(dotted) or dotted == "example.org", f"digits.{dotted}"


def exists(dotted: str) -> bool:
    """Return True if digits has a module or an attribute of this dotted name."""
    found: object = digits
    for count, name in enumerate(dotted.split("."), 1):
        module = ".".join(["digits", *dotted.split(".")[:count]])
        if hasattr(found, name):
            found = getattr(found, name)
        elif isinstance(found, type(digits)):
            try:
                found = importlib.import_module(module)
            except ModuleNotFoundError:
                return False
        else:
            return False
    return True


def test_the_readmes_python_runs(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's Python example works as it is printed, with whatever data and photo there is."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.setenv("DIGITS_DATA", str(tiny_folder))
    monkeypatch.chdir(tmp_path)
    sheet("7").save("photo.jpg")
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102  # our own page
    assert "probabilities" in names


def test_the_two_commands_stand_in_the_readme() -> None:
    """The README prints its two commands for a bare machine and for an activated environment."""
    readme = (ROOT / "README.md").read_text()
    new, python = "python3 -m venv .venv && .venv/bin/pip install -r", ".venv/bin/python"
    assert f"{new} requirements.txt && {python} train.py\n" in readme
    assert f"{new} requirements-dev.txt && {python} -m pytest\n" in readme
    assert "`pip install -r requirements.txt && python train.py`" in readme
    assert "`pip install -r requirements-dev.txt && python -m pytest`" in readme


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    """.ci/run contains the README's second command, letter by letter."""
    _, command = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


def test_the_first_picture_is_small() -> None:
    """The README's animation loads quickly: less than 500 kB."""
    assert (ROOT / "docs" / "pictures" / "reading.gif").stat().st_size < 500_000
