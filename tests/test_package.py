"""The wheel holds the package, and works without PyTorch until a command needs more."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).parent.parent
LIMIT = 6 * 2**20  # bytes of a wheel
OPTIONAL = (
    "torch",
    "matplotlib",
    "tensorboard",
    "fastapi",
    "uvicorn",
    "optuna",
)  # none comes without an extra
NEED_EXTRA = {  # command line -> the extra that it asks for where only the package itself is installed
    "train --epochs 1": "train",
    "evaluate cnn": "train",
    "compare cnn mlp": "train",
    "adapt FOLDER": "train",
    "tune --trials 1": "tune",
    "serve": "serve",
    "predict PICTURE --explain FOLDER/why.png": "train",
}


SEVEN, ONE = [(60, 40), (140, 40), (90, 160)], [(110, 30), (90, 160)]  # px, corners of their strokes


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A PNG file with a 7 in black on white."""
    return draw(tmp_path / "seven.png", SEVEN)


def draw(file: Path, stroke: list[tuple[int, int]], pen: int = 12) -> Path:
    """Draw one stroke, `pen` px wide, into a new PNG file and return its path."""
    image = Image.new("L", (200, 200), "white")
    ImageDraw.Draw(image).line(stroke, fill="black", width=pen)
    image.save(file)
    return file


class Without:
    """A finder of modules that does not find the optional packages."""

    def __init__(self, finder: Any) -> None:
        self.finder = finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name in OPTIONAL else self.finder.find_spec(name, path, target)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Python as if no optional package were installed, and as if nothing of digits had been imported."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # `digits predict` sets it where it is not set
    monkeypatch.setattr(sys, "meta_path", [Without(finder) for finder in sys.meta_path])
    before = loaded()
    for name in before:
        del sys.modules[name]
    yield
    for name in loaded():
        del sys.modules[name]  # other tests must not find these second copies
    sys.modules.update(before)


def loaded() -> dict[str, ModuleType]:
    """Return the imported modules of digits and the imported optional packages, by name."""
    return {n: m for n, m in sys.modules.items() if n.split(".")[0] == "digits" or n in OPTIONAL}


def digits(line: str, picture: Path) -> int:
    """Run one command line in this process and return its exit code."""
    arguments = line.replace("PICTURE", str(picture)).replace("FOLDER", str(picture.parent)).split()
    try:
        code: int = import_module("digits.cli.main").main(arguments)
    except SystemExit as end:  # --help
        return int(end.code or 0)
    return code


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("predict PICTURE", "  7  "),
        ("--help", "usage: digits"),
        ("train --help", "--epochs"),
        ("recipes", "classic"),
    ],
)
def test_what_reads_or_explains_works_without_an_extra(
    picture: Path, capsys: pytest.CaptureFixture[str], line: str, expected: str
) -> None:
    """Reading pictures, help and the list of recipes need no optional package."""
    assert digits(line, picture) == 0
    assert expected in capsys.readouterr().out


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("line", NEED_EXTRA)
def test_a_missing_extra_is_named(picture: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    """A command that needs more says in one line what to install, and ends with exit code 1."""
    assert digits(line, picture) == 1
    (message,) = capsys.readouterr().err.splitlines()
    assert message.endswith(f"pip install 'digits[{NEED_EXTRA[line]}]'")


@pytest.mark.usefixtures("bare")
def test_a_missing_extra_is_named_in_python_too() -> None:
    """A function that needs PyTorch raises an error with the same line; reading works."""
    package = import_module("digits")
    with pytest.raises(package.DigitsError, match=r"digits\.run needs .* pip install 'digits\[train\]'"):
        package.run()
    assert package.Reader.load("cnn")


def test_nothing_is_in_git_that_tools_leave_behind() -> None:
    """No file under version control is one that .gitignore names: results, caches, screenshots."""
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("needs a clone: this is not one, or git is missing")
    assert done.stdout == ""


# From the wheel, in an environment of its own.


def pip(*arguments: str | Path) -> None:
    """Run pip, or skip the test where no package index can be reached."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if "No matching distribution found" in done.stderr:  # any other failure is ours
        pytest.skip(f"needs a package index: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def build(folder: Path) -> Path:
    """The wheel that pip makes of this checkout."""
    pip("wheel", "--no-deps", f"--wheel-dir={folder}", ROOT)
    return next(folder.glob("digits-*.whl"))


class Environment:
    """A virtual environment in which only the wheel and what it depends on are installed."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
        self.install(str(wheel))

    def install(self, *requirements: str) -> None:
        pip("--python", self.programs / "python", "install", "--no-compile", *requirements)

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(self.programs / "digits"), *map(str, arguments)]

    def digits(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments), env=self.variables, capture_output=True, text=True, timeout=300
        )

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a user who has no path to this checkout."""
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
@pytest.mark.network
def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path, tmp_path: Path) -> None:
    """The wheel has every file of src/digits and no other, is small, and is the same when built again."""
    source = {
        f"digits/{path.relative_to(ROOT / 'src' / 'digits').as_posix()}": path.read_bytes()
        for path in (ROOT / "src" / "digits").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert {name: archive.read(name) for name in names} == source
        metadata = archive.read(next(n for n in archive.namelist() if n.endswith("METADATA"))).decode()
    assert "License-Expression: MIT" in metadata
    assert wheel.stat().st_size < LIMIT
    assert build(tmp_path).read_bytes() == wheel.read_bytes()


@pytest.mark.slow
@pytest.mark.network
def test_each_extra_brings_what_its_commands_need(
    wheel: Path, tmp_path: Path, picture: Path, tiny_folder: Path
) -> None:
    """The wheel alone reads pictures; then the pip line that a command prints makes that command work."""
    user = Environment(tmp_path / "environment", wheel)
    assert "  7  " in user.digits("predict", picture).stdout
    assert json.loads(user.digits("predict", picture, "--json").stdout)["text"] == "7"
    assert user.digits("--help").returncode == user.digits("recipes").returncode == 0
    pin = re.findall(r"^torch==\S+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    custom = tmp_path / "custom"
    for digit, stroke in (("1", ONE), ("7", SEVEN)):
        (custom / digit).mkdir(parents=True)
        for pen in (8, 12, 16):
            draw(custom / digit / f"{pen}.png", stroke, pen)

    install_as_told(user, "serve")
    assert "ModuleNotFoundError: No module named 'torch'" in torch_in(user)
    assert serves(user)

    out = ("--data", tiny_folder, "--out", tmp_path / "runs")
    install_as_told(user, "train", *pin)
    assert torch_in(user) == ""
    commands: list[tuple[str | Path, ...]] = [
        ("train", "--epochs", "1", *out),
        ("evaluate", tmp_path / "runs" / "classic-1", "--data", tiny_folder),
        ("compare", "cnn", tmp_path / "runs" / "classic-1", "--data", tiny_folder),
        ("adapt", custom, *out),
        ("predict", picture, "--explain", tmp_path / "why.png"),
    ]
    for command in commands:
        done = user.digits(*command)
        assert done.returncode == 0, done.stderr

    install_as_told(user, "tune", *pin)
    done = user.digits("tune", "--trials", "1", "--epochs", "1", *out)
    assert done.returncode == 0, done.stderr


def install_as_told(user: Environment, command: str, *pins: str) -> None:
    """Run the pip line that a command prints where its extra is missing; `pins` keep the download small."""
    done = user.digits(command)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    user.install(re.findall(r"pip install '(digits\[\w+\])'$", done.stderr.strip())[0], *pins)


def torch_in(user: Environment) -> str:
    """The error of `import torch` in an environment; empty where it works."""
    command = [str(user.programs / "python"), "-c", "import torch"]
    done = subprocess.run(command, env=user.variables, capture_output=True, text=True)
    return done.stderr


def serves(user: Environment) -> bool:
    """Return True if `digits serve` starts and sends its page."""
    command = user.command("serve", "--port", "0")
    with subprocess.Popen(command, env=user.variables, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines, deadline = "", time.monotonic() + 60
        while not (address := re.search(r"http://[\d.:]+", lines)) and time.monotonic() < deadline:
            lines += server.stdout.readline()
        try:
            assert address, lines
            with urllib.request.urlopen(address[0], timeout=30) as answer:  # noqa: S310  # our own server
                return bool(answer.status == 200)
        finally:
            server.terminate()
